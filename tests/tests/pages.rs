//! What pages tell people to type is typed: each block of commands is run, or says why not.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use real_tests::pages::{pages, root};
use real_tests::programs;

/// Blocks that are not run. Lower it where you can.
const MOST_NOT_RUN: usize = 27;
const RUN: &str = "<!-- run -->";
/// A block whose last command ends with 1, as it should.
const RUN_TO_1: &str = "<!-- run, ends with 1 -->";
const NOT_RUN: &str = "<!-- not run: ";
/// A block that another test types, in what it needs.
const RUN_BY: &str = "<!-- run by ";

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
                RUN | RUN_TO_1 => run += 1,
                by if let Some(test) = by.strip_prefix(RUN_BY).and_then(|by| by.strip_suffix(" -->")) => {
                    assert!(root().join(test).is_file(), "{}: there is no {test}", path.display());
                    run += 1;
                }
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
        for block in blocks(&text).into_iter().filter(|block| [RUN, RUN_TO_1].contains(&block.before.as_str())) {
            let script = block.commands.join("\n");
            // Built on its own, and not everywhere.
            if !trainer && ["real-trainer", "real run", "real doctor"].iter().any(|call| script.contains(call)) {
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
            let code = i32::from(block.before == RUN_TO_1);
            assert_eq!(output.status.code(), Some(code), "{}:\n{script}\n{said}", path.display());
            assert!(!said.contains("panicked"), "{}:\n{script}\n{said}", path.display());
        }
    }
}

/// Programs besides `real`, whose page `real-cli` writes, and their commands. The trainer, which is not built everywhere, is the last.
const PROGRAMS: [(&str, &[&str]); 4] = [
    ("real-detector", &["check", "rules", "serve"]),
    ("real-sandbox", &["serve"]),
    ("real-operator", &["run", "migrate"]),
    ("real-trainer", &["generate", "plan", "merge", "train", "evaluate", "gpu-check"]),
];

/// What a command says of its options, whatever is set in the environment.
fn help(program: &Path, command: &str) -> String {
    let libraries = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let mut asked = Command::new(program);
    let output =
        asked.args([command, "--help"]).env_clear().env("LD_LIBRARY_PATH", libraries).output().expect("it starts");
    assert!(output.status.success(), "{} {command}: {}", program.display(), String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("help is text");
    text.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

#[test]
fn the_page_of_the_other_programs_is_fresh() {
    let folder = programs::path("real-detector").parent().expect("a folder of programs").to_owned();
    let path = root().join("docs/reference/programs.md");
    let old = fs::read_to_string(&path).unwrap_or_default();
    let mut page = String::from(
        "# The other programs\n\nGenerated by `make generate` from what each says with `--help`. `real` has [a page of its own](../cli.md).\n",
    );
    for (name, commands) in PROGRAMS {
        let program = folder.join(name);
        if !program.is_file() {
            page.push_str(old.find(&format!("\n## {name} ")).map_or("", |from| &old[from..]));
            break;
        }
        for command in commands {
            let _ = write!(page, "\n## {name} {command}\n\n```text\n{}```\n", help(&program, command));
        }
    }
    if old == page {
        return;
    }
    assert!(std::env::var_os("REAL_UPDATE").is_some(), "docs/reference/programs.md is stale; run `make generate`");
    fs::write(&path, page).expect("it can be written");
}
