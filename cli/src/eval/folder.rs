//! The folder of an evaluation: who may write to it, and what is in it.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use real_crds::sweep::Cell;
use real_datasets::files::write_whole;
use real_evaluation::compare::verdict;
use real_evaluation::report::{Example, Format, Report, html};
use real_evaluation::{Judged, ResultsFile, Row, ScoredRow};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// Longest name of a cell's folder, bytes.
const LONGEST_NAME: usize = 120;

/// Answers of a cell in the report.
const EXAMPLES: usize = 4;

/// What was said about a folder that holds an evaluation already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Existing {
    /// Nothing: refuse.
    Refuse,
    /// `--resume`: go on with it.
    Resume,
    /// `--fresh`: move it aside.
    MoveAside,
}

/// The folder, locked for as long as this is there.
pub(super) struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Makes the folder, or goes on with it.
    pub(super) fn open(path: &Path, existing: Existing) -> anyhow::Result<Self> {
        let cells = path.join("cells");
        let shown = path.display();
        ensure!(!path.is_file(), "{shown} is a file; name a folder with --output");
        if cells.exists() {
            match existing {
                Existing::Refuse => anyhow::bail!(
                    "{shown} already holds an evaluation; add --resume to go on with it, --fresh to move it aside, or choose \
                     another with --output"
                ),
                Existing::MoveAside => move_aside(path)?,
                Existing::Resume => {}
            }
        } else {
            ensure!(
                existing != Existing::Resume,
                "cannot resume: there is no evaluation in {shown}; leave --resume out"
            );
            let empty = fs::read_dir(path).map_or(true, |mut entries| entries.next().is_none());
            ensure!(empty, "{shown} holds something that is no evaluation; choose another folder with --output");
        }
        let unwritable = || format!("cannot write to {shown}; choose another folder with --output");
        fs::create_dir_all(&cells).with_context(unwritable)?;
        let lock = File::create(path.join(".lock")).with_context(unwritable)?;
        lock.try_lock()
            .map_err(std::io::Error::from)
            .with_context(|| format!("another `real eval` is using {shown}; wait for it, or choose another folder"))?;
        let folder = Self { path: path.to_owned(), _lock: lock };
        fs::create_dir_all(folder.logs()).with_context(unwritable)?;
        Ok(folder)
    }

    /// Where logs go.
    pub(super) fn logs(&self) -> PathBuf {
        self.path.join("logs")
    }

    /// A cell's own folder: its name, as far as a file system takes it.
    pub(super) fn cell(&self, cell: &Cell) -> PathBuf {
        self.path.join("cells").join(folder_name(&cell.name))
    }

    /// Writes `summary.json`, `results.jsonl`, `results.parquet` and `report.html`.
    pub(super) fn write(&self, report: &Report, cells: &[Cell]) -> anyhow::Result<()> {
        let examples = self.write_rows(cells)?;
        write_whole(&self.path.join("report.html"), html(report, &examples))?;
        let text = report.text(Format::Json, None)? + "\n";
        write_whole(&self.path.join("summary.json"), &text)?;
        Ok(())
    }

    /// All rows of all cells in one file of either kind, a row at a time; answers worth looking at come back.
    fn write_rows(&self, cells: &[Cell]) -> anyhow::Result<Vec<Example>> {
        let (target, partial) = (self.path.join("results.jsonl"), self.path.join("results.jsonl.partial"));
        let cannot = || format!("cannot write {}", partial.display());
        let mut file = BufWriter::new(File::create(&partial).with_context(cannot)?);
        let (columns, begun) = (self.path.join("results.parquet"), self.path.join("results.parquet.partial"));
        let cannot_columns = || format!("cannot write {}", begun.display());
        let mut table = ResultsFile::create(&begun).with_context(cannot_columns)?;
        let mut examples = Vec::new();
        for cell in cells {
            let path = self.cell(cell).join("rows.jsonl");
            let Ok(rows) = File::open(&path) else { continue };
            let mut chosen = Chosen::default();
            for line in BufReader::new(rows).lines() {
                let line = line.with_context(|| format!("cannot read {}", path.display()))?;
                let mut value: Value =
                    serde_json::from_str(&line).with_context(|| format!("{} holds no row", path.display()))?;
                if let Ok(row) = serde_json::from_value::<Row>(value.clone()) {
                    if let Some(row) = row.scored() {
                        chosen.look_at(&cell.name, row);
                    }
                    table.push(&cell.name, row).with_context(cannot_columns)?;
                }
                if let Some(fields) = value.as_object_mut() {
                    fields.insert("cell".to_owned(), cell.name.clone().into());
                }
                serde_json::to_writer(&mut file, &value)?;
                file.write_all(b"\n").with_context(cannot)?;
            }
            examples.extend(chosen.0.into_iter().flatten());
        }
        file.into_inner()
            .map_err(std::io::IntoInnerError::into_error)
            .and_then(|file| file.sync_all())
            .with_context(cannot)?;
        fs::rename(&partial, &target).with_context(cannot)?;
        table.finish().with_context(cannot_columns)?;
        fs::rename(&begun, &columns).with_context(cannot_columns)?;
        Ok(examples)
    }
}

/// Half of the answers that are shown are good ones, half are not, as far as there are any.
#[derive(Default)]
struct Chosen([Vec<Example>; 2]);

impl Chosen {
    fn look_at(&mut self, cell: &str, row: &ScoredRow) {
        let chosen = &mut self.0[usize::from(row.is_both())];
        if chosen.len() < EXAMPLES / 2 {
            chosen.push(Example {
                cell: cell.to_owned(),
                task: row.id.clone(),
                verdict: verdict(row),
                answer: row.response.clone().unwrap_or_default(),
            });
        }
    }
}

fn folder_name(cell: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '=' | ',' | '-') { c } else { '-' };
    let name: String = cell.replace('/', ",").chars().map(plain).collect();
    if name == cell.replace('/', ",") && name.len() <= LONGEST_NAME {
        return name;
    }
    // What was left out tells cells apart, too.
    let hash = real_sources::hex(&Sha256::digest(cell.as_bytes())[..4]);
    format!("{}-{hash}", name.chars().take(LONGEST_NAME).collect::<String>())
}

fn move_aside(path: &Path) -> anyhow::Result<()> {
    let mut numbered = (1..10_000).map(|number| PathBuf::from(format!("{}.{number}", path.display())));
    let aside = numbered.find(|aside| !aside.exists());
    let aside = aside.with_context(|| format!("{} was moved aside too often; remove some", path.display()))?;
    fs::rename(path, &aside).with_context(|| format!("cannot move {} aside", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cells_folder_is_its_name_where_a_file_system_takes_it() {
        assert_eq!(folder_name("qwen/safesql/temperature=0.7,samples=4"), "qwen,safesql,temperature=0.7,samples=4");
        let odd = ["a/s/promptTemplate=Be safe. {prompt}", "a/s/promptTemplate=Be safe: {prompt}"].map(folder_name);
        assert!(odd[0] != odd[1] && odd.iter().all(|name| !name.contains([' ', '/', '{'])), "{odd:?}");
        assert!(folder_name(&"x".repeat(400)).len() < 140);
    }

    #[test]
    fn a_folder_is_never_gone_on_with_or_written_over_unasked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("e");
        let refused = |path: &Path, existing| format!("{:#}", Folder::open(path, existing).err().unwrap());
        assert!(refused(&path, Existing::Resume).contains("no evaluation"));
        let first = Folder::open(&path, Existing::Refuse).unwrap();
        fs::write(path.join("cells/x"), "").unwrap();
        assert!(refused(&path, Existing::Resume).contains("another `real eval`"));
        drop(first);
        assert!(refused(&path, Existing::Refuse).contains("--resume"));
        drop(Folder::open(&path, Existing::Resume).unwrap());
        drop(Folder::open(&path, Existing::MoveAside).unwrap());
        assert!(dir.path().join("e.1/cells/x").exists() && !path.join("cells/x").exists());
        fs::write(dir.path().join("other"), "").unwrap();
        assert!(refused(dir.path(), Existing::Refuse).contains("no evaluation"));
        assert!(refused(&dir.path().join("other"), Existing::Refuse).contains("is a file"));
    }
}
