//! An array of objects, of which one at a time is held.

use std::io::BufRead;

use super::{At, Content, Give, Item, LONGEST};
use crate::LoadError;

/// Gives the elements of the array that the reader stands before; it begins on this line.
pub(super) fn each(place: &str, reader: &mut dyn BufRead, line: usize, give: Give<'_>) -> Result<(), LoadError> {
    let mut scanner = Scanner { place, reader, line };
    scanner.next()?;
    if scanner.after_white_space()? == Some(b']') {
        scanner.next()?;
        return scanner.end();
    }
    let mut text = Vec::new();
    for number in 1.. {
        scanner.after_white_space()?;
        let line = scanner.line;
        text.clear();
        let last = scanner.element(number, &mut text)?;
        let problem = |message: &str| LoadError::Line {
            place: place.to_owned(),
            line,
            message: format!("element {number} of the array: {message}"),
        };
        let json = std::str::from_utf8(&text).map_err(|_| problem("is no UTF-8; a data set is UTF-8 text"))?.trim();
        if json.is_empty() {
            return Err(problem("there is nothing before the comma or bracket"));
        }
        give(Item { place, at: At::Element(number, line), content: Content::Json(json) })?;
        if last {
            break;
        }
    }
    scanner.end()
}

struct Scanner<'a> {
    place: &'a str,
    reader: &'a mut dyn BufRead,
    line: usize,
}

impl Scanner<'_> {
    fn problem(&self, message: impl Into<String>) -> LoadError {
        LoadError::Line { place: self.place.to_owned(), line: self.line, message: message.into() }
    }

    fn peek(&mut self) -> Result<Option<u8>, LoadError> {
        let line = self.line;
        let bytes = self.reader.fill_buf().map_err(|error| LoadError::Line {
            place: self.place.to_owned(),
            line,
            message: error.to_string(),
        })?;
        Ok(bytes.first().copied())
    }

    fn next(&mut self) -> Result<Option<u8>, LoadError> {
        let byte = self.peek()?;
        if byte.is_some() {
            self.reader.consume(1);
        }
        self.line += usize::from(byte == Some(b'\n'));
        Ok(byte)
    }

    fn after_white_space(&mut self) -> Result<Option<u8>, LoadError> {
        while self.peek()?.is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.next()?;
        }
        self.peek()
    }

    /// Reads up to the comma or bracket after an element; whether it was the last.
    fn element(&mut self, number: usize, text: &mut Vec<u8>) -> Result<bool, LoadError> {
        let (mut depth, mut within_text, mut escaped) = (0_usize, false, false);
        loop {
            let Some(byte) = self.next()? else {
                return Err(self.problem(format!(
                    "the array does not end: element {number} is cut, or its brackets are not closed"
                )));
            };
            match byte {
                _ if escaped => escaped = false,
                b'\\' if within_text => escaped = true,
                b'"' => within_text = !within_text,
                _ if within_text => {}
                b'[' | b'{' => depth += 1,
                b',' if depth == 0 => return Ok(false),
                b']' if depth == 0 => return Ok(true),
                b']' | b'}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            text.push(byte);
            if text.len() > LONGEST {
                let most = LONGEST >> 20;
                return Err(self.problem(format!(
                    "element {number} is longer than {most} MiB, which is the most that one may have"
                )));
            }
        }
    }

    fn end(&mut self) -> Result<(), LoadError> {
        match self.after_white_space()? {
            None => Ok(()),
            Some(_) => Err(self.problem("there is something after the array")),
        }
    }
}
