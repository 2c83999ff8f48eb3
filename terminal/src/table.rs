//! Tables that fit the terminal.

use std::fmt::Write as _;

use comfy_table::{ContentArrangement, Row, Table};

use crate::text_width;

/// A longer word is a name, and can be cut; shorter ones are numbers and words.
const LONGEST_WORD: usize = 12;

/// A table as text. Where it is wider than so many columns its cells are folded between words; where a word itself would have
/// to be cut, names excepted, it becomes a list, `heading: value` a line, since digits below each other are no number.
pub fn fit(mut table: Table, columns: Option<usize>) -> String {
    let Some(columns) = columns else { return table.to_string() };
    if narrowest(&table) > columns {
        return wrapped(&list(&table), Some(columns));
    }
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(u16::try_from(columns).unwrap_or(u16::MAX));
    table.to_string()
}

/// A text, each of whose lines is broken between words where it is longer than so many columns, as far as that is possible. What follows
/// a break is indented as the line is.
pub fn wrapped(text: &str, columns: Option<usize>) -> String {
    let Some(columns) = columns.filter(|columns| *columns > 0) else { return text.to_owned() };
    text.split('\n').map(|line| broken(line, columns)).collect::<Vec<_>>().join("\n")
}

fn broken(text: &str, columns: usize) -> String {
    let (indent, text) = text.split_at(text.len() - text.trim_start_matches(' ').len());
    // A narrow terminal has no room for both.
    let indent = if indent.len() < columns / 2 { indent } else { "" };
    let columns = columns - indent.len();
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        let mut rest = word;
        loop {
            let gap = usize::from(!line.is_empty());
            if text_width(&line) + gap + text_width(rest) <= columns {
                line.extend((gap > 0).then_some(' '));
                line.push_str(rest);
                break;
            }
            if line.is_empty() {
                // A word that is longer than a line; each character takes two columns at most.
                let end = rest.char_indices().nth((columns / 2).max(1)).map_or(rest.len(), |(end, _)| end);
                line.push_str(&rest[..end]);
                rest = &rest[end..];
            }
            lines.push(std::mem::take(&mut line));
        }
    }
    lines.push(line);
    lines.iter().map(|line| format!("{indent}{line}")).collect::<Vec<_>>().join("\n")
}

/// Columns of the table where each of its columns is as narrow as its longest word: with a space on both sides, and lines
/// between and around.
fn narrowest(table: &Table) -> usize {
    let rows = || table.header().into_iter().chain(table.row_iter());
    let longest = |column: usize| {
        let words = rows().filter_map(|row| row.cell_iter().nth(column));
        let widths = words.flat_map(|cell| cell.content().split_whitespace().map(text_width).collect::<Vec<_>>());
        widths.max().unwrap_or(0).min(LONGEST_WORD)
    };
    let count = rows().map(|row| row.cell_iter().count()).max().unwrap_or(0);
    (0..count).map(|column| longest(column) + 3).sum::<usize>() + 1
}

fn list(table: &Table) -> String {
    let headings = table.header().map(contents).unwrap_or_default();
    let mut text = String::new();
    for (number, row) in table.row_iter().enumerate() {
        let cells = contents(row);
        if headings.is_empty() {
            let _ = writeln!(text, "{}", cells.join(": "));
            continue;
        }
        if number > 0 {
            text.push('\n');
        }
        for (heading, cell) in headings.iter().zip(&cells) {
            let _ = writeln!(text, "{heading}: {cell}");
        }
    }
    text.truncate(text.trim_end().len());
    text
}

fn contents(row: &Row) -> Vec<String> {
    row.cell_iter().map(|cell| cell.content().split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new();
        table.set_header(["data set", "n", "Func.-Qual."]);
        table.add_row(["quickstart", "256", "0.125 → 1.000"]).add_row(["other set", "1024", "0.500 → 0.750"]);
        table
    }

    #[test]
    fn a_table_is_folded_between_words_and_else_becomes_a_list() {
        let wide = fit(table(), None);
        assert!(wide.contains("0.125 → 1.000"));
        for columns in [36, 40, 80] {
            let folded = fit(table(), Some(columns));
            assert!(folded.lines().all(|line| text_width(line) <= columns), "{folded}");
            assert!(folded.contains("quickstart") && folded.contains("1.000") && folded.contains('+'), "{folded}");
        }
        for columns in [12, 20] {
            let list = fit(table(), Some(columns));
            assert!(list.lines().all(|line| text_width(line) <= columns), "{columns}: {list}");
            assert!(list.starts_with("data set:") && list.contains("1.000"), "{list}");
        }
        for columns in [27, 28] {
            let list = fit(table(), Some(columns));
            assert!(
                list.starts_with("data set: quickstart\nn: 256\nFunc.-Qual.: 0.125 → 1.000\n\ndata set: other set\n"),
                "{list}"
            );
        }
    }

    #[test]
    fn a_table_without_headings_is_a_list_of_pairs() {
        let mut table = Table::new();
        table.add_row(["Function", "100.0 %"]).add_row(["programs per second", "3.5"]);
        assert_eq!(fit(table, Some(10)), "Function:\n100.0 %\nprograms\nper\nsecond:\n3.5");
    }
}
