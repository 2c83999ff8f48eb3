//! Errors and foreign text as people read them.

use std::error::Error;
use std::path::Path;

/// An error and its causes, outermost first. A cause that has been said already, because the error above it quotes it, is
/// not said again.
pub fn causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        if !said.is_empty() && !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        next = cause.source();
    }
    text
}

/// Text that somebody else wrote, made safe to show: it can neither move the cursor nor recolour the terminal, and reads in the
/// order it is stored in. Control characters and those that change the direction of writing become escapes.
pub fn harmless(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        let invisible = c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
        if invisible { safe.extend(c.escape_default()) } else { safe.push(c) }
    }
    safe
}

/// [`harmless`] text of several lines. Those after the first are indented, so that none can be taken for one of ours.
pub fn harmless_lines(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| harmless(line.trim())).collect();
    lines.join("\n    ")
}

/// A path as a shell takes it for one word that is no option.
pub fn shell_word(path: &Path) -> String {
    let text = path.display().to_string();
    let text = if text.starts_with('-') { format!("./{text}") } else { text };
    let plain = |c: char| c.is_alphanumeric() || "_-./+,:@%=".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use std::fmt;
    use std::io;

    use super::*;

    #[derive(Debug)]
    struct Quoting(io::Error);

    impl fmt::Display for Quoting {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "cannot read x: {}", self.0)
        }
    }

    impl Error for Quoting {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn a_cause_that_is_quoted_already_is_said_once() {
        let cause = || io::Error::from_raw_os_error(2);
        assert_eq!(causes(&Quoting(cause())), "cannot read x: No such file or directory (os error 2)");
        let outer = io::Error::other(Quoting(cause()));
        assert_eq!(causes(&outer), "cannot read x: No such file or directory (os error 2)");
    }

    #[test]
    fn lines_after_the_first_are_never_like_ours() {
        assert_eq!(
            harmless_lines("it ended; its log:\n    a\n\u{1b}[2Jerror: b"),
            "it ended; its log:\n    a\n    \\u{1b}[2Jerror: b"
        );
        assert_eq!(harmless_lines("one"), "one");
    }

    #[test]
    fn a_path_that_is_suggested_can_be_pasted() {
        let word = |path: &str| shell_word(Path::new(path));
        assert_eq!(word("runs/müller_1.yaml"), "runs/müller_1.yaml");
        assert_eq!(word("a b.yaml"), "'a b.yaml'");
        assert_eq!(word("it's $HOME;.yaml"), r"'it'\''s $HOME;.yaml'");
        assert_eq!(word("-x.yaml"), "./-x.yaml");
        assert_eq!(word("~.yaml"), "'~.yaml'");
        assert_eq!(word(""), "''");
    }
}
