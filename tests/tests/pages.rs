//! What pages tell people to type is typed: each block of commands is run, or says why not.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use real_tests::programs;

/// Blocks that are not run. Lower it where you can.
const MOST_NOT_RUN: usize = 29;
const RUN: &str = "<!-- run -->";
const NOT_RUN: &str = "<!-- not run: ";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Pages that people read, with their texts.
fn pages() -> Vec<(PathBuf, String)> {
    let mut folders = vec![root()];
    let mut pages = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the tree") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() {
                if !name.starts_with('.') && !["bin", "dist", "runs", "target"].contains(&name.as_str()) {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "md") {
                let text = fs::read_to_string(&path).expect("a page is text");
                pages.push((path, text));
            }
        }
    }
    pages.sort();
    pages
}

/// A block of commands: the line before it, and what is typed.
struct Block {
    before: String,
    commands: Vec<String>,
}

fn blocks(text: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let (mut before, mut open) = (String::new(), None::<(bool, Block)>);
    for line in text.lines() {
        match &mut open {
            None if matches!(line, "```console" | "```sh" | "```bash") => {
                open = Some((line == "```console", Block { before: before.clone(), commands: Vec::new() }));
            }
            None => line.clone_into(&mut before),
            Some(_) if line == "```" => found.extend(open.take().map(|(_, block)| block)),
            Some((true, block)) => block.commands.extend(line.strip_prefix("$ ").map(str::to_owned)),
            Some((false, block)) => block.commands.push(line.to_owned()),
        }
    }
    found
}

#[test]
fn each_block_of_commands_is_run_or_says_why_not() {
    let (mut run, mut not_run, mut unmarked) = (0, 0, Vec::new());
    for (path, text) in pages() {
        for block in blocks(&text) {
            match block.before.as_str() {
                RUN => run += 1,
                why if why.strip_prefix(NOT_RUN).is_some_and(|why| why.len() > 10) => not_run += 1,
                other => unmarked.push(format!("{}: {:?} after {other:?}", path.display(), block.commands.first())),
            }
        }
    }
    assert!(unmarked.is_empty(), "write {RUN} or {NOT_RUN}WHY --> before:\n{}", unmarked.join("\n"));
    assert!(run >= 7, "only {run} blocks are run");
    assert!(not_run <= MOST_NOT_RUN, "{not_run} blocks are not run");
}

#[test]
fn what_pages_say_to_type_works() {
    let folder = programs::path("real").parent().expect("a folder of programs").to_owned();
    let trainer = folder.join("real-trainer").is_file();
    for (path, text) in pages() {
        let page = tempfile::tempdir().expect("a folder");
        for link in ["examples", "datasets", "docs"] {
            symlink(root().canonicalize().expect("the tree").join(link), page.path().join(link)).expect("a link");
        }
        for block in blocks(&text).into_iter().filter(|block| block.before == RUN) {
            let script = block.commands.join("\n");
            // Built on its own, and not everywhere.
            if !trainer && (script.contains("real-trainer") || script.contains("real run")) {
                continue;
            }
            let search = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap_or_default());
            let output = Command::new("bash")
                .args(["-euo", "pipefail", "-c", &script])
                .current_dir(page.path())
                .env("PATH", search)
                .stdin(Stdio::null())
                .output()
                .expect("bash");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{}:\n{script}\n{said}", path.display());
            assert!(!said.contains("panicked"), "{}:\n{script}\n{said}", path.display());
        }
    }
}
