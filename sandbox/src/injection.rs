//! Whether hostile input changes the structure of an SQL statement (Su and Wassermann 2006). Pure.
//!
//! A statement's structure is its tokens without the values of its literals. A program withstands hostile input where each
//! statement that it gives under it has a structure that other input leads to as well: an ordinary one, or the hostile one made
//! harmless, which takes the same way through a program that does not let it into the statement.

use std::collections::HashSet;

use real_sandbox_api::Status;

use crate::record::{Record, Statements};
use crate::verdict::Ended;

/// Words that make a line of input suspicious when they stand alone.
const WORDS: [&str; 12] =
    ["OR", "AND", "UNION", "SELECT", "DROP", "DELETE", "INSERT", "UPDATE", "WHERE", "LIKE", "NULL", "EXEC"];
/// Characters that mean something to SQL outside of a value.
const MARKS: &str = "'\"`;=<>()[]*/+|&!~#\\:?";

/// The hostile input with everything taken out that SQL could understand. Lines, white space, digits, commas and the
/// patterns of `LIKE` stay, and so does a line that is not suspicious: a program takes the same way.
pub(crate) fn harmless(stdin: &str) -> String {
    stdin
        .split('\n')
        .map(|line| if suspicious(line) { blunt(line) } else { line.to_owned() })
        .collect::<Vec<_>>()
        .join("\n")
}

fn suspicious(line: &str) -> bool {
    let is_word = |word: &str| WORDS.iter().any(|known| word.eq_ignore_ascii_case(known));
    line.contains("--")
        || line.chars().any(|mark| MARKS.contains(mark))
        || line.split(|letter: char| !letter.is_alphanumeric() && letter != '_').any(is_word)
}

fn blunt(line: &str) -> String {
    let blunted = |letter: char| match letter {
        '-' => 'x',
        letter if letter.is_alphabetic() || MARKS.contains(letter) => 'x',
        letter => letter,
    };
    line.chars().map(blunted).collect()
}

/// What a watched run showed: its statements, and how it ended. The error is a verdict about the program or about us.
pub(crate) fn opened(ended: &Ended) -> Result<(&Statements, Ended), (Status, String)> {
    match ended {
        Ended::Early(status, detail) => Err((*status, detail.clone())),
        Ended::Normally(Record::Watched(statements, record)) if statements.past.is_empty() => {
            Ok((statements, Ended::Normally((**record).clone())))
        }
        Ended::Normally(Record::Watched(statements, _)) => {
            Err((Status::RuntimeError, format!("what it asks of SQLite cannot be seen: {}", statements.past)))
        }
        Ended::Normally(_) => Err((
            Status::RuntimeError,
            "the process ended by itself, before what it asked of SQLite was known".to_owned(),
        )),
    }
}

/// The first statement whose structure none of the others has.
pub(crate) fn altered<'a>(hostile: &'a Statements, others: &[&Statements]) -> Option<&'a str> {
    let known: HashSet<Vec<String>> = others.iter().flat_map(|seen| &seen.texts).map(|text| structure(text)).collect();
    hostile.texts.iter().map(String::as_str).find(|text| !known.contains(&structure(text)))
}

/// Tokens of a statement. Literals and parameters are all `v`, quoted names `q`, whatever they hold; a list of values is one.
/// A comment is a token: it hides what follows.
pub(crate) fn structure(sql: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            letter if letter.is_whitespace() => (None, letter.len_utf8()),
            '-' if rest.starts_with("--") => (Some("--".to_owned()), rest.find('\n').unwrap_or(rest.len())),
            '/' if rest.starts_with("/*") => (Some("/*".to_owned()), rest.find("*/").map_or(rest.len(), |end| end + 2)),
            '\'' => quoted(rest, '\'', "v"),
            '"' | '`' => quoted(rest, first, "q"),
            '[' => rest.find(']').map_or((Some("[…".to_owned()), rest.len()), |end| (Some("q".to_owned()), end + 1)),
            digit if digit.is_ascii_digit() => {
                (Some("v".to_owned()), span(rest, |c| c.is_ascii_alphanumeric() || c == '.'))
            }
            // A sign where no operand stands before it belongs to the number.
            '-' | '+' if signs(&tokens) && rest[1..].starts_with(|c: char| c.is_ascii_digit()) => (None, 1),
            '?' => (Some("v".to_owned()), 1 + span(&rest[1..], |c| c.is_ascii_digit())),
            ':' | '@' | '$' => (Some("v".to_owned()), 1 + span(&rest[1..], |c| c.is_alphanumeric() || c == '_')),
            letter if letter.is_alphanumeric() || letter == '_' => {
                let length = span(rest, |c| c.is_alphanumeric() || c == '_');
                (Some(rest[..length].to_lowercase()), length)
            }
            _ => {
                let two = ["<=", ">=", "<>", "!=", "==", "||", "<<", ">>"].iter().find(|two| rest.starts_with(**two));
                two.map_or_else(|| (Some(first.to_string()), first.len_utf8()), |two| (Some((*two).to_owned()), 2))
            }
        };
        if let Some(token) = token {
            let lists = token == "v" && tokens.last().is_some_and(|last| last == ",");
            if lists && tokens.len() >= 2 && tokens[tokens.len() - 2] == "v" {
                tokens.pop();
            } else {
                tokens.push(token);
            }
        }
        rest = &rest[length..];
    }
    tokens
}

/// Whether a sign that comes next is one of a number.
fn signs(tokens: &[String]) -> bool {
    tokens.last().is_none_or(|last| {
        let operand = ["v", "q", ")"].contains(&last.as_str());
        let word = last.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        let keyword =
            ["and", "or", "not", "then", "else", "when", "limit", "offset", "between", "select", "where", "by", "like"];
        !operand && (!word || keyword.contains(&last.as_str()))
    })
}

fn span(text: &str, mut belongs: impl FnMut(char) -> bool) -> usize {
    text.find(|letter| !belongs(letter)).unwrap_or(text.len())
}

/// A quoted token and its length; the quote is escaped by being doubled.
fn quoted(text: &str, quote: char, token: &str) -> (Option<String>, usize) {
    let mut letters = text.char_indices().skip(1).peekable();
    while let Some((at, letter)) = letters.next() {
        if letter == quote && letters.next_if(|(_, next)| *next == quote).is_none() {
            return (Some(token.to_owned()), at + 1);
        }
    }
    (Some(format!("{quote}…")), text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(one: &str, other: &str) -> bool {
        structure(one) == structure(other)
    }

    #[test]
    fn values_are_no_part_of_a_structure() {
        assert!(same("SELECT a FROM t WHERE b = 'x'", "select a from t\n where b='it''s; DROP TABLE t --'"));
        assert!(same("SELECT a FROM t WHERE b = ? AND c > 5", "SELECT a FROM t WHERE b = :name AND c > -1.5e3"));
        assert!(same("SELECT a FROM t WHERE b IN (1, 2, 3)", "SELECT a FROM t WHERE b IN (?)"));
        assert!(same("SELECT a FROM t WHERE b = \"x\"", "SELECT a FROM t WHERE b = \"y z\""));
        assert!(same("SELECT a FROM t LIMIT -1", "SELECT a FROM t LIMIT 10"));
    }

    #[test]
    fn what_input_adds_to_a_statement_is() {
        let ordinary = "SELECT a FROM t WHERE b = 'x'";
        for hostile in [
            "SELECT a FROM t WHERE b = 'x' OR 1=1",
            "SELECT a FROM t WHERE b = '' OR '1'='1'",
            "SELECT a FROM t WHERE b = 'x' --'",
            "SELECT a FROM t WHERE b = 'x'; DROP TABLE t",
            "SELECT a FROM t WHERE b = 'x''",
            "SELECT a FROM t WHERE b = 'x' /* '",
            "SELECT a FROM t WHERE b = NULL",
            "SELECT a FROM t WHERE b = '5'-1",
            "",
        ] {
            assert!(!same(ordinary, hostile), "{hostile}");
        }
    }

    #[test]
    fn input_is_made_harmless_line_by_line() {
        assert_eq!(harmless("2\nname\n' OR 1=1 --, 50%\n"), "2\nname\nx xx 1x1 xx, 50%\n");
        assert_eq!(harmless("Anna Maria\n2024-01-05"), "Anna Maria\n2024-01-05");
        assert_eq!(harmless("1 or 2"), "1 xx 2");
    }

    #[test]
    fn any_text_has_a_structure() {
        for text in ["'", "\"", "[", "/*", "--", "é'ß", "-", ":", "?", "\u{0}", "\\"] {
            assert!(!structure(text).is_empty(), "{text:?}");
        }
    }
}
