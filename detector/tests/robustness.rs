//! Broken variants of real programs get an answer in time: no panic, no endless analysis.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "tests print through their harness, which captures it")]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row};
use real_detector::rules::registry;
use real_detector::{Options, analyze, syntax};
use real_detector_api::AnalysisErrorKind;

/// Time for all variants together; what is not reached by then is reached with another [`SEED`].
const BUDGET: Duration = Duration::from_secs(12);
const VARIANTS: usize = 8_000;
/// `REAL_SEED` tries others.
const SEED: u64 = 20_240_612;

/// `SplitMix64` (Steele, Lea, Flood 2014): the same variants on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let bound = bound.max(1) as u64;
        usize::try_from((value ^ (value >> 31)) % bound).expect("less than a usize")
    }
}

/// Texts in a row, at any depth of lists and groups, that are programs of a usual size.
fn texts(row: &Row, found: &mut Vec<String>) {
    fn visit(field: &Field, found: &mut Vec<String>) {
        match field {
            Field::Str(text) => found.push(text.clone()),
            Field::Group(row) => row.get_column_iter().for_each(|(_, field)| visit(field, found)),
            Field::ListInternal(list) => list.elements().iter().for_each(|field| visit(field, found)),
            _ => {}
        }
    }
    let mut all = vec![];
    row.get_column_iter().for_each(|(_, field)| visit(field, &mut all));
    let usual = |text: &String| (40..6_000).contains(&text.len()) && text.contains('\n');
    found.extend(all.into_iter().filter(|text| usual(text) && syntax::parse(text).is_ok()));
}

fn programs() -> Vec<String> {
    let registry = registry().expect("rule files are sound");
    let mut programs: Vec<String> =
        registry.rules.iter().flat_map(|rule| rule.bad.iter().chain(&rule.good)).cloned().collect();
    let folder = std::env::var_os("REAL_DATA_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"), PathBuf::from);
    for name in ["safesql-train.parquet", "seccodeplt-train.parquet", "apps-dev.parquet"] {
        let path = folder.join(name);
        let Ok(file) = File::open(&path) else {
            println!("skipped: no {} (set REAL_DATA_DIR)", path.display());
            continue;
        };
        let reader = SerializedFileReader::new(file).expect("parquet");
        let rows = reader.get_row_iter(None).expect("rows");
        rows.step_by(8).for_each(|row| texts(&row.expect("a row"), &mut programs));
    }
    programs
}

/// Names, numbers, runs of blanks, and single characters.
fn tokens(code: &str) -> Vec<&str> {
    let kind = |character: char| match character {
        _ if character.is_alphanumeric() || character == '_' => 1,
        ' ' | '\t' => 2,
        _ => 0,
    };
    let mut tokens = vec![];
    let (mut start, mut before) = (0, 0);
    for (place, character) in code.char_indices() {
        if place > start && (kind(character) == 0 || kind(character) != before) {
            tokens.push(&code[start..place]);
            start = place;
        }
        before = kind(character);
    }
    tokens.push(&code[start..]);
    tokens
}

/// Deletes, doubles, swaps or moves in pieces of a program; a piece may come from another one.
fn mutate(code: &str, other: &str, random: &mut Random) -> String {
    let mut text = code.to_owned();
    for _ in 0..=random.below(4) {
        let by_line = random.below(2) == 0;
        let split = |text: &str| -> Vec<String> {
            if by_line {
                text.split_inclusive('\n').map(str::to_owned).collect()
            } else {
                tokens(text).into_iter().map(str::to_owned).collect()
            }
        };
        let (mut pieces, others) = (split(&text), split(other));
        if pieces.is_empty() {
            break;
        }
        let (place, second) = (random.below(pieces.len()), random.below(pieces.len()));
        match random.below(6) {
            0 => drop(pieces.remove(place)),
            1 => pieces.insert(place, pieces[place].clone()),
            2 => pieces.swap(place, second),
            3 => pieces.insert(place, others[random.below(others.len())].clone()),
            4 => pieces[place].clone_from(&others[random.below(others.len())]),
            _ => pieces.truncate(place + 1),
        }
        text = pieces.concat();
    }
    text
}

#[test]
fn broken_variants_of_real_programs_get_an_answer_in_time() {
    let programs = programs();
    let seed = std::env::var("REAL_SEED").ok().map_or(SEED, |seed| seed.parse().expect("REAL_SEED is a number"));
    let mut random = Random(seed);
    let options = Options { timeout: Duration::from_secs(5), ..Options::default() };
    let start = Instant::now();
    let (mut done, mut parsed, mut with_findings) = (0, 0, 0);
    let (mut slowest, mut slowest_code) = (Duration::ZERO, String::new());
    while done < VARIANTS && start.elapsed() < BUDGET {
        let (one, other) = (random.below(programs.len()), random.below(programs.len()));
        let code = mutate(&programs[one], &programs[other], &mut random);
        let begin = Instant::now();
        match analyze(&code, &options) {
            Ok(findings) => {
                parsed += 1;
                with_findings += usize::from(!findings.is_empty());
                let lines = code.split('\n').count();
                for finding in findings {
                    assert!((1..=lines).contains(&(finding.line as usize)), "{finding:?}\n{code}");
                }
            }
            Err(error) => assert_eq!(error.kind, AnalysisErrorKind::Syntax, "seed {seed}: {}\n{code}", error.message),
        }
        if begin.elapsed() > slowest {
            (slowest, slowest_code) = (begin.elapsed(), code);
        }
        done += 1;
    }
    println!("{done} variants of {} programs, {parsed} of them Python, {with_findings} with findings", programs.len());
    println!("slowest {slowest:?} with {} bytes", slowest_code.len());
    assert!(done >= 100 && parsed * 5 > done && parsed < done && with_findings > 0, "{done} {parsed} {with_findings}");
}
