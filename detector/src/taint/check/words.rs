//! Words in names.

/// Whether one of some words is in a name, as a word of it or as two that follow each other: `sessionid` is in `new_session_id`
/// and in `getSessionID`.
pub(super) fn has_word(name: &str, words: &[String]) -> bool {
    let mut before: &[u8] = &[];
    parts(name.as_bytes()).any(|part| {
        let is_two = |word: &[u8]| {
            word.len() == before.len() + part.len()
                && word[..before.len()].eq_ignore_ascii_case(before)
                && word[before.len()..].eq_ignore_ascii_case(part)
        };
        let found = words.iter().any(|word| word.as_bytes().eq_ignore_ascii_case(part) || is_two(word.as_bytes()));
        before = part;
        found
    })
}

/// The words of a name: `new_token2`, `newToken`, `HTTPServer`.
fn parts(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut begin = 0;
    std::iter::from_fn(move || {
        while name.get(begin).is_some_and(|byte| !byte.is_ascii_alphabetic()) {
            begin += 1;
        }
        let rest = name.get(begin..).filter(|rest| !rest.is_empty())?;
        let ends = |at: usize| {
            let (last, next) = (rest[at - 1], rest[at]);
            let begins_word = last.is_ascii_lowercase() && next.is_ascii_uppercase();
            let ends_acronym = last.is_ascii_uppercase()
                && next.is_ascii_uppercase()
                && rest.get(at + 1).is_some_and(u8::is_ascii_lowercase);
            !next.is_ascii_alphabetic() || begins_word || ends_acronym
        };
        let length = (1..rest.len()).find(|at| ends(*at)).unwrap_or(rest.len());
        begin += length;
        Some(&rest[..length])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_end_at_underscores_and_where_large_letters_begin() {
        let split = |name: &'static str| -> Vec<&str> {
            parts(name.as_bytes()).map(|part| std::str::from_utf8(part).expect("ASCII")).collect()
        };
        assert_eq!(split("new_session_id2"), ["new", "session", "id"]);
        assert_eq!(split("getSessionID"), ["get", "Session", "ID"]);
        assert_eq!(split("HTTPServer__x"), ["HTTP", "Server", "x"]);
        assert_eq!(split("größe"), ["gr", "e"]);
        assert_eq!(split("_"), [""; 0]);
        let words = ["sessionid".to_owned(), "token".to_owned()];
        assert!(
            ["getSessionID", "session_id", "newToken", "SESSIONID", "a_token_b"]
                .iter()
                .all(|name| has_word(name, &words))
        );
        assert!(
            ["session", "tokens", "idsession", "token2x".trim_start_matches("token")]
                .iter()
                .all(|name| !has_word(name, &words))
        );
    }
}
