//! What the data files say of calls, ready for use.

use super::schema::{Alongside, ArgumentAt, Condition, Guarding, Of, Part, Returns, Unless, Whose};
use crate::text::{CharSet, Matching};

/// What a call makes of its argument, ready for use.
#[derive(Clone, Copy, Debug)]
pub struct Effect {
    /// What comes out.
    pub returns: Returns,
    /// Language, for `closed`.
    pub language: usize,
    /// Characters, for `keeps` and `removes`.
    pub chars: CharSet,
    /// Position of the argument; the receiver where absent.
    pub argument: Option<usize>,
}

/// What a test says, ready for use.
#[derive(Clone, Copy, Debug)]
pub struct Guard {
    /// Which value it is about.
    pub of: Of,
    /// Characters that the value can have where the test is true.
    pub keeps: Option<CharSet>,
    /// Whether it is the text of a number then.
    pub number: bool,
    /// Regular expression test.
    pub matches: Option<Matching>,
    /// Whether returning at all is what holds.
    pub by_returning: bool,
}

/// Functions that nobody shows and whose names say what comes back from them, ready for use.
#[derive(Clone, Debug)]
pub(super) struct Validators {
    /// Words that their names begin with.
    pub first: Vec<String>,
    /// Words that their names end with.
    pub last: Vec<String>,
    /// Words of which the name of a test has one.
    pub tests: Vec<String>,
    /// Words that the names of compiled patterns end with, constants aside, and what is called on them.
    pub patterns: Vec<String>,
    /// Methods of patterns that look at the whole of a text.
    pub matches: Vec<String>,
    /// What they say about their argument.
    pub guard: Guard,
}

/// Where a rule says that something must not arrive.
#[derive(Clone, Debug)]
pub struct Sink {
    /// Index of the rule.
    pub rule: usize,
    /// Which argument.
    pub argument: ArgumentAt,
    /// Which part of it.
    pub part: Part,
    /// Language of the text.
    pub language: Option<usize>,
    /// Keyword arguments that must hold.
    pub condition: Condition,
    /// Values of another argument that make it harmless.
    pub unless: Option<Unless>,
    /// What another argument must look like.
    pub alongside: Option<Alongside>,
    /// Whose values are meant.
    pub from: Whose,
    /// A test that clears it.
    pub cleared_by: Option<Guarding>,
    /// Where values are bound.
    pub executor: Option<ArgumentAt>,
    /// Calls whose results, as they stand, are harmless here.
    pub harmless_from: Vec<String>,
    /// Objects that are harmless here because they are no texts.
    pub no_texts: Vec<String>,
}

/// Text that must not leave the program, ready for use.
#[derive(Clone, Debug)]
pub struct Leave {
    /// Index of the rule.
    pub rule: usize,
    /// Language of the text.
    pub language: usize,
    /// Methods of the routes whose functions are meant.
    pub routes: Vec<String>,
    /// Whether it is about values alone.
    pub quoted: bool,
    /// Words of names that pieces of a text are under.
    pub piece_words: Vec<String>,
}

/// What a rule says of text that is handed to a call which nothing is known about.
#[derive(Clone, Debug)]
pub struct Open {
    /// Index of the rule.
    pub rule: usize,
    /// Language of the text.
    pub language: usize,
    /// Words of which the name of what is called has one; any name where empty.
    pub callee_words: Vec<String>,
    /// Those by which every text counts that begins with a word.
    pub sure_words: Vec<String>,
    /// Methods of objects of which nothing is known, by name.
    pub methods: Vec<String>,
    /// Keyword arguments that say that the text is of the language.
    pub condition: Condition,
}
