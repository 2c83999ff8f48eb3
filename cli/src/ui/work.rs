//! How far something of many equal parts is: a bar where one can be drawn, a line now and then elsewhere.

use indicatif::{ProgressBar, ProgressStyle};
use real_terminal::{Stream, bars, errln, width};

/// Lines in all where no bar can be drawn.
const LINES: usize = 10;
/// Columns from which on there is room for a bar, and for a forecast behind it.
const BAR_FROM: usize = 32;
const FORECAST_FROM: usize = 60;

/// Work that goes on.
#[derive(Debug)]
pub(crate) struct Work {
    bar: Option<ProgressBar>,
    what: &'static str,
    all: usize,
    done: usize,
}

impl Work {
    /// Starts to show it; `what` is done to each of `all`, for example `scoring`.
    pub(crate) fn new(what: &'static str, all: usize) -> Self {
        let style = ProgressStyle::with_template(template(width(Stream::Errors)));
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = bars::add(ProgressBar::new(all as u64).with_style(style).with_prefix(what));
        Self { bar, what, all, done: 0 }
    }

    /// So many are done, and this is to be said of them, if anything.
    pub(crate) fn reached(&mut self, done: usize, note: &str) {
        let before = std::mem::replace(&mut self.done, done);
        match &self.bar {
            Some(bar) => {
                bar.set_position(done as u64);
                bar.set_message(note.to_owned());
            }
            None if is_news(before, done, self.all) => {
                let note = if note.is_empty() { String::new() } else { format!(", {note}") };
                errln!("{}: {done} of {}{note}", self.what, self.all);
            }
            None => {}
        }
    }

    /// One more is done.
    pub(crate) fn advance(&mut self) {
        self.reached(self.done + 1, "");
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// What fits into a line of so many columns: a line that is folded cannot be drawn again.
fn template(columns: Option<usize>) -> &'static str {
    match columns {
        Some(columns) if columns < BAR_FROM => "{pos}/{len}",
        Some(columns) if columns < FORECAST_FROM => "{prefix} {wide_bar} {pos}/{len}",
        _ => "{prefix} {wide_bar} {pos}/{len}  ETA {eta}  {msg}",
    }
}

/// Whether another tenth was reached.
fn is_news(before: usize, done: usize, all: usize) -> bool {
    all > 0 && done * LINES / all > before * LINES / all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_ten_lines_however_much_there_is_to_do() {
        for all in [10, 37, 256, 100_000] {
            assert_eq!((1..=all).filter(|done| is_news(done - 1, *done, all)).count(), LINES);
        }
        assert_eq!((1..=3).filter(|done| is_news(done - 1, *done, 3)).count(), 3);
        assert!(!is_news(0, 0, 0));
    }
}
