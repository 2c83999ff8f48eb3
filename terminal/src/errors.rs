//! Standard error.

use std::fmt;
use std::io::{self, Write};

use crate::bars;

/// Writes a line above the bars.
pub fn write_line(text: fmt::Arguments<'_>) {
    write(format!("{text}\n").as_bytes());
}

fn write(text: &[u8]) {
    bars::suspend(|| {
        // Standard error is gone: there is nobody left to tell.
        let _ = io::stderr().write_all(text);
    });
}

/// Standard error as a writer that keeps a whole message until it is dropped or flushed, and never fails.
#[derive(Debug, Default)]
pub struct Errors {
    message: Vec<u8>,
}

impl Write for Errors {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.message.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let message = std::mem::take(&mut self.message);
        if !message.is_empty() {
            write(&message);
        }
        Ok(())
    }
}

impl Drop for Errors {
    fn drop(&mut self) {
        let _ = self.flush();
    }
}
