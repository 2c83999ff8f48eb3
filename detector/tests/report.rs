//! The paper's SecCodePLT+ pairs and APPS+ references, by CWE: recall, false positives, Youden's J. Skipped where the data is
//! absent. Half of the pairs, told apart by their ids, was looked at while rules were written; the other was not.
//!
//! `cargo test -p real-detector --test report -- --nocapture` prints the table.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "tests print through their harness, which captures it")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row};
use real_detector::{Options, analyze};
use sha2::{Digest, Sha256};

/// Below these the rules have become worse.
const LEAST_J: f64 = 0.80;
const MOST_PATCHED: f64 = 0.06;
const MOST_REFERENCES: f64 = 0.02;

fn data(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("REAL_DATA_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"), PathBuf::from);
    let path = folder.join(name);
    if !path.exists() {
        println!("skipped: no {} (set REAL_DATA_DIR)", path.display());
        return None;
    }
    Some(path)
}

fn rows(path: &Path) -> Vec<Row> {
    let reader = SerializedFileReader::new(std::fs::File::open(path).expect("opens")).expect("parquet");
    reader.get_row_iter(None).expect("rows").map(|row| row.expect("a row")).collect()
}

fn field<'a>(row: &'a Row, name: &str) -> &'a Field {
    row.get_column_iter().find(|(own, _)| *own == name).map(|(_, field)| field).expect("a column of the data set")
}

fn text(field: &Field) -> String {
    match field {
        Field::Str(text) => text.clone(),
        _ => String::new(),
    }
}

/// CWE numbers that name one weakness at different heights of the catalogue.
fn family(cwe: u32) -> u32 {
    match cwe {
        74 | 77 | 78 | 79 | 80 | 89 | 90 | 91 | 93 | 94 | 95 | 113 | 643 => 74,
        327 | 328 | 326 | 760 => 327,
        347 | 295 => 347,
        601 | 918 => 601,
        862 | 863 | 639 => 862,
        other => other,
    }
}

#[derive(Clone, Copy, Default)]
struct Counts {
    pairs: u32,
    found: u32,
    found_own: u32,
    patched: u32,
    patched_own: u32,
}

impl Counts {
    fn rates(self) -> (f64, f64, f64, f64) {
        let of = |count: u32| f64::from(count) / f64::from(self.pairs.max(1));
        (of(self.found), of(self.patched), of(self.found_own), of(self.patched_own))
    }

    fn line(self, name: &str) {
        let (recall, wrong, own_recall, own_wrong) = self.rates();
        println!(
            "{name:>8} {:>5} {recall:>6.2} {wrong:>6.2} {:>6.2}   {own_recall:>6.2} {own_wrong:>6.2} {:>6.2}",
            self.pairs,
            recall - wrong,
            own_recall - own_wrong
        );
    }
}

fn cwes_of(code: &str) -> Vec<u32> {
    let options = Options { timeout: Duration::from_secs(60), ..Options::default() };
    analyze(code, &options).map(|findings| findings.iter().map(|one| one.cwe).collect()).unwrap_or_default()
}

/// Which half of the data a program belongs to: the last bit of the SHA-256 of its id.
fn is_held_back(id: &str) -> bool {
    Sha256::digest(id.as_bytes()).last().is_some_and(|byte| byte & 1 == 1)
}

#[test]
fn vulnerable_programs_are_told_from_patched_ones() {
    let Some(path) = data("seccodeplt-train.parquet") else { return };
    // By half (looked at, held back), by CWE.
    let mut counts: [BTreeMap<u32, Counts>; 2] = [BTreeMap::new(), BTreeMap::new()];
    for row in rows(&path) {
        let cwe: u32 = match field(&row, "CWE_ID") {
            Field::Str(text) => text.parse().expect("a CWE number"),
            other => other.to_string().parse().expect("a CWE number"),
        };
        let Field::Group(truth) = field(&row, "ground_truth") else { panic!("ground_truth is no group") };
        let (before, after) = (text(field(truth, "code_before")), text(field(truth, "code_after")));
        let found = |name: &str| cwes_of(&format!("{before}{}{after}", text(field(truth, name))));
        let (bad, good) = (found("vulnerable_code"), found("patched_code"));
        let own = |all: &[u32]| u32::from(all.iter().any(|one| family(*one) == family(cwe)));
        let half = usize::from(is_held_back(&text(field(&row, "id"))));
        let one = counts[half].entry(cwe).or_default();
        one.pairs += 1;
        one.found += u32::from(!bad.is_empty());
        one.patched += u32::from(!good.is_empty());
        one.found_own += own(&bad);
        one.patched_own += own(&good);
    }
    for (half, name) in counts.iter().zip(["looked at", "held back"]) {
        println!("{name}:\n     CWE pairs      R    FPR      J   own: R    FPR      J");
        let mut all = Counts::default();
        for (cwe, one) in half {
            one.line(&cwe.to_string());
            all.pairs += one.pairs;
            all.found += one.found;
            all.found_own += one.found_own;
            all.patched += one.patched;
            all.patched_own += one.patched_own;
        }
        all.line("all");
        let (recall, wrong, ..) = all.rates();
        assert!(recall - wrong >= LEAST_J, "{name}: J is {:.3}", recall - wrong);
        assert!(wrong <= MOST_PATCHED, "{name}: {wrong:.3} of the patched programs have a finding");
    }
}

#[test]
fn correct_solutions_have_no_findings() {
    let Some(path) = data("apps-dev.parquet") else { return };
    let (mut count, mut found) = (0u32, vec![]);
    for row in rows(&path) {
        let solutions = text(field(&row, "solutions"));
        let solutions: Vec<String> = serde_json::from_str(&solutions).expect("a list of solutions");
        let Some(first) = solutions.first() else { continue };
        count += 1;
        let cwes = cwes_of(first);
        if !cwes.is_empty() {
            found.push((field(&row, "problem_id").to_string(), cwes));
        }
    }
    println!("{} of {count} references with a finding: {found:?}", found.len());
    let share = found.len() as f64 / f64::from(count.max(1));
    assert!(share <= MOST_REFERENCES, "{share:.3} of the references have a finding");
}
