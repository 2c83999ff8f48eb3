//! Byte offsets → lines and columns for people.

use std::cell::OnceCell;

/// A place in a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// Bytes between two counts of characters: a place is found in as much time, however long its line is.
const STRIDE: usize = 256;

/// Lines and columns of one program.
#[derive(Debug)]
pub struct Positions<'a> {
    code: &'a str,
    /// Made where somebody asks: most programs have nothing to tell.
    index: OnceCell<Index>,
}

/// Where lines start, and how many characters there are.
#[derive(Debug)]
struct Index {
    starts: Vec<usize>,
    /// Characters that begin before each multiple of [`STRIDE`]; none where each byte is one.
    counts: Option<Vec<usize>>,
}

impl Index {
    fn new(code: &str) -> Self {
        let bytes = code.as_bytes();
        let mut starts = vec![0];
        starts.extend(code.match_indices('\n').map(|(at, _)| at + 1));
        let alone = code.match_indices('\r').map(|(at, _)| at + 1).filter(|next| bytes.get(*next) != Some(&b'\n'));
        let lines = starts.len();
        starts.extend(alone);
        if starts.len() > lines {
            starts.sort_unstable();
        }
        let mut before = 0;
        let counts = (!code.is_ascii()).then(|| {
            let counts = bytes.chunks(STRIDE).map(|chunk| {
                let counted = before;
                before += characters(chunk);
                counted
            });
            counts.collect()
        });
        Self { starts, counts }
    }
}

impl<'a> Positions<'a> {
    /// Places in `code`; `\n`, `\r\n` and `\r` end lines, as in Python.
    pub fn new(code: &'a str) -> Self {
        Self { code, index: OnceCell::new() }
    }

    fn index(&self) -> &Index {
        self.index.get_or_init(|| Index::new(self.code))
    }

    /// Characters that begin before a byte offset.
    fn characters_before(&self, offset: usize) -> usize {
        let Some(counts) = &self.index().counts else { return offset };
        let chunk = offset / STRIDE;
        match counts.get(chunk) {
            Some(before) => before + characters(&self.code.as_bytes()[chunk * STRIDE..offset]),
            // The end of a program whose last chunk is full.
            None => characters(self.code.as_bytes()),
        }
    }

    /// The place of a byte offset; offsets past the end give the end.
    pub fn at(&self, offset: usize) -> Position {
        let offset = offset.min(self.code.len());
        let starts = &self.index().starts;
        let line = starts.partition_point(|&start| start <= offset);
        let start = starts[line - 1];
        let column = self.characters_before(offset) - self.characters_before(start) + 1;
        Position { line: u32::try_from(line).unwrap_or(u32::MAX), column: u32::try_from(column).unwrap_or(u32::MAX) }
    }

    /// The text of an offset range, on one line and cut to `limit` characters.
    pub fn excerpt(&self, start: usize, end: usize, limit: usize) -> String {
        let text = self.code.get(start..end).unwrap_or("");
        let mut flat = String::new();
        let mut count = 0;
        for word in text.split_whitespace() {
            let space = if count > 0 { " " } else { "" };
            let size = space.len() + word.chars().count();
            if count + size > limit {
                flat.extend(space.chars().chain(word.chars()).take(limit - count));
                flat.push('…');
                return flat;
            }
            flat.push_str(space);
            flat.push_str(word);
            count += size;
        }
        flat
    }
}

/// Characters that begin in some bytes.
fn characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| (**byte as i8) >= -0x40).count()
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

    #[test]
    fn columns_in_long_lines_are_those_that_counting_gives() {
        for length in [0, 1, 127, 128, 129, 1_000] {
            let code = "ä;".repeat(length);
            let positions = Positions::new(&code);
            for offset in (0..=code.len()).filter(|offset| code.is_char_boundary(*offset)) {
                assert_eq!(
                    positions.at(offset).column as usize,
                    code[..offset].chars().count() + 1,
                    "{length} {offset}"
                );
            }
        }
    }

    #[test]
    fn excerpts_are_flat_and_short() {
        let positions = Positions::new("f(a,\n   'b')");
        assert_eq!(positions.excerpt(0, 12, 80), "f(a, 'b')");
        assert_eq!(positions.excerpt(0, 12, 4), "f(a,…");
        assert_eq!(positions.excerpt(0, 12, 9), "f(a, 'b')");
    }
}
