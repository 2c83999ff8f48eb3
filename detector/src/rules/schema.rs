//! The form of rule files (`rules/{flow,constant,obligation}/*.yaml`) and library models (`rules/library/*.yaml`).

use std::collections::BTreeMap;

use real_detector_api::OriginKind;
use serde::Deserialize;

use crate::text::Matching;

/// A rule: what may not flow where.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name in findings.
    pub id: String,
    /// CWE number of its findings.
    pub cwe: u32,
    /// Other CWE numbers under which it is asked for: above or below its own in the catalogue.
    #[serde(default)]
    pub also: Vec<u32>,
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
    #[serde(default)]
    pub sinks: Vec<SinkModel>,
    /// Text that must not leave the program.
    #[serde(default)]
    pub leaves: Vec<LeaveModel>,
    /// Calls whose constant arguments must not be what they are.
    #[serde(default)]
    pub constants: Vec<ConstantModel>,
    /// What must be tested before something is done.
    #[serde(default)]
    pub obligations: Vec<ObligationModel>,
    /// Where regular expressions are applied to texts.
    #[serde(default)]
    pub regexes: Vec<RegexModel>,
    /// Text of a language that is handed to a call which nothing is known about.
    #[serde(default)]
    pub anywhere: Option<Anywhere>,
    /// Whether values count of which the program does not show who chooses them.
    #[serde(default)]
    pub unknown: bool,
    /// What makes it harmless, beyond what the library models list.
    #[serde(default)]
    pub sanitizers: Vec<CallModel>,
    /// Tests that make it harmless, beyond what the library models list.
    #[serde(default)]
    pub guards: Vec<GuardModel>,
}

impl Rule {
    /// Whether the rule is asked for, where `wanted` says it of CWE numbers.
    pub fn is_wanted(&self, wanted: &dyn Fn(u32) -> bool) -> bool {
        wanted(self.cwe) || self.also.iter().any(|cwe| wanted(*cwe))
    }
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
    /// The text of constants, by path.
    #[serde(default)]
    pub constants: BTreeMap<String, String>,
    /// Calls that do not come back.
    #[serde(default)]
    pub never_return: Vec<String>,
    /// What names stand for that nothing in a unit binds.
    #[serde(default)]
    pub names: BTreeMap<String, String>,
    /// What an object of unknown class is, by the last word of its name (`db_cursor`, `readConnection`).
    #[serde(default)]
    pub words: BTreeMap<String, String>,
    /// Last words of attributes that say how an object is set up.
    #[serde(default)]
    pub settings: Vec<String>,
    /// Functions that no unit shows and that raise on a bad name, by their own names.
    #[serde(default)]
    pub validators: Option<ValidatorModel>,
    /// Attributes that are what the text of a class says.
    #[serde(default)]
    pub declared: Vec<String>,
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
    /// Containers of all there is: to be in one of them says nothing.
    #[serde(default)]
    pub everything: Vec<String>,
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
    /// What stands where the argument says: who names a file did not write it.
    Content,
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

/// Where it must not arrive.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SinkModel {
    /// Paths of what is called; `*.name` is a method of anything whose class is not known. `object.name=` is what is assigned
    /// to an attribute, `object[]=` to an entry: its key and its value are the arguments.
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
    /// What another argument must look like for this to be a sink.
    #[serde(default)]
    pub alongside: Option<Alongside>,
    /// Whose values are meant.
    #[serde(default)]
    pub from: Whose,
    /// A test that clears it.
    #[serde(default)]
    pub cleared_by: Option<Guarding>,
    /// Where values are bound. A function that passes on a parameter as it stands and these beside it only executes: what is
    /// executed is its caller's to write, and is looked at there.
    #[serde(default)]
    pub executor: Option<ArgumentAt>,
}

/// What an argument beside the one that counts must look like.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alongside {
    /// Its position.
    #[serde(default)]
    pub at: Option<usize>,
    /// Its names as keyword.
    #[serde(default)]
    pub names: Vec<String>,
    /// Texts of which one occurs in its constant parts.
    pub has: Vec<String>,
}

/// Whose values a sink is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whose {
    /// Anybody's: users of the program, and whoever calls its functions.
    #[default]
    Anybody,
    /// Anybody's but what a constructor is given, which is configuration.
    NotConstructors,
    /// Anybody's; but what a parameter of the same function is as a whole is its caller's to choose.
    PartOrUser,
    /// Users' of the program, not what callers of its functions pass.
    Users,
}

/// Functions that nobody shows, of whose name one knows what comes back from them: `validate_column_name(text)`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ValidatorModel {
    /// Words that their names begin with.
    pub first: Vec<String>,
    /// Words that their names end with.
    pub last: Vec<String>,
    /// Character class of what they let pass.
    pub keeps: String,
}

/// Text that must not leave the program: what public functions return.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaveModel {
    /// Language that the text is read in.
    pub language: String,
    /// Methods of routes (`@app.route(…)`) whose functions are meant, whatever the text looks like; text that is of the
    /// language where absent.
    #[serde(default)]
    pub routes: Vec<String>,
    /// Whether it is about what stands between quotes alone: the rest is for whoever puts the text together to choose.
    #[serde(default)]
    pub quoted: bool,
}

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
}

/// What a test must be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guarding {
    /// The parameter that says who asks, or what proves it.
    Principal,
    /// The headers, cookies or session of the request.
    RequestHeaders,
    /// Anything: what is not done every time is bounded.
    Anything,
    /// Another parameter, or the name itself.
    OtherParameter,
    /// The host of the URL.
    UrlHost,
    /// The folder that the path of a file is in.
    Folder,
    /// Anything but whether a file is there and of which kind: what an archive holds.
    Content,
    /// Nothing clears it but what the values are.
    Values,
}

/// Where a regular expression is applied.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegexModel {
    /// Paths of what is called.
    pub calls: Vec<String>,
    /// Position of the pattern; the receiver of a method where absent.
    #[serde(default)]
    pub pattern: Option<usize>,
    /// Position of the text.
    pub subject: usize,
    /// How it is applied.
    pub matches: Matching,
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
    #[serde(default)]
    pub values: Vec<String>,
    /// Whether it is harmless whenever it is given.
    #[serde(default)]
    pub given: bool,
    /// A word without which a constant text makes it harmless: `text/plain` where it is about `html`.
    #[serde(default)]
    pub lacks: Option<String>,
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
    /// Whether it is what the method is called on.
    #[serde(default)]
    pub receiver: bool,
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
    /// The name that `getattr` looked it up by; it itself where it was not.
    LookedUp,
}

/// A condition on keyword arguments, by name.
pub type Condition = BTreeMap<String, bool>;
