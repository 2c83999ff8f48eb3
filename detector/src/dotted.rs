//! Dotted paths: `os.path.join`. They are short and taken apart for every call, so that plain loops beat a search.

/// What stands before the last dot, and after it.
pub(crate) fn split_last(path: &str) -> Option<(&str, &str)> {
    let at = path.bytes().rposition(|byte| byte == b'.')?;
    Some((&path[..at], &path[at + 1..]))
}

/// What stands after the last dot; all of it where there is none.
pub(crate) fn last(path: &str) -> &str {
    split_last(path).map_or(path, |(_, last)| last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_ends_after_its_last_dot() {
        for (path, expected) in [
            ("os.path.join", Some(("os.path", "join"))),
            ("?.é", Some(("?", "é"))),
            ("é.", Some(("é", ""))),
            (".", Some(("", ""))),
            ("print", None),
            ("", None),
        ] {
            assert_eq!(split_last(path), expected, "{path}");
            assert_eq!(last(path), expected.map_or(path, |(_, last)| last), "{path}");
        }
    }
}
