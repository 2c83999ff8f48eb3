//! What comes out of scoring an answer.

use std::fmt;

use real_detector_api::{AnalysisErrorKind, Finding, TypesVerdict};
use real_sandbox_api::{TestResult, Tier};
use serde::{Deserialize, Serialize};

/// A reward and the parts it is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, by its name on the wire")]
pub struct Scored {
    /// The reward: α·quality + (1-α)·function, or the penalty.
    pub reward: f64,
    /// 1 where the program is clean, else 0.
    pub quality: f64,
    /// Share of functional tests passed, in [0, 1]; those that expect no output only where they earn something.
    pub function: f64,
    /// What the reward was blended from where the profile grades.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shaped: Option<Shaped>,
    /// Whether every functional test that was asked for passed.
    pub function_all: bool,
    /// Whether it runs and passes no functional test but those that expect no output, as a program does that does nothing.
    #[serde(default)]
    pub idle: bool,
    /// Whether the answer has no code block.
    pub no_code: bool,
    /// Whether the program ran at all: it has code, compiles, and at least one functional test ended otherwise than in
    /// an error of the program's own (an uncaught exception, an exit before the answer, a crash).
    pub runnable: bool,
    /// The program that was judged; absent without a code block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// Why no analysis has judged it, where none has: it counts as not clean.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unanalysed: Option<Unanalysed>,
    /// Security findings that counted.
    pub findings: Vec<Finding>,
    /// The type checker's verdict, where the task asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub types: Option<TypesVerdict>,
    /// Verdicts of the tests that ran, functional and safety, in the task's order.
    pub verdicts: Vec<TestResult>,
    /// Isolation the tests ran under; absent where none ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<Tier>,
    /// Where the time went.
    pub timings: Timings,
}

/// Why no analysis has judged a program that runs.
///
/// The program decides that itself, and it would be the same again. Were such an answer dropped, a policy could drop what it likes and
/// lose nothing by it; nothing shows that the program is clean, so it is not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Unanalysed {
    /// What it is about the program.
    pub cause: Cause,
    /// The detector's words.
    pub message: String,
}

/// Causes of [`Unanalysed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// It is larger, or nests deeper, than what is analysed.
    TooLarge,
    /// It takes more processor time or memory than an analysis may.
    TooCostly,
    /// An analysis breaks on it: a bug of the detector's or of mypy's, to be mended, and no way to a better reward until then.
    Unanalysable,
    /// The detector cannot parse it and CPython runs it: a bug of the detector's, too.
    ParserDisagrees,
}

impl Cause {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::TooLarge, Self::TooCostly, Self::Unanalysable, Self::ParserDisagrees];

    /// A short name for counters.
    pub fn label(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::TooCostly => "too_costly",
            Self::Unanalysable => "unanalysable",
            Self::ParserDisagrees => "parser_disagrees",
        }
    }
}

impl fmt::Display for Unanalysed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.cause {
            Cause::TooLarge => "too large to be analysed",
            Cause::TooCostly => "takes more than an analysis may",
            Cause::Unanalysable => "breaks the analysis",
            Cause::ParserDisagrees => "runs, and the detector cannot parse it",
        })?;
        write!(f, ": {}", self.message)
    }
}

/// Scores of a profile that grades, in [-0.5, 1].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shaped {
    /// In place of quality.
    pub quality: f64,
    /// In place of function.
    pub function: f64,
}

/// Milliseconds and attempts spent on one answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Timings {
    /// From start (after waiting for a free place) to reward.
    pub total_ms: f64,
    /// Until the detector's answer.
    pub analysis_ms: f64,
    /// Until the sandbox's last answer.
    pub tests_ms: f64,
    /// Requests sent for this answer, retries included; a micro-batch counts once for each of its answers.
    pub attempts: u32,
}

/// An answer that got no reward because of us. To be dropped and counted.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("not scored after {attempts} requests: {reason}")]
pub struct Unscored {
    /// What went wrong.
    pub reason: Reason,
    /// Requests sent, retries included.
    pub attempts: u32,
}

/// Why an answer is [`Unscored`].
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Reason {
    /// Time ran out while a service was unreachable, overloaded or slow.
    #[error("the {service} gave no answer in time (last: {last})")]
    Deadline {
        /// Which one.
        service: Service,
        /// What the last attempt ended with.
        last: String,
    },
    /// The service refused the request: a bug of ours or another version on the other side.
    #[error("the {service} refused the request with HTTP {status}: {body}")]
    Refused {
        /// Which one.
        service: Service,
        /// HTTP status.
        status: u16,
        /// Beginning of the answer's body.
        body: String,
    },
    /// The service answered something that is not its wire type.
    #[error("the {service}'s answer cannot be read ({what}); are both of the same version?")]
    Unreadable {
        /// Which one.
        service: Service,
        /// What was expected and found.
        what: String,
    },
    /// The detector gave up for reasons of its own.
    #[error("the detector could not analyse the program ({kind:?}): {message}")]
    Analysis {
        /// Deadline or internal.
        kind: AnalysisErrorKind,
        /// The detector's words.
        message: String,
    },
    /// Tests never came to a verdict for reasons of the sandbox.
    #[error("{tests} tests came to no verdict after {rounds} rounds; the first: {detail}")]
    NoVerdict {
        /// How many.
        tests: usize,
        /// How often they were tried.
        rounds: u32,
        /// The sandbox's words about the first.
        detail: String,
    },
    /// The task lacks what the reward is made of.
    #[error("task '{task}' has no {missing}, so its answers cannot be scored")]
    Task {
        /// The task's id.
        task: String,
        /// What it lacks.
        missing: &'static str,
    },
}

impl Reason {
    /// A short name for counters.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Deadline { service: Service::Detector, .. } => "detector_deadline",
            Self::Deadline { service: Service::Sandbox, .. } => "sandbox_deadline",
            Self::Refused { service: Service::Detector, .. } => "detector_refused",
            Self::Refused { service: Service::Sandbox, .. } => "sandbox_refused",
            Self::Unreadable { .. } => "unreadable_answer",
            Self::Analysis { .. } => "analysis_failed",
            Self::NoVerdict { .. } => "no_verdict",
            Self::Task { .. } => "incomplete_task",
        }
    }
}

/// A service that rewards depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Service {
    /// Program analysis.
    Detector,
    /// Unit tests.
    Sandbox,
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Detector => "detector",
            Self::Sandbox => "sandbox",
        })
    }
}
