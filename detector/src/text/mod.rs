//! What a string may look like: character sets, templates with holes, and the languages they are read in.

mod ambiguity;
mod charset;
mod language;
mod pattern;
mod template;

pub use ambiguity::{Ambiguity, ambiguity};
pub use charset::CharSet;
pub use language::{Language, LanguageError, LanguageSet, Languages};
pub use pattern::{Matching, Pattern};
pub use template::{Hole, Origins, Part, Template, Text};
