//! Calls that are wrong by a constant, and what must be tested before something is done.

use serde::Deserialize;

use super::arguments::{ArgumentAt, Condition, Guarding};

/// Calls that are wrong by a constant.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConstantModel {
    /// Paths of what is called; `object.name=` is what is assigned to an attribute.
    pub calls: Vec<String>,
    /// The argument that decides; the call itself is wrong where absent.
    #[serde(default)]
    pub argument: Option<ArgumentAt>,
    /// What it must not be.
    #[serde(default)]
    pub is: Is,
    /// Keyword arguments with the truth value that makes the call harmless.
    #[serde(default)]
    pub unless: Condition,
    /// Another argument and what it must be for this to count.
    #[serde(default)]
    pub of: Option<OfArgument>,
}

/// What another argument must be.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfArgument {
    /// Its position.
    pub at: usize,
    /// The objects, by path.
    pub paths: Vec<String>,
}

/// What a constant argument must not be; one of these is enough.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Is {
    /// This truth value.
    #[serde(default)]
    pub truth: Option<bool>,
    /// Whether `None` is what is meant where nothing is said.
    #[serde(default)]
    pub but_none: bool,
    /// One of these texts, in any case, on its own or in a list.
    #[serde(default)]
    pub texts: Vec<String>,
    /// One of these objects, by path.
    #[serde(default)]
    pub paths: Vec<String>,
    /// An integer with one of these bits.
    #[serde(default)]
    pub bits: Option<i64>,
    /// An integer below this.
    #[serde(default)]
    pub below: Option<i64>,
    /// Not given at all.
    #[serde(default)]
    pub missing: bool,
    /// A mapping in which this key has a false value.
    #[serde(default)]
    pub false_key: Option<String>,
    /// A text that is written in the program.
    #[serde(default)]
    pub written: bool,
}

/// What must be tested before something is done.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObligationModel {
    /// What is done.
    pub protects: Protected,
    /// What must be tested.
    pub by: Guarding,
    /// Words of which one is in the name of a parameter that is meant.
    #[serde(default)]
    pub words: Vec<String>,
    /// Names of what a test must look at, or of parts of a request.
    #[serde(default)]
    pub evidence: Vec<String>,
    /// Languages in one of which what is filled in must be one piece.
    #[serde(default)]
    pub languages: Vec<String>,
    /// Sentence of a finding, where the rule's own does not fit.
    #[serde(default)]
    pub message: Option<String>,
}

/// What must not be done without a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protected {
    /// An entry of shared data that a caller names is given out or changed.
    SharedEntry,
    /// Something is given out as if it were in order.
    Success,
    /// Shared data is changed as a request says.
    RequestWrite,
    /// The body of a request is parsed and given out.
    RequestBody,
    /// Shared data grows by what a caller sends.
    SharedGrowth,
    /// Fields that a caller names are set.
    FieldCopy,
    /// An object is formatted by a caller's template.
    CallersTemplate,
    /// A template that the program does not show is filled in.
    UnseenTemplate,
    /// A URL that was joined or taken apart is given out.
    UrlGivenOut,
    /// A text that contains an allowed one is given out.
    SubstringAllowed,
    /// A function with a decorator of `evidence`.
    Decorated,
    /// A function named after a secret returns what `evidence` lists.
    NamedSecret,
    /// What a handler sends, by returning it or by a call of `words`, holds what a call of `evidence` gives.
    SentOut,
}
