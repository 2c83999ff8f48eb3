//! Prompts for a query, in two phrasings.

use super::query::{Aggregate, Connective, Input, Output, Predicate, Query, Test, Transform};

/// How a task is worded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phrasing {
    /// What to print first, then from where.
    OutputFirst,
    /// Where to look first, then what to print.
    TableFirst,
}

impl Phrasing {
    pub(crate) const ALL: [Self; 2] = [Self::OutputFirst, Self::TableFirst];
}

/// The task's description.
pub(crate) fn prompt(query: &Query, phrasing: Phrasing) -> String {
    let mut text = Vec::new();
    match phrasing {
        Phrasing::OutputFirst => {
            text.push("Print ".to_owned());
            output(query, &mut text);
            text.push(" of ".to_owned());
            tables(query, &mut text);
            text.push(" where ".to_owned());
            filter(query, phrasing, &mut text);
            order(query, phrasing, &mut text);
        }
        Phrasing::TableFirst => {
            text.push("In ".to_owned());
            tables(query, &mut text);
            text.push(" find rows whose ".to_owned());
            filter(query, phrasing, &mut text);
            order(query, phrasing, &mut text);
            text.push(" and show ".to_owned());
            output(query, &mut text);
        }
    }
    text.push(".".to_owned());
    text.concat()
}

fn tables(query: &Query, text: &mut Vec<String>) {
    text.push(query.table.to_owned());
    if let Some(joined) = query.joined {
        text.extend([JOINED.to_owned(), joined.to_owned(), BY_ID.to_owned()]);
    }
}

const JOINED: &str = " joined with ";
const BY_ID: &str = " by id";
const COUNT: &str = "the number of rows";

fn output(query: &Query, text: &mut Vec<String>) {
    match query.output {
        Output::Column(column) => text.push(column.name.to_owned()),
        Output::Transformed(column, transform) => {
            let (word, constant) = match transform {
                Transform::Plus(constant) => (PLUS, constant),
                Transform::Times(constant) => (TIMES, constant),
            };
            text.extend([column.name.to_owned(), word.to_owned(), constant.to_string()]);
        }
        Output::Count => text.push(COUNT.to_owned()),
        Output::Aggregate(kind, column) => text.extend([aggregate(kind).to_owned(), column.name.to_owned()]),
    }
}

const PLUS: &str = " plus ";
const TIMES: &str = " times ";

fn aggregate(aggregate: Aggregate) -> &'static str {
    match aggregate {
        Aggregate::Sum => "the sum of ",
        Aggregate::Max => "the largest ",
        Aggregate::Min => "the smallest ",
    }
}

fn filter(query: &Query, phrasing: Phrasing, text: &mut Vec<String>) {
    let mut push = |predicate: &Predicate| {
        text.push(predicate.column.name.to_owned());
        text.push(test(predicate.test, phrasing).to_owned());
        text.push(input(predicate.input, phrasing).to_owned());
    };
    push(&query.filter.first);
    if let Some((connective, second)) = query.filter.second {
        text.push(connective_text(connective).to_owned());
        text.push(second.column.name.to_owned());
        text.push(test(second.test, phrasing).to_owned());
        text.push(input(second.input, phrasing).to_owned());
    }
}

fn connective_text(connective: Connective) -> &'static str {
    match connective {
        Connective::And => " and ",
        Connective::Or => " or ",
    }
}

fn test(test: Test, phrasing: Phrasing) -> &'static str {
    match (test, phrasing) {
        (Test::Equals, Phrasing::OutputFirst) => " is ",
        (Test::Equals, Phrasing::TableFirst) => " equals ",
        (Test::StartsWith, Phrasing::OutputFirst) => " starts with ",
        (Test::StartsWith, Phrasing::TableFirst) => " begins with ",
        (Test::AtLeast, Phrasing::OutputFirst) => " is at least ",
        (Test::AtLeast, Phrasing::TableFirst) => " is no less than ",
        (Test::AtMost, Phrasing::OutputFirst) => " is at most ",
        (Test::AtMost, Phrasing::TableFirst) => " is no more than ",
    }
}

fn input(input: Input, phrasing: Phrasing) -> &'static str {
    match (input, phrasing) {
        (Input::First, Phrasing::OutputFirst) => "the first input",
        (Input::Second, Phrasing::OutputFirst) => "the second input",
        (Input::First, Phrasing::TableFirst) => "input one",
        (Input::Second, Phrasing::TableFirst) => "input two",
    }
}

fn order(query: &Query, phrasing: Phrasing, text: &mut Vec<String>) {
    let Some(order) = query.order else { return };
    let (before, after) = order_text(order.descending, phrasing);
    text.extend([before.to_owned(), order.column.name.to_owned(), after.to_owned()]);
}

fn order_text(descending: bool, phrasing: Phrasing) -> (&'static str, &'static str) {
    match (phrasing, descending) {
        (Phrasing::OutputFirst, false) => (", sorted by ", " ascending"),
        (Phrasing::OutputFirst, true) => (", sorted by ", " descending"),
        (Phrasing::TableFirst, false) => (", order them by ", " from low to high"),
        (Phrasing::TableFirst, true) => (", order them by ", " from high to low"),
    }
}

/// Every piece of text that prompts are made of, schema words and numbers excepted.
pub(crate) fn vocabulary() -> Vec<String> {
    let fixed =
        ["Print ", " of ", " where ", "In ", " find rows whose ", " and show ", ".", JOINED, BY_ID, COUNT, PLUS, TIMES];
    let mut all: Vec<&str> = fixed.to_vec();
    all.extend(Aggregate::ALL.map(aggregate));
    all.extend([Connective::And, Connective::Or].map(connective_text));
    for phrasing in Phrasing::ALL {
        all.extend(Test::ALL.map(|kind| test(kind, phrasing)));
        all.extend(Input::ALL.map(|line| input(line, phrasing)));
        for descending in [false, true] {
            let (before, after) = order_text(descending, phrasing);
            all.extend([before, after]);
        }
    }
    all.into_iter().map(str::to_owned).collect()
}
