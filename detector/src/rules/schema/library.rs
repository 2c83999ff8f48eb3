//! What is known about libraries.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::calls::{CallModel, GuardModel, SourceModel};

/// What is known about libraries, for all rules.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::rules) struct LibraryFile {
    /// What objects calls and attributes give: `sqlite3.connect()` is a `sqlite3.Connection()`.
    #[serde(default)]
    pub types: BTreeMap<String, String>,
    /// Modules whose members another one has as well: `requests.api` is what `requests` offers.
    #[serde(default)]
    pub modules: BTreeMap<String, String>,
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
    /// What an object of unknown class is, by its name or the last word of it (`db_cursor`, `readConnection`).
    #[serde(default)]
    pub words: BTreeMap<String, String>,
    /// What a unit is that binds two of these names itself: a module of settings.
    #[serde(default)]
    pub modules_by_names: BTreeMap<String, Vec<String>>,
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

/// Functions that nobody shows, of whose name one knows what comes back from them: `validate_column_name(text)`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::rules) struct ValidatorModel {
    /// Words that their names begin with.
    pub first: Vec<String>,
    /// Words that their names end with.
    pub last: Vec<String>,
    /// Words of which the name of a test has one.
    pub tests: Vec<String>,
    /// Words that the names of compiled patterns end with, constants aside.
    pub patterns: Vec<String>,
    /// Methods of patterns that look at the whole of a text.
    pub matches: Vec<String>,
    /// Character class of what they let pass.
    pub keeps: String,
}

/// Syntax trees that programs inspect before they run them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::rules) struct TreeModel {
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
