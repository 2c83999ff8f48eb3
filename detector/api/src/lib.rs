//! Wire types of the detector service.

use serde::{Deserialize, Serialize};

/// The largest program that is analysed, in bytes.
pub const MAX_PROGRAM_BYTES: usize = 1 << 20;

/// Programs to judge (`POST /v1/analyze`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct AnalyzeRequest {
    /// The programs; answers come in the same order.
    pub programs: Vec<Program>,
    /// Which checks to run.
    #[serde(default)]
    pub checks: Checks,
}

/// One program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// Echoed in the answer.
    pub id: String,
    /// Python source, at most [`MAX_PROGRAM_BYTES`].
    pub code: String,
}

/// Checks to run on each program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Checks {
    /// Taint and guard analysis.
    pub security: bool,
    /// CWE numbers to report; all that rules exist for where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cwes: Option<Vec<u32>>,
    /// Whose values count; everybody's where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origins: Option<Vec<OriginKind>>,
    /// `mypy --strict`.
    pub types: bool,
}

impl Default for Checks {
    fn default() -> Self {
        Self { security: true, cwes: None, origins: None, types: false }
    }
}

/// Answer to an [`AnalyzeRequest`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AnalyzeResponse {
    /// One entry a program, in the order of the request.
    pub results: Vec<Analysis>,
}

/// What is known about one program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Analysis {
    /// The program's id.
    pub id: String,
    /// Security findings, by position then rule; empty where none or not asked for.
    pub findings: Vec<Finding>,
    /// The type checker's verdict, where asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub types: Option<TypesVerdict>,
    /// Why the analysis could not be completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<AnalysisError>,
    /// Milliseconds spent on this program.
    #[serde(default)]
    pub millis: f64,
}

/// A weakness in a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// CWE number, e.g. 89.
    pub cwe: u32,
    /// Identifier of the rule.
    pub rule: String,
    /// Line of the sink, from 1.
    pub line: u32,
    /// Column of the sink in characters, from 1.
    pub column: u32,
    /// One sentence for people.
    pub message: String,
    /// The way from source to sink.
    pub trace: Vec<TraceStep>,
    /// Who has a say in what arrives at the sink.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub origins: Vec<OriginKind>,
}

/// Who chooses a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OriginKind {
    /// Whoever talks to the program: requests, standard input, the network.
    #[default]
    Attacker,
    /// Whoever calls what the program offers.
    Caller,
    /// Nobody that the program shows: results of unknown calls, attributes set elsewhere, what a store gives back.
    Unknown,
}

/// One step on the way of a tainted value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceStep {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// What happens there.
    pub note: String,
}

/// Verdict of `mypy --strict`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypesVerdict {
    /// Whether there is no error.
    pub clean: bool,
    /// The errors, as mypy orders them.
    pub errors: Vec<TypeDiagnostic>,
    /// How many more there are: a small program can make mypy say gigabytes.
    #[serde(default, rename = "leftOut", skip_serializing_if = "is_default")]
    pub left_out: usize,
    /// What the program tells the checker not to look at, by line; mypy's verdict is what it is without that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unchecked: Vec<Unchecked>,
    /// Whose verdict it is, such as `mypy 2.4.1`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub checker: String,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl TypesVerdict {
    /// Whether there is no error, and nothing that keeps the checker from finding one.
    pub fn is_earned(&self) -> bool {
        self.clean && self.unchecked.iter().all(|one| one.kind == UncheckedKind::Any)
    }
}

/// A place that a program tells the type checker not to look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Unchecked {
    /// Line, from 1.
    pub line: u32,
    /// How.
    pub kind: UncheckedKind,
}

/// How a program keeps the type checker from looking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UncheckedKind {
    /// `# type: ignore`, `# mypy: …`
    Comment,
    /// `@no_type_check`
    Decorator,
    /// A test such as `not TYPE_CHECKING`, for which checkers take a branch for dead that runs.
    Branch,
    /// Code in a text that is run: `exec(…)`, `eval("…")`
    Code,
    /// `Any` as a type: told, and no suppression.
    Any,
}

/// One error of the type checker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeDiagnostic {
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1; 0 where mypy gives none.
    pub column: u32,
    /// mypy's error code, e.g. `no-untyped-def`.
    pub code: String,
    /// mypy's message.
    pub message: String,
}

/// Why a program was not judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnalysisError {
    /// Whose fault it is.
    pub kind: AnalysisErrorKind,
    /// What happened, with line where known.
    pub message: String,
    /// Line, from 1, of a syntax error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
}

/// Kinds of [`AnalysisError`].
///
/// A program decides itself whether it is analysed: what happens to it again, on a second try that has time enough, is about the
/// program. What a machine, a neighbour or a lost connection can do is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnalysisErrorKind {
    /// The program is not Python: a verdict on the program.
    Syntax,
    /// The program is larger than the limit: a verdict on the program.
    TooLarge,
    /// The program takes more processor time or memory than an analysis may, twice: a verdict on the program.
    TooCostly,
    /// The program breaks an analysis, twice: a verdict on the program, and a bug of the detector's or of mypy's besides.
    Unanalysable,
    /// The analysis ran out of time on the clock: ours, not a verdict.
    Deadline,
    /// A failure of the service: ours, not a verdict.
    Internal,
}

impl AnalysisError {
    /// A program of so many bytes is larger than what is analysed.
    pub fn too_large(bytes: usize) -> Self {
        let message = format!("the program has {bytes} bytes; at most {MAX_PROGRAM_BYTES} are analysed");
        Self { kind: AnalysisErrorKind::TooLarge, message, line: None }
    }
}

impl AnalysisErrorKind {
    /// Whether the error says something about the program: it would be the same again.
    pub fn is_verdict(self) -> bool {
        matches!(self, Self::Syntax | Self::TooLarge | Self::TooCostly | Self::Unanalysable)
    }

    /// Its name on the wire and in metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Syntax => "syntax",
            Self::TooLarge => "too_large",
            Self::TooCostly => "too_costly",
            Self::Unanalysable => "unanalysable",
            Self::Deadline => "deadline",
            Self::Internal => "internal",
        }
    }
}
