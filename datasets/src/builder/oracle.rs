//! What a query prints, computed without `SQLite`: the expected outputs do not come from the programs they judge.

use super::database::{Cell, Database, ROWS};
use super::query::{Aggregate, Connective, Filter, Input, Output, Predicate, Query, Schema, Test, Transform};

/// Lines of input.
pub(crate) type Inputs = Vec<String>;

/// The rows that a filter selects, by number.
pub(crate) fn selected(schema: &Schema, database: &Database, filter: &Filter, inputs: &Inputs) -> Vec<usize> {
    let holds = |predicate: &Predicate, row: usize| {
        let line = match predicate.input {
            Input::First => inputs.first(),
            Input::Second => inputs.get(1),
        };
        let (Some(line), Some(cell)) = (line, database.cell(schema, predicate.column, row)) else { return false };
        test(predicate.test, cell, line)
    };
    (0..ROWS)
        .filter(|row| match &filter.second {
            None => holds(&filter.first, *row),
            Some((Connective::And, second)) => holds(&filter.first, *row) && holds(second, *row),
            Some((Connective::Or, second)) => holds(&filter.first, *row) || holds(second, *row),
        })
        .collect()
}

/// What a program for the query prints, one line a row. Rows without an order come by `id`, the tables' row id.
pub(crate) fn printed(schema: &Schema, database: &Database, query: &Query, inputs: &Inputs) -> String {
    let mut rows = selected(schema, database, &query.filter, inputs);
    let integer = |column, row| match database.cell(schema, column, row) {
        Some(Cell::Integer(number)) => *number,
        _ => 0,
    };
    if let Some(order) = query.order {
        rows.sort_by_key(|row| integer(order.column, *row));
        if order.descending {
            rows.reverse();
        }
    }
    let lines: Vec<String> = match query.output {
        Output::Column(column) => rows
            .iter()
            .filter_map(|row| database.cell(schema, column, *row))
            .map(|cell| match cell {
                Cell::Text(text) => (*text).to_owned(),
                Cell::Integer(number) => number.to_string(),
            })
            .collect(),
        Output::Transformed(column, transform) => rows
            .iter()
            .map(|row| match transform {
                Transform::Plus(constant) => (integer(column, *row) + constant).to_string(),
                Transform::Times(constant) => (integer(column, *row) * constant).to_string(),
            })
            .collect(),
        Output::Count => vec![rows.len().to_string()],
        Output::Aggregate(aggregate, column) => {
            let numbers = rows.iter().map(|row| integer(column, *row));
            let result = match aggregate {
                Aggregate::Sum => numbers.reduce(|sum, number| sum + number),
                Aggregate::Max => numbers.max(),
                Aggregate::Min => numbers.min(),
            };
            // SQL's NULL for an aggregate over nothing is Python's None.
            vec![result.map_or_else(|| "None".to_owned(), |number| number.to_string())]
        }
    };
    lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
}

/// A predicate as `SQLite` evaluates it on a bound text parameter.
fn test(condition: Test, cell: &Cell, line: &str) -> bool {
    match (condition, cell) {
        (Test::Equals, Cell::Text(text)) => *text == line,
        (Test::StartsWith, Cell::Text(text)) => like(text.as_bytes(), format!("{line}%").as_bytes()),
        // The column's integer affinity turns a numeric text into a number; any other text stays text, and every text
        // is greater than every number (SQLite, "Datatypes", §4).
        (Test::AtLeast, Cell::Integer(number)) => line.trim().parse::<i64>().is_ok_and(|bound| *number >= bound),
        (Test::AtMost, Cell::Integer(number)) => line.trim().parse::<i64>().map_or(true, |bound| *number <= bound),
        _ => false,
    }
}

/// SQL's LIKE: `%` is any text, `_` any character, ASCII letters match without case.
fn like(text: &[u8], pattern: &[u8]) -> bool {
    match (pattern.first(), text.first()) {
        (None, None) => true,
        (Some(b'%'), _) => like(text, &pattern[1..]) || (!text.is_empty() && like(&text[1..], pattern)),
        (Some(wanted), Some(found)) => {
            (*wanted == b'_' || wanted.eq_ignore_ascii_case(found)) && like(&text[1..], &pattern[1..])
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_follows_sql() {
        for (text, pattern, matches) in [
            ("alder", "al%", true),
            ("alder", "AL%", true),
            ("alder", "b%", false),
            ("alder", "a_d%", true),
            ("", "%", true),
        ] {
            assert_eq!(like(text.as_bytes(), pattern.as_bytes()), matches, "{text} {pattern}");
        }
    }

    #[test]
    fn a_text_that_is_no_number_is_greater_than_every_number() {
        let five = Cell::Integer(5);
        assert!(test(Test::AtMost, &five, "0 OR 1=1"));
        assert!(!test(Test::AtLeast, &five, "0 OR 1=1"));
        assert!(test(Test::AtLeast, &five, "5") && test(Test::AtMost, &five, "5"));
    }
}
