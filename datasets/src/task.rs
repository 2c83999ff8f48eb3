//! The canonical form of a task.

use real_sandbox_api::{Comparison, Limits, Setup, Test};
use serde::{Deserialize, Serialize};

/// One problem for the model, with everything needed to judge an answer. One JSON line a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Task {
    /// Unique within the data set; the data set's own id where it has one.
    pub id: String,
    /// Name of the data set: `safesql`, `seccodeplt`, `apps`, or a user's own.
    pub dataset: String,
    /// `train`, `eval` or `test`.
    pub split: String,
    /// Chat messages shown to the model.
    pub prompt: Vec<Message>,
    /// What each test finds when it starts.
    #[serde(default, skip_serializing_if = "Setup::is_empty")]
    pub setup: Setup,
    /// Unit tests.
    pub tests: Vec<Test>,
    /// How outputs and values are compared.
    #[serde(default)]
    pub comparison: Comparison,
    /// Limits of one test.
    #[serde(default, skip_serializing_if = "is_default")]
    pub limits: Limits,
    /// Which program analyses judge the quality of an answer.
    pub quality: Vec<QualityCheck>,
    /// CWE numbers the data set itself associates with the task; information, not a filter.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cwes: Vec<u32>,
    /// Hostile inputs: standard inputs under which an injectable program misbehaves. Loaded from anywhere, those of a task about
    /// SQL injection (CWE-89) that has no safety test are its safety tests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attacks: Vec<String>,
    /// Solutions that come with the task.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub solutions: Vec<Solution>,
    /// Text that a completion goes on with, where the prompt is the head of a function: answers of base models begin behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stub: Option<String>,
}

/// A chat message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// `system`, `user` or `assistant`.
    pub role: String,
    /// Text.
    pub content: String,
}

/// A program analysis that counts as quality.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QualityCheck {
    /// No security finding (the paper's vulnerability detector).
    Security,
    /// No error of `mypy --strict` (the paper's maintainability detector).
    Types,
}

/// A solution that comes with a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Solution {
    /// What is known about it.
    pub kind: SolutionKind,
    /// Python source.
    pub code: String,
}

/// What is known about a [`Solution`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SolutionKind {
    /// Passes the functional tests; nothing is said of its safety.
    Reference,
    /// Passes every test and is safe.
    Secure,
    /// Passes the functional tests and is known to be vulnerable.
    Vulnerable,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
