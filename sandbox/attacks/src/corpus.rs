//! The corpus: every folder of `sandbox/hostile/` is an attack. A new attack is a new folder. All are inside the program.

use std::fmt;

use real_sandbox_api::{BatchRequest, Comparison, Limits, Setup, Status, Test};
use serde::{Deserialize, Serialize};

use crate::Aim;

/// Name, `program.py` and `expect.yaml` of each folder.
const FOLDERS: &[(&str, &str, &str)] = &include!(concat!(env!("OUT_DIR"), "/corpus.rs"));

/// A program, and the verdicts that are allowed.
#[derive(Clone, Debug)]
pub struct Attack {
    /// Name of its folder.
    pub name: &'static str,
    /// What it is after.
    pub kind: Kind,
    /// What is sent.
    pub request: BatchRequest,
    /// Verdicts that are allowed, for each test.
    pub allowed: Vec<Vec<Status>>,
    /// What is different through `/run_code`.
    pub run_code: RunCode,
}

/// What an attack is after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The expected answer without the work: early exits, hooks, prompts, other streams.
    Answer,
    /// The expected exception without the call: raised at import, by a wrong name, of six classes.
    Raise,
    /// Returned objects that lie when they are compared, walked, measured or written.
    Value,
    /// Expected answers, in frames, files, `/proc`, descriptors, other tests.
    Look,
    /// What a grader uses: built-in names, modules, streams, clocks, frames.
    Patch,
    /// Records of the harness, written by the program.
    Forge,
    /// More CPU time, memory, processes, files or output than allowed, or none of it counted.
    Limit,
    /// Out of the box: files, network, devices, privileges, other processes.
    Out,
    /// Beyond its end: daemons, start-up files, state for the next test.
    Stay,
    /// No attack; has to pass.
    Honest,
}

/// What an attack means through `/run_code`, where that is something else.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct RunCode {
    /// Verdicts that are allowed, for each test.
    pub allowed: Option<Vec<Vec<Status>>>,
    /// Files that are asked for after the set-up, and given to the program.
    pub fetch: Vec<String>,
    /// Why it is not tried at all.
    pub skip: Option<String>,
}

/// An `expect.yaml` that says something else than it should.
#[derive(Debug, thiserror::Error)]
#[error("sandbox/hostile/{attack}/expect.yaml: {reason}")]
pub struct CorpusError {
    attack: &'static str,
    reason: String,
}

/// `expect.yaml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Expectation {
    kind: Kind,
    #[serde(default)]
    setup: Setup,
    #[serde(default)]
    limits: Limits,
    /// By the batch route; clients of the other compare lines.
    #[serde(default)]
    comparison: Comparison,
    tests: Vec<Test>,
    allowed: Vec<Vec<Status>>,
    #[serde(default)]
    run_code: RunCode,
}

/// All attacks in the order of their names, aimed.
///
/// # Errors
/// The first one that cannot be read.
pub fn corpus(aim: &Aim) -> Result<Vec<Attack>, CorpusError> {
    FOLDERS.iter().map(|(name, program, expect)| read(name, program, expect, aim)).collect()
}

fn read(name: &'static str, program: &str, expect: &str, aim: &Aim) -> Result<Attack, CorpusError> {
    let wrong = |reason| CorpusError { attack: name, reason };
    let Expectation { kind, setup, limits, comparison, tests, allowed, run_code } =
        serde_saphyr::from_str(&aim.fill_in(expect)).map_err(|error| wrong(error.to_string()))?;
    for allowed in [Some(&allowed), run_code.allowed.as_ref()].into_iter().flatten() {
        if tests.len() != allowed.len() {
            return Err(wrong(format!("{} tests, and allowed verdicts for {}", tests.len(), allowed.len())));
        }
    }
    let request = BatchRequest {
        id: Some(name.to_owned()),
        program: aim.fill_in(program),
        setup,
        tests,
        comparison,
        limits,
        stop_at_first_failure: false,
    };
    Ok(Attack { name, kind, request, allowed, run_code })
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Answer => "answer",
            Self::Raise => "raise",
            Self::Value => "value",
            Self::Look => "look",
            Self::Patch => "patch",
            Self::Forge => "forge",
            Self::Limit => "limit",
            Self::Out => "out",
            Self::Stay => "stay",
            Self::Honest => "honest",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_placeholder_is_left_and_every_test_has_its_verdicts() {
        let attacks = corpus(&Aim::pod()).unwrap();
        assert!(attacks.len() >= 128, "{} attacks", attacks.len());
        for attack in attacks {
            let sent = serde_json::to_string(&attack.request).unwrap();
            for name in ["@SECRET@", "@PLANTED@", "@PORT@", "@ABSTRACT@", "@SERVER@", "@SLEEP@"] {
                assert!(!sent.contains(name), "{}: {name}", attack.name);
            }
            assert!(!attack.allowed.is_empty() && attack.allowed.iter().all(|allowed| !allowed.is_empty()));
        }
    }

    #[test]
    fn the_page_counts_each_kind_as_there_are() {
        let page = include_str!("../../README.md");
        let attacks = corpus(&Aim::pod()).unwrap();
        for kind in <Kind as clap::ValueEnum>::value_variants() {
            let count = attacks.iter().filter(|attack| attack.kind == *kind).count();
            assert!(page.contains(&format!("| `{kind}` | {count} |")), "{kind}: {count}");
        }
    }
}
