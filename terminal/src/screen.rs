//! What is known of the terminal.

use std::io::{self, IsTerminal};
use std::sync::OnceLock;

use console::Term;

/// Standard output or standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Output,
    /// Standard error.
    Errors,
}

/// Columns where a terminal does not say.
pub(crate) const USUAL_WIDTH: usize = 80;

/// Whether the stream was a terminal when it was first asked. One that is closed later still counts as one.
pub fn is_terminal(stream: Stream) -> bool {
    static OUTPUT: OnceLock<bool> = OnceLock::new();
    static ERRORS: OnceLock<bool> = OnceLock::new();
    match stream {
        Stream::Output => *OUTPUT.get_or_init(|| io::stdout().is_terminal()),
        Stream::Errors => *ERRORS.get_or_init(|| io::stderr().is_terminal()),
    }
}

/// Whether the stream is a terminal whose cursor can be moved, as a bar needs it; `TERM=dumb` is none.
pub fn moves_cursor(stream: Stream) -> bool {
    is_terminal(stream) && !is_dumb(std::env::var("TERM").ok().as_deref())
}

/// Whether to colour what goes to the stream: a terminal that can, and `NO_COLOR` is not set (<https://no-color.org>).
pub fn colours(stream: Stream) -> bool {
    moves_cursor(stream) && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn is_dumb(term: Option<&str>) -> bool {
    matches!(term, None | Some("" | "dumb"))
}

/// Columns that fit into a line of the stream now: what `COLUMNS` says, else the terminal. `None`, which is as many as it
/// takes, where it is no terminal.
pub fn width(stream: Stream) -> Option<usize> {
    let said = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).filter(|columns| *columns > 0);
    if said.is_some() || !is_terminal(stream) {
        return said;
    }
    let term = match stream {
        Stream::Output => Term::stdout(),
        Stream::Errors => Term::stderr(),
    };
    let columns = term.size_checked().map(|(_, columns)| usize::from(columns)).filter(|columns| *columns > 0);
    Some(columns.unwrap_or(USUAL_WIDTH))
}

/// Columns that a text takes; letters of some scripts take two.
pub fn text_width(text: &str) -> usize {
    console::measure_text_width(text)
}

/// Lines of the terminal that standard error is.
pub(crate) fn height() -> u16 {
    Term::stderr().size_checked().map_or(24, |(rows, _)| rows).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_that_does_not_say_its_kind_is_dumb() {
        assert!(is_dumb(None) && is_dumb(Some("")) && is_dumb(Some("dumb")));
        assert!(!is_dumb(Some("xterm-256color")));
    }
}
