//! What a string may look like: character sets, templates with holes, and the languages they are read in.

mod ambiguity;
mod charset;
mod embedded;
mod forms;
mod hole;
mod language;
mod pattern;
mod recognise;
mod template;

pub use ambiguity::{Ambiguity, ambiguity};
pub use charset::CharSet;
pub use embedded::languages;
pub use forms::Text;
pub use hole::{Hole, LanguageSet, Origins, leads};
pub use language::{Language, LanguageError, Languages};
pub use pattern::{Matching, Pattern};
pub use template::{Part, Template};
