//! Words in names.

/// Whether one of some words is in a name.
pub(super) fn has_word(name: &str, words: &[String]) -> bool {
    let mut parts = name.split(|char: char| !char.is_ascii_alphabetic()).map(str::to_ascii_lowercase);
    parts.any(|part| words.contains(&part))
}
