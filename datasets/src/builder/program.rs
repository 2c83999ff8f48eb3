//! Python programs for a query, as pieces that are the quickstart tokenizer's code vocabulary.

use super::evolve::CONSTANTS;
use super::query::{Aggregate, Connective, Input, Output, Predicate, Query, Test, Transform};

/// How a program puts its input into the statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Bound parameters: the only safe one.
    Bound,
    /// An f-string.
    Interpolated,
    /// `+`.
    Concatenated,
    /// `%`.
    Percent,
    /// `str.format`.
    Formatted,
}

impl Style {
    pub(crate) const ALL: [Self; 5] =
        [Self::Bound, Self::Interpolated, Self::Concatenated, Self::Percent, Self::Formatted];
}

const OPEN: &str = "```python\n";
const CLOSE: &str = "\n```";
const HEAD: [&str; 2] = ["import sqlite3\n", "con = sqlite3.connect('data.db')\n"];
const READ: [&str; 2] = ["a = input()\n", "b = input()\n"];
const LOOP: &str = "for row in con.execute(";
const FROM: &str = " FROM ";
const JOIN: &str = " JOIN ";
const USING: &str = " USING (id)";
const WHERE: &str = " WHERE ";
const ORDER: &str = " ORDER BY ";
const DESCENDING: &str = " DESC";
const CLOSE_CALL: &str = ")";

/// The program as source text.
pub(crate) fn source(query: &Query, style: Style) -> String {
    pieces(query, style).concat()
}

/// The program as an answer: in the fence that answers are taken from.
pub(crate) fn answer(query: &Query, style: Style) -> String {
    format!("{OPEN}{}{CLOSE}", source(query, style))
}

fn pieces(query: &Query, style: Style) -> Vec<String> {
    let predicates = query.filter.predicates();
    let mut pieces: Vec<String> =
        HEAD.iter().chain(READ.iter().take(predicates.len())).map(|text| (*text).to_owned()).collect();
    pieces.push(LOOP.to_owned());
    pieces.push(select(style).to_owned());
    match query.output {
        Output::Column(column) => pieces.push(column.name.to_owned()),
        Output::Transformed(column, transform) => {
            let (operator, constant) = operator(transform);
            pieces.extend([column.name.to_owned(), operator.to_owned(), constant.to_string()]);
        }
        Output::Count => pieces.push(COUNT.to_owned()),
        Output::Aggregate(aggregate, column) => {
            pieces.extend([function(aggregate).to_owned(), column.name.to_owned(), CLOSE_CALL.to_owned()]);
        }
    }
    pieces.extend([FROM.to_owned(), query.table.to_owned()]);
    if let Some(joined) = query.joined {
        pieces.extend([JOIN.to_owned(), joined.to_owned(), USING.to_owned()]);
    }
    pieces.push(WHERE.to_owned());
    let mut push = |predicate: &Predicate| {
        pieces.extend([predicate.column.name.to_owned(), condition(predicate.test, style, predicate.input)]);
    };
    push(&query.filter.first);
    if let Some((connective, second)) = query.filter.second {
        pieces.push(connective_text(connective).to_owned());
        pieces.extend([second.column.name.to_owned(), condition(second.test, style, second.input)]);
    }
    if let Some(order) = query.order {
        pieces.extend([ORDER.to_owned(), order.column.name.to_owned()]);
        if order.descending {
            pieces.push(DESCENDING.to_owned());
        }
    }
    let inputs: Vec<Input> = predicates.iter().map(|predicate| predicate.input).collect();
    pieces.push(end(style, &inputs));
    pieces
}

const COUNT: &str = "COUNT(*)";

fn select(style: Style) -> &'static str {
    match style {
        Style::Interpolated => "f\"SELECT ",
        _ => "\"SELECT ",
    }
}

fn function(aggregate: Aggregate) -> &'static str {
    match aggregate {
        Aggregate::Sum => "SUM(",
        Aggregate::Max => "MAX(",
        Aggregate::Min => "MIN(",
    }
}

fn operator(transform: Transform) -> (&'static str, i64) {
    match transform {
        Transform::Plus(constant) => (" + ", constant),
        Transform::Times(constant) => (" * ", constant),
    }
}

fn connective_text(connective: Connective) -> &'static str {
    match connective {
        Connective::And => " AND ",
        Connective::Or => " OR ",
    }
}

/// The part of a condition after the column.
fn condition(test: Test, style: Style, input: Input) -> String {
    let operator = match test {
        Test::Equals => "=",
        Test::StartsWith => "LIKE",
        Test::AtLeast => ">=",
        Test::AtMost => "<=",
    };
    let quoted = matches!(test, Test::Equals | Test::StartsWith);
    let hole = match style {
        Style::Bound => {
            let suffix = if test == Test::StartsWith { " || '%'" } else { "" };
            return format!(" {operator} ?{suffix}");
        }
        Style::Interpolated => format!("{{{}}}", input.variable()),
        Style::Concatenated => format!("\" + {} + \"", input.variable()),
        Style::Percent => "%s".to_owned(),
        Style::Formatted => "{}".to_owned(),
    };
    let wildcard = match (test, style) {
        (Test::StartsWith, Style::Percent) => "%%",
        (Test::StartsWith, _) => "%",
        _ => "",
    };
    let quote = if quoted { "'" } else { "" };
    format!(" {operator} {quote}{hole}{wildcard}{quote}")
}

/// The end of the statement and of the program.
fn end(style: Style, inputs: &[Input]) -> String {
    let names = inputs.iter().map(|input| input.variable()).collect::<Vec<_>>().join(", ");
    let tuple = if inputs.len() == 1 { format!("({names},)") } else { format!("({names})") };
    let close = match style {
        Style::Bound => format!("\", {tuple})"),
        Style::Interpolated | Style::Concatenated => "\")".to_owned(),
        Style::Percent => format!("\" % {tuple})"),
        Style::Formatted => format!("\".format({names}))"),
    };
    format!("{close}:\n    print(row[0])")
}

/// Every piece of code that answers are made of, schema words excepted.
pub(crate) fn vocabulary() -> Vec<String> {
    let fixed = [OPEN, CLOSE, LOOP, FROM, JOIN, USING, WHERE, ORDER, DESCENDING, CLOSE_CALL, COUNT];
    let mut all: Vec<String> = fixed.iter().chain(&HEAD).chain(&READ).map(|text| (*text).to_owned()).collect();
    all.extend(Aggregate::ALL.map(|aggregate| function(aggregate).to_owned()));
    all.extend([Transform::Plus(0), Transform::Times(0)].map(|transform| operator(transform).0.to_owned()));
    all.extend([Connective::And, Connective::Or].map(|connective| connective_text(connective).to_owned()));
    all.extend(CONSTANTS.map(|constant| constant.to_string()));
    for style in Style::ALL {
        all.push(select(style).to_owned());
        for input in Input::ALL {
            all.extend(Test::ALL.map(|test| condition(test, style, input)));
        }
        let [first, second] = Input::ALL;
        for inputs in [vec![first], vec![first, second], vec![second, first]] {
            all.push(end(style, &inputs));
        }
    }
    all
}
