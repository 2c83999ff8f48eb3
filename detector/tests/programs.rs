//! Small programs in the ways people and models write them: `programs/vulnerable` are found, `programs/safe` are not.
//! The first line names the CWE.

use std::path::{Path, PathBuf};

use real_detector::{Options, analyze};

/// CWE and text of the programs of a folder.
fn programs(folder: &str) -> Vec<(PathBuf, u32, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs").join(folder);
    let mut found = vec![];
    for entry in std::fs::read_dir(&folder).expect("the folder can be listed") {
        let path = entry.expect("an entry").path();
        let code = std::fs::read_to_string(&path).expect("a program can be read");
        let cwe = code.lines().next().and_then(|line| line.strip_prefix("# CWE-")).and_then(|cwe| cwe.parse().ok());
        let cwe = cwe.unwrap_or_else(|| panic!("{}: the first line must be `# CWE-<number>`", path.display()));
        found.push((path, cwe, code));
    }
    assert!(found.len() >= 20, "{} programs in {}", found.len(), folder.display());
    found
}

fn wrong(folder: &str, vulnerable: bool) -> Vec<PathBuf> {
    let is_found = |cwe: u32, code: &str| {
        let options = Options { cwes: Some(vec![cwe]), ..Options::default() };
        !analyze(code, &options).expect("programs are Python").is_empty()
    };
    programs(folder)
        .into_iter()
        .filter(|(_, cwe, code)| is_found(*cwe, code) != vulnerable)
        .map(|(path, ..)| path)
        .collect()
}

#[test]
fn vulnerable_programs_are_found() {
    assert_eq!(wrong("vulnerable", true), Vec::<PathBuf>::new());
}

#[test]
fn safe_programs_are_left_alone() {
    assert_eq!(wrong("safe", false), Vec::<PathBuf>::new());
}
