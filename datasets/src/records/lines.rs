//! One object a line.

use std::io::{BufRead, Read as _};

use super::{At, Content, Give, Item, LONGEST};
use crate::LoadError;

/// Gives the objects of all lines that are not empty; the reader stands within line `number`.
pub(super) fn each(place: &str, reader: &mut dyn BufRead, number: usize, give: Give<'_>) -> Result<(), LoadError> {
    let mut bytes = Vec::new();
    for line in number.. {
        let problem = |message: String| LoadError::Line { place: place.to_owned(), line, message };
        bytes.clear();
        let mut limited = (&mut *reader).take(LONGEST as u64 + 1);
        if limited.read_until(b'\n', &mut bytes).map_err(|error| problem(error.to_string()))? == 0 {
            break;
        }
        if bytes.len() > LONGEST {
            return Err(problem(format!(
                "is longer than {} MiB, which is the most that one object may have",
                LONGEST >> 20
            )));
        }
        let text = std::str::from_utf8(&bytes).map_err(|error| {
            problem(format!("byte {} of the line is no UTF-8; a data set is UTF-8 text", error.valid_up_to() + 1))
        })?;
        if !text.trim().is_empty() {
            give(Item { place, at: At::Line(line), content: Content::Json(text.trim_end()) })?;
        }
    }
    Ok(())
}
