//! Files → what was found in each, several at once, told in order.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use real_detector::judge::Judge;
use real_detector::suppressed_lines;
use real_detector_api::{AnalysisError, Checks, Finding, Program, TypeDiagnostic};

use super::files::Source;

/// What became of one file.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) name: String,
    /// Its text; empty where it could not be read.
    pub(super) code: String,
    pub(super) findings: Vec<Finding>,
    pub(super) types: Vec<TypeDiagnostic>,
    /// Why it could not be checked, or not to the end.
    pub(super) failure: Option<Failure>,
}

/// Why a file could not be checked.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) message: String,
    pub(super) line: Option<u32>,
}

impl From<AnalysisError> for Failure {
    fn from(error: AnalysisError) -> Self {
        Self { message: error.message, line: error.line }
    }
}

/// Counts over all files.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Totals {
    pub(super) files: usize,
    pub(super) findings: usize,
    with_findings: usize,
    pub(super) failed: usize,
}

impl Totals {
    pub(super) fn add(&mut self, checked: &Checked) {
        let found = checked.findings.len() + checked.types.len();
        self.files += 1;
        self.findings += found;
        self.with_findings += usize::from(found > 0);
        self.failed += usize::from(checked.failure.is_some());
    }

    /// The last line that people see.
    pub(super) fn sentence(&self) -> String {
        let files = |number: usize| real_terminal::count(number, "file");
        let Self { files: all, findings, with_findings, failed } = *self;
        let found = match findings {
            0 => "nothing found".to_owned(),
            1 => "1 finding".to_owned(),
            many => format!("{many} findings in {}", files(with_findings)),
        };
        let not = if failed == 0 { String::new() } else { format!(", {} not checked", files(failed)) };
        format!("{} checked: {found}{not}", files(all - failed))
    }
}

/// Checks all sources, `jobs` at once, and tells of each in their order until told to stop.
pub(super) fn all(
    sources: &[Source],
    judge: &Judge,
    checks: &Checks,
    jobs: usize,
    mut tell: impl FnMut(Checked) -> bool,
) {
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (send, receive) = mpsc::sync_channel(jobs);
    thread::scope(|scope| {
        for _ in 0..jobs.min(sources.len()) {
            let (send, next, stop) = (send.clone(), &next, &stop);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    let Some(source) = sources.get(place) else { return };
                    if send.send((place, one(source, judge, checks))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(send);
        let mut early = BTreeMap::new();
        let mut told = 0;
        for (place, checked) in receive {
            early.insert(place, checked);
            while let Some(checked) = early.remove(&told) {
                told += 1;
                if !tell(checked) {
                    stop.store(true, Ordering::Relaxed);
                    return;
                }
            }
        }
    });
}

fn one(source: &Source, judge: &Judge, checks: &Checks) -> Checked {
    let name = source.name.clone();
    let code = match source.read() {
        Ok(code) => code,
        Err(message) => {
            let failure = Some(Failure { message, line: None });
            return Checked { name, code: String::new(), findings: Vec::new(), types: Vec::new(), failure };
        }
    };
    let analysis = judge.judge(Program { id: String::new(), code: code.clone() }, checks);
    let types = analysis.types.map(|verdict| verdict.errors).unwrap_or_default();
    // People say with `# nosec` that they have looked at a line. Nothing but this honours it.
    let silenced = suppressed_lines(&code);
    let findings = analysis.findings.into_iter().filter(|finding| !silenced.contains(&finding.line)).collect();
    Checked { name, code, findings, types, failure: analysis.error.map(Failure::from) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::files::Place;
    use super::*;

    #[test]
    fn files_are_told_in_their_order_and_no_more_once_nobody_listens() {
        let source = |n: usize| Source { name: n.to_string(), place: Place::Nowhere("gone".to_owned()) };
        let sources: Vec<Source> = (0..100).map(source).collect();
        let mut names = Vec::new();
        all(&sources, &Judge::new(Duration::from_secs(10), None), &Checks::default(), 4, |checked| {
            names.push(checked.name.parse::<usize>().unwrap());
            names.len() < 50
        });
        assert_eq!(names, (0..50).collect::<Vec<_>>());
    }

    #[test]
    fn the_last_line_counts_files_and_findings() {
        let totals = Totals { files: 1, ..Totals::default() };
        assert_eq!(totals.sentence(), "1 file checked: nothing found");
        let totals = Totals { files: 12, findings: 3, with_findings: 2, failed: 1 };
        assert_eq!(totals.sentence(), "11 files checked: 3 findings in 2 files, 1 file not checked");
    }
}
