//! Standard output, standard error, progress bars and logs of every program of the project.
//!
//! `println!` panics when its reader is gone, when the disk is full and when the terminal was closed. Here none of that
//! ends a program: a closed pipe or terminal is silence, and another failure of standard output is told once, in words, by
//! [`finish`]. Clippy's `print_stdout` and `print_stderr` keep the standard macros out of all other crates.
#![forbid(unsafe_code)]

pub mod arguments;
pub mod bars;
mod errors;
pub mod exit;
mod logs;
mod message;
mod output;
mod refused;
mod screen;
mod table;
mod value;
mod words;

pub use errors::Errors;
#[doc(hidden)]
pub use errors::write_line as write_error_line;
pub use logs::{LogArgs, LogFormat};
pub use message::{causes, harmless, harmless_lines, shell_word};
#[doc(hidden)]
pub use output::write as write_output;
pub use output::{finish, is_open};
pub use refused::{OrRefused, Refused, exit_code, is_passing};
pub use screen::{Stream, colours, is_terminal, moves_cursor, text_width, width};
pub use table::{fit, wrapped};
pub use value::described;
pub use words::count;

/// Writes a line to standard output. Never panics; see [`finish`] and [`is_open`].
#[macro_export]
macro_rules! outln {
    () => { $crate::write_output(format_args!("\n")) };
    ($($text:tt)*) => { $crate::write_output(format_args!("{}\n", format_args!($($text)*))) };
}

/// Writes a line to standard error, above the progress bars. Never panics: where standard error is gone there is nobody to tell.
#[macro_export]
macro_rules! errln {
    ($($text:tt)*) => { $crate::write_error_line(format_args!($($text)*)) };
}
