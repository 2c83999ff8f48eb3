//! Errors as people read them.

use std::error::Error;

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
}
