//! Words in names.

/// Whether one of some words is in a name.
pub(super) fn has_word(name: &str, words: &[String]) -> bool {
    let mut parts = name.as_bytes().split(|byte| !byte.is_ascii_alphabetic()).filter(|part| !part.is_empty());
    parts.any(|part| words.iter().any(|word| word.as_bytes().eq_ignore_ascii_case(part)))
}
