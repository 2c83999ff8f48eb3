//! The languages of `rules/languages/`.

use std::sync::OnceLock;

use super::{Language, LanguageError, Languages};

include!(concat!(env!("OUT_DIR"), "/languages.rs"));

/// The embedded languages. They are tested to load.
///
/// # Errors
/// The first file with a mistake, and the mistake.
pub fn languages() -> Result<&'static Languages, &'static (&'static str, LanguageError)> {
    static ALL: OnceLock<Result<Languages, (&'static str, LanguageError)>> = OnceLock::new();
    let read = |(file, text): &(&'static str, &str)| Language::parse(text).map_err(|problem| (*file, problem));
    ALL.get_or_init(|| LANGUAGES.iter().map(read).collect::<Result<Vec<_>, _>>().map(Languages::new)).as_ref()
}
