//! The form of rule files (`rules/flow/*.yaml`) and library models (`rules/library/*.yaml`).

use std::collections::BTreeMap;

use real_detector_api::OriginKind;
use serde::Deserialize;

/// A rule: what may not flow where.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name in findings.
    pub id: String,
    /// CWE number of its findings.
    pub cwe: u32,
    /// One line.
    pub title: String,
    /// What the rule looks for.
    pub what: String,
    /// What can happen.
    pub why: String,
    /// Sentence of a finding.
    pub message: String,
    /// Programs that must be found.
    pub bad: Vec<String>,
    /// Programs that must not be found.
    pub good: Vec<String>,
    /// Where to read on.
    pub references: Vec<String>,
    /// What an attacker says, beyond what the library models list.
    #[serde(default)]
    pub sources: Vec<SourceModel>,
    /// Where it must not arrive.
    pub sinks: Vec<SinkModel>,
    /// Text of a language that is handed to a call which nothing is known about.
    #[serde(default)]
    pub anywhere: Option<Anywhere>,
    /// What makes it harmless, beyond what the library models list.
    #[serde(default)]
    pub sanitizers: Vec<CallModel>,
    /// Tests that make it harmless, beyond what the library models list.
    #[serde(default)]
    pub guards: Vec<GuardModel>,
}

/// What is known about libraries, for all rules.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LibraryFile {
    /// What objects calls and attributes give: `sqlite3.connect()` is a `sqlite3.Connection()`.
    #[serde(default)]
    pub types: BTreeMap<String, String>,
    /// What an attacker says.
    #[serde(default)]
    pub sources: Vec<SourceModel>,
    /// What calls return.
    #[serde(default)]
    pub calls: Vec<CallModel>,
    /// What tests say.
    #[serde(default)]
    pub guards: Vec<GuardModel>,
    /// Calls that do not come back.
    #[serde(default)]
    pub never_return: Vec<String>,
    /// What names stand for that nothing in a unit binds.
    #[serde(default)]
    pub names: BTreeMap<String, String>,
    /// What an object of unknown class is, by the last word of its name (`db_cursor`, `readConnection`).
    #[serde(default)]
    pub words: BTreeMap<String, String>,
    /// Classes whose methods all give such an object again, and bind what they are passed.
    #[serde(default)]
    pub chains: Vec<String>,
    /// What methods of unknown objects give, by name.
    #[serde(default)]
    pub builders: BTreeMap<String, Vec<String>>,
    /// Calls that only show or keep a text; modules of which every call is known to do no more.
    #[serde(default)]
    pub inert: Vec<String>,
    /// Calls that call what they are handed with what they are handed beside it, or not at all.
    #[serde(default)]
    pub call_back: Vec<String>,
    /// Decorators after which the callers of a function are still those that the unit shows.
    #[serde(default)]
    pub keep_callers: Vec<String>,
    /// Syntax trees that programs inspect before they run them.
    #[serde(default)]
    pub trees: Vec<TreeModel>,
}

/// Syntax trees that programs inspect before they run them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TreeModel {
    /// Calls that make a tree of the text in their first argument.
    pub parse: Vec<String>,
    /// Calls that list every node of the tree in their first argument.
    pub walk: Vec<String>,
    /// By language: the classes of nodes without which a tree is harmless.
    pub harmless_without: BTreeMap<String, Vec<String>>,
    /// Superclasses of the classes named here.
    pub bases: BTreeMap<String, Vec<String>>,
    /// Classes that make a list of allowed ones no guard.
    #[serde(default)]
    pub never_allowed: Vec<String>,
    /// By class: the attribute of a node that tells a harmless one, where it is one of a list.
    #[serde(default)]
    pub told_by: BTreeMap<String, String>,
}

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
    /// The argument itself.
    Same,
    /// Text made of characters of the argument.
    Part,
    /// A list of such texts.
    Parts,
    /// The argument in lower case.
    Lower,
    /// The argument in upper case.
    Upper,
    /// `str.replace`.
    Replace,
    /// `re.sub`.
    Substitute,
    /// `str.join`.
    Join,
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

/// How a regular expression is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Matching {
    /// `re.fullmatch`
    Full,
    /// `re.match`
    Start,
    /// `re.search`
    Anywhere,
}

/// Where it must not arrive.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SinkModel {
    /// Paths of what is called; `*.name` is a method of anything whose class is not known.
    pub calls: Vec<String>,
    /// Which argument.
    pub argument: ArgumentAt,
    /// Which part of it.
    #[serde(default)]
    pub part: Part,
    /// Language that the text is read in; any say of an attacker is too much where absent.
    #[serde(default)]
    pub language: Option<String>,
    /// Keyword arguments that must have a truth value for this to be a sink.
    #[serde(default)]
    pub r#where: BTreeMap<String, bool>,
    /// Values of another argument that make it harmless.
    #[serde(default)]
    pub unless: Option<Unless>,
    /// Where values are bound. A function that passes on a parameter as it stands and these beside it only executes: what is
    /// executed is its caller's to write, and is looked at there.
    #[serde(default)]
    pub executor: Option<ArgumentAt>,
}

/// Text of a language that is handed to a call which nothing is known about.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Anywhere {
    /// The language.
    pub language: String,
    /// Words of which the name of what is called has one; any name where absent.
    #[serde(default)]
    pub callee_words: Vec<String>,
    /// Keyword arguments that say that the text is of the language, whatever it looks like.
    #[serde(default)]
    pub r#where: BTreeMap<String, bool>,
}

/// Values of an argument that make a call harmless.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unless {
    /// Its position.
    pub at: usize,
    /// Its names as keyword.
    pub names: Vec<String>,
    /// The values, by path.
    pub values: Vec<String>,
}

/// An argument by position or name.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArgumentAt {
    /// Position from 0; every one where absent.
    #[serde(default)]
    pub at: Option<usize>,
    /// Names as keyword.
    #[serde(default)]
    pub names: Vec<String>,
}

/// The part of an argument that counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// A text.
    #[default]
    Text,
    /// The first item of a list; a text is not meant.
    FirstItem,
    /// The item after a constant `-c` of a list.
    AfterDashC,
}

/// A condition on keyword arguments, by name.
pub type Condition = BTreeMap<String, bool>;
