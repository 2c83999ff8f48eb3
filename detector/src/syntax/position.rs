//! Byte offsets → lines and columns for people.

/// A place in a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// Index of line starts of one program.
#[derive(Debug)]
pub struct Positions<'a> {
    code: &'a str,
    starts: Vec<usize>,
}

impl<'a> Positions<'a> {
    /// Indexes `code`; `\n`, `\r\n` and `\r` end lines, as in Python.
    pub fn new(code: &'a str) -> Self {
        let bytes = code.as_bytes();
        let ends = bytes
            .iter()
            .enumerate()
            .filter(|&(i, byte)| *byte == b'\n' || (*byte == b'\r' && bytes.get(i + 1) != Some(&b'\n')));
        Self { code, starts: std::iter::once(0).chain(ends.map(|(i, _)| i + 1)).collect() }
    }

    /// The place of a byte offset; offsets past the end give the end.
    pub fn at(&self, offset: usize) -> Position {
        let offset = offset.min(self.code.len());
        let line = self.starts.partition_point(|&start| start <= offset);
        let start = self.starts[line - 1];
        let column = self.code.as_bytes()[start..offset].iter().filter(|byte| (**byte as i8) >= -0x40).count() + 1;
        Position { line: u32::try_from(line).unwrap_or(u32::MAX), column: u32::try_from(column).unwrap_or(u32::MAX) }
    }

    /// The text of an offset range, on one line and cut to `limit` characters.
    pub fn excerpt(&self, start: usize, end: usize, limit: usize) -> String {
        let text = self.code.get(start..end).unwrap_or("");
        let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
        match flat.char_indices().nth(limit) {
            Some((cut, _)) => format!("{}…", &flat[..cut]),
            None => flat,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters() {
        let positions = Positions::new("a\r\nä = 'b'\rc\n");
        assert_eq!(positions.at(0), Position { line: 1, column: 1 });
        assert_eq!(positions.at(3), Position { line: 2, column: 1 });
        assert_eq!(positions.at(6), Position { line: 2, column: 3 });
        assert_eq!(positions.at(12).line, 3);
        assert_eq!(positions.at(999).line, 4);
    }
}
