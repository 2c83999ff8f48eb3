//! What became of an answer: a line of JSON each.

use real_datasets::Task;
use real_detector_api::{Finding, TypesVerdict};
use real_reward::{Scored, Unanalysed, Unscored};
use real_sandbox_api::{Group, Status, TestResult};
use serde::{Deserialize, Serialize};

use crate::answers::Answer;

/// What became of an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Row {
    /// It has a reward.
    Scored(Box<ScoredRow>),
    /// A failure of ours: it has none.
    Dropped(DroppedRow),
}

/// A line of an answer that was scored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
// A line of JSON: its flags are facts of their own.
#[allow(clippy::struct_excessive_bools)]
pub struct ScoredRow {
    /// The task's id.
    pub id: String,
    /// Share of functional tests passed.
    pub function: f64,
    /// Whether every functional test passed.
    pub function_all: bool,
    /// 1 where every quality check found it clean.
    pub quality: u8,
    /// Its reward.
    pub reward: f64,
    /// Whether there was no code block in it.
    pub no_code: bool,
    /// Whether it has no code block, but a block of another kind.
    #[serde(default)]
    pub other_block: bool,
    /// Name of the program that does no work, where the answer is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<String>,
    /// Whether its program compiles.
    pub runnable: bool,
    /// Whether every safety test passed; absent where the task has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub safety: Option<bool>,
    /// CWE numbers that the data set associates with the task.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cwes: Vec<u32>,
    /// The answer as it was given; absent where the file is not to hold it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<String>,
    /// Why no analysis has judged it, where its own program is the cause; it is not clean then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unanalysed: Option<Unanalysed>,
    /// What the detector found.
    pub findings: Vec<Finding>,
    /// The type checker's verdict, where the task asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub types: Option<TypesVerdict>,
    /// What the sandbox said, a test each.
    pub verdicts: Vec<TestResult>,
}

/// A line of an answer that was not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DroppedRow {
    /// The task's id.
    pub id: String,
    /// Why there is no reward.
    pub dropped: String,
}

impl Row {
    /// The row of an answer to `task`; `keep` says whether it holds the answer itself.
    pub fn of(task: &Task, answer: Answer, result: Result<Scored, Unscored>, keep: bool) -> Self {
        let Answer { id, response, baseline, lost: _ } = answer;
        let scored = match result {
            Ok(scored) => scored,
            Err(unscored) => return Self::Dropped(DroppedRow { id, dropped: unscored.to_string() }),
        };
        let safety = task.tests.iter().any(|test| test.group == Group::Safety);
        Self::Scored(Box::new(ScoredRow {
            id,
            function: scored.function,
            function_all: scored.works(),
            quality: u8::from(scored.is_clean()),
            reward: scored.reward,
            no_code: scored.no_code,
            other_block: scored.no_code && real_reward::extract::holds_block(&response),
            baseline: baseline.map(str::to_owned),
            runnable: scored.runnable,
            safety: safety.then(|| passes_all_safety_tests(&scored.verdicts)),
            cwes: task.cwes.clone(),
            response: keep.then_some(response),
            unanalysed: scored.unanalysed,
            findings: scored.findings,
            types: scored.types,
            verdicts: scored.verdicts,
        }))
    }

    /// The task's id.
    pub fn id(&self) -> &str {
        match self {
            Self::Scored(row) => &row.id,
            Self::Dropped(row) => &row.id,
        }
    }

    /// The row, where the answer was scored.
    pub fn scored(&self) -> Option<&ScoredRow> {
        match self {
            Self::Scored(row) => Some(row),
            Self::Dropped(_) => None,
        }
    }
}

/// What the paper counts about an answer, in training and in evaluation alike.
pub trait Judged {
    /// The paper's Function: every functional test passes.
    fn works(&self) -> bool;

    /// The paper's Quality: a program without finding.
    fn is_clean(&self) -> bool;

    /// The paper's Func.-Qual.: both.
    fn is_both(&self) -> bool {
        self.works() && self.is_clean()
    }
}

impl Judged for Scored {
    fn works(&self) -> bool {
        self.function_all
    }

    fn is_clean(&self) -> bool {
        self.quality > 0.5
    }
}

impl Judged for ScoredRow {
    fn works(&self) -> bool {
        self.function_all
    }

    fn is_clean(&self) -> bool {
        self.quality > 0
    }
}

impl ScoredRow {
    /// Whether every safety test passed; `None` where the task has none. Rows of before `safety` was written say it by their
    /// verdicts.
    pub fn is_safe(&self) -> Option<bool> {
        let by_verdicts = || {
            let asked = self.verdicts.iter().any(|verdict| verdict.group == Group::Safety);
            asked.then(|| passes_all_safety_tests(&self.verdicts))
        };
        self.safety.or_else(by_verdicts)
    }
}

/// No verdict is no pass: an answer without a program passes nothing.
fn passes_all_safety_tests(verdicts: &[TestResult]) -> bool {
    let mut safety = verdicts.iter().filter(|verdict| verdict.group == Group::Safety).peekable();
    safety.peek().is_some() && safety.all(|verdict| verdict.status == Status::Passed)
}
