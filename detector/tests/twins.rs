//! Twins: programs that are vulnerable, and ones that differ in what makes them safe, in the styles that people and models
//! write. `twins/*.txt` holds them: `#V what it stands for` is found, `#S …` is left alone.

use std::path::Path;

use real_detector::{Options, analyze};

/// Name, whether it is vulnerable, text.
fn twins(text: &str) -> Vec<(&str, bool, String)> {
    let mut found: Vec<(&str, bool, String)> = vec![];
    for line in text.lines() {
        match (line.strip_prefix("#V "), line.strip_prefix("#S "), found.last_mut()) {
            (Some(name), ..) => found.push((name, true, String::new())),
            (_, Some(name), _) => found.push((name, false, String::new())),
            (.., Some((.., code))) => {
                code.push_str(line);
                code.push('\n');
            }
            _ => panic!("a line before the first program: {line}"),
        }
    }
    found
}

#[test]
fn twins_are_told_apart() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/twins");
    let (mut wrong, mut counts) = (vec![], [0, 0]);
    for entry in std::fs::read_dir(&folder).expect("the folder can be listed") {
        let path = entry.expect("an entry").path();
        let text = std::fs::read_to_string(&path).expect("programs can be read");
        for (name, vulnerable, code) in twins(&text) {
            counts[usize::from(vulnerable)] += 1;
            let findings = match analyze(&code, &Options::default()) {
                Ok(findings) => findings,
                Err(error) => panic!("{name}: {}\n{code}", error.message),
            };
            if findings.is_empty() == vulnerable {
                let rules: Vec<&str> = findings.iter().map(|finding| &*finding.rule).collect();
                wrong.push(format!("{}: {name}: {rules:?}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(counts.iter().all(|count| *count >= 100), "safe and vulnerable: {counts:?}");
}
