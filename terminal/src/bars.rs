//! Progress bars on standard error. There is one group of them, and whatever else is written goes above it.

use std::io::{self, Write};
use std::sync::LazyLock;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, TermLike};

use crate::screen::{Stream, height, moves_cursor, width};

/// Redraws in a second, at most.
const RATE: u8 = 10;

static BARS: LazyLock<MultiProgress> =
    LazyLock::new(|| MultiProgress::with_draw_target(ProgressDrawTarget::term_like_with_hz(Box::new(Terminal), RATE)));

/// Shows a bar, where standard error is a terminal on which one can be drawn.
pub fn add(bar: ProgressBar) -> Option<ProgressBar> {
    moves_cursor(Stream::Errors).then(|| BARS.add(bar))
}

/// Does something, such as writing to the terminal, while no bar is on it.
pub(crate) fn suspend<T>(work: impl FnOnce() -> T) -> T {
    if moves_cursor(Stream::Errors) { BARS.suspend(work) } else { work() }
}

/// Standard error for bars. Nothing here fails: the library panics on some errors, and a terminal that was closed is no
/// reason to.
#[derive(Debug)]
struct Terminal;

impl Terminal {
    fn write(text: &str) {
        let _ = io::stderr().write_all(text.as_bytes());
    }

    /// ECMA-48 cursor movement; 0 would mean 1.
    fn move_cursor(n: usize, direction: char) {
        if n > 0 {
            Self::write(&format!("\x1b[{n}{direction}"));
        }
    }
}

impl TermLike for Terminal {
    fn width(&self) -> u16 {
        width(Stream::Errors).and_then(|columns| u16::try_from(columns).ok()).unwrap_or(u16::MAX)
    }

    fn height(&self) -> u16 {
        height()
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        Self::move_cursor(n, 'A');
        Ok(())
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        Self::move_cursor(n, 'B');
        Ok(())
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        Self::move_cursor(n, 'C');
        Ok(())
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        Self::move_cursor(n, 'D');
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        Self::write(&format!("{text}\n"));
        Ok(())
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        Self::write(text);
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        Self::write("\r\x1b[2K");
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}
