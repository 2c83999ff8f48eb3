//! Where values must not arrive.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::arguments::{Alongside, ArgumentAt, Guarding, Part, Unless};
use crate::text::Matching;

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
    /// Where values are bound. A function that passes on a statement as it was handed it only executes: what is executed is its
    /// caller's to write, and is looked at there. Beside bound values, what a helper that nobody shows makes of names and
    /// structure is as well.
    #[serde(default)]
    pub executor: Option<ArgumentAt>,
    /// Calls whose results, as they stand, are harmless here, whatever they were made of.
    #[serde(default)]
    pub harmless_from: Vec<String>,
    /// Objects that are harmless here because they are no texts, by path; `*.name` is such an attribute or entry of anything.
    #[serde(default)]
    pub no_texts: Vec<String>,
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
    /// Whether it is about what stands where values do alone, between quotes or bare: the rest is for whoever puts the text
    /// together to choose. What is kept in an attribute for later counts as well.
    #[serde(default)]
    pub quoted: bool,
    /// Words of which the name of a function, or of the list that it is added to, has one where a piece of a text of the
    /// language is meant too.
    #[serde(default)]
    pub piece_words: Vec<String>,
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
    /// Those of them that say so much that every text counts which begins with a word and a blank.
    #[serde(default)]
    pub sure_words: Vec<String>,
    /// Methods that mean something else of Python's own containers, and are called all the same where nothing is known of
    /// the object.
    #[serde(default)]
    pub methods: Vec<String>,
    /// Keyword arguments that say that the text is of the language, whatever it looks like.
    #[serde(default)]
    pub r#where: BTreeMap<String, bool>,
}
