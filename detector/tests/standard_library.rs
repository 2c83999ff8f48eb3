//! Code that people wrote for other people: the standard library of the Python that runs the tests. No panic, no deadline,
//! and no more steps than its instructions explain. `REAL_STDLIB=all` takes every file, otherwise it is one in some.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use real_detector::mypy::interpreter;
use real_detector::{Options, analyze_counting};
use real_detector_api::AnalysisErrorKind;

/// Every how manieth file is taken.
const EVERY: usize = 16;
/// Transfer functions evaluated per instruction and operand, at most.
const STEPS_PER_SIZE: u64 = 24;

fn python_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            if path.file_name().is_none_or(|name| name != "site-packages") {
                python_files(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "py") {
            found.push(path);
        }
    }
}

#[test]
fn the_standard_library_gets_answers() {
    let output = Command::new(interpreter())
        .args(["-I", "-c", "import sysconfig; print(sysconfig.get_path('stdlib'))"])
        .output()
        .expect("Python runs");
    let folder = PathBuf::from(String::from_utf8(output.stdout).expect("UTF-8").trim());
    let mut files = vec![];
    python_files(&folder, &mut files);
    files.sort();
    assert!(files.len() > 200, "{} files in {}", files.len(), folder.display());
    let every = if std::env::var("REAL_STDLIB").is_ok_and(|which| which == "all") { 1 } else { EVERY };
    let options = Options { timeout: Duration::from_mins(5), ..Options::default() };
    let (mut done, mut bytes, mut refused, mut with_findings) = (0, 0, 0, 0);
    let mut slowest = (Duration::ZERO, PathBuf::new());
    let mut most = (0.0, PathBuf::new());
    let start = Instant::now();
    for path in files.into_iter().step_by(every) {
        // Files in other encodings are there to test decoders.
        let Ok(code) = std::fs::read_to_string(&path) else { continue };
        let begin = Instant::now();
        let (findings, effort) = analyze_counting(&code, &options);
        let took = begin.elapsed();
        match findings {
            Ok(findings) => with_findings += usize::from(!findings.is_empty()),
            Err(error) => {
                let about_the_file = matches!(error.kind, AnalysisErrorKind::Syntax | AnalysisErrorKind::TooLarge);
                assert!(about_the_file, "{}: {error:?}", path.display());
                refused += 1;
            }
        }
        assert!(effort.steps <= 5_000 + STEPS_PER_SIZE * effort.size, "{}: {effort:?}", path.display());
        let steps = effort.steps as f64 / (effort.size.max(500)) as f64;
        if steps > most.0 {
            most = (steps, path.clone());
        }
        if took > slowest.0 {
            slowest = (took, path);
        }
        done += 1;
        bytes += code.len();
    }
    println!("{done} files, {bytes} bytes, {refused} refused, {with_findings} with findings, {:?}", start.elapsed());
    println!("slowest {:?} {}", slowest.0, slowest.1.display());
    println!("most steps per instruction and operand {:.1} {}", most.0, most.1.display());
    assert!(done >= 20 && refused * 20 < done, "{done} {refused}");
}
