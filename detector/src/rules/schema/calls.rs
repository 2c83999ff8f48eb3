//! Where values come from, what calls make of them, and what tests say about them.

use real_detector_api::OriginKind;
use serde::Deserialize;

use crate::text::Matching;

/// Values that an attacker chooses.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceModel {
    /// Paths: `input()` is what a call returns, `sys.argv` is an object.
    pub values: Vec<String>,
    /// For traces: "comes from …".
    pub note: String,
    /// Who chooses them.
    #[serde(default)]
    pub kind: OriginKind,
}

/// What calls return.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallModel {
    /// Paths of what is called; `*.name` is a method of anything.
    pub names: Vec<String>,
    /// What comes out.
    pub returns: Returns,
    /// Language, for `closed`.
    #[serde(default)]
    pub language: Option<String>,
    /// Character class, for `keeps` and `removes`.
    #[serde(default)]
    pub chars: Option<String>,
    /// Position of the argument that it is about; the receiver of a method where absent.
    #[serde(default)]
    pub argument: Option<usize>,
}

/// What a call makes of its argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Returns {
    /// A number or truth value.
    Number,
    /// Something that no attacker has a say in.
    Clean,
    /// What stands where the argument says: who names a file did not write it.
    Content,
    /// The argument itself.
    Same,
    /// What a function returns that is handed over.
    Called,
    /// Text made of characters of the argument.
    Part,
    /// The argument without what its ends are made of: `str.strip`.
    Stripped,
    /// The same of its end alone: `str.rstrip`.
    EndStripped,
    /// A list of texts made of characters of the argument.
    Parts,
    /// The argument in lower case.
    Lower,
    /// The argument in upper case.
    Upper,
    /// `str.replace`.
    Replace,
    /// `re.sub`.
    Substitute,
    /// `string.Template.substitute`.
    Template,
    /// `str.join`.
    Join,
    /// `os.path.join`.
    JoinPath,
    /// `str.format`.
    Format,
    /// `str.translate`, by a constant table.
    Translate,
    /// The argument without characters outside a class.
    Keeps,
    /// The argument without the characters of a class.
    Removes,
    /// A text that stands as one piece in a language.
    Closed,
    /// `os.path.split`: a folder, and a name in it.
    SplitPath,
    /// `set.intersection`.
    Common,
    /// A container with the elements of the argument.
    Elements,
    /// One element of the argument.
    Element,
    /// `dict.get`, `dict.pop`.
    Lookup,
    /// `dict.items`.
    Items,
    /// `dict.keys`.
    Keys,
    /// `dict.values`.
    Values,
    /// `enumerate`.
    Enumerate,
    /// `zip`.
    Zip,
    /// A table of characters for `translate`: the mapping that is the only argument, or all arguments by position.
    Table,
    /// `map`.
    Map,
    /// `filter`.
    Filter,
    /// `re.compile`.
    Compile,
    /// `re.findall`: texts that the pattern matches.
    Matches,
    /// `re.match`: an object whose groups the pattern matches.
    Match,
    /// `getattr`.
    Attribute,
    /// Any text; the argument decides which.
    Any,
    /// The argument as a Python literal.
    Repr,
    /// All nodes of a syntax tree.
    Nodes,
}

/// What a test says about a value.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuardModel {
    /// Paths of what is called.
    pub names: Vec<String>,
    /// Which value it is about; the receiver of a method where absent.
    #[serde(default)]
    pub of: Of,
    /// Character class that holds where the test is true.
    #[serde(default)]
    pub keeps: Option<String>,
    /// Whether it is the text of a number where the test is true.
    #[serde(default)]
    pub number: bool,
    /// Regular expression test: which part of the text must match.
    #[serde(default)]
    pub matches: Option<Matching>,
    /// Whether returning at all is what holds (`int(x)`).
    #[serde(default)]
    pub by_returning: bool,
}

/// The value that a guard is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Of {
    /// What the method is called on.
    #[default]
    Receiver,
    /// The first argument.
    Argument,
}
