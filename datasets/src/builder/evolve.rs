//! From a seed program to a task's query, step by step.

use super::dice::Dice;
use super::query::{
    Aggregate, Column, Connective, Filter, Input, Kind, Order, Output, Predicate, Query, Schema, Table, Test, Transform,
};
use super::words::TableWords;

/// Constants of numeric transforms: each is a token of the quickstart's tokenizer.
pub(crate) const CONSTANTS: std::ops::RangeInclusive<i64> = 2..=40;

/// One way to make a program harder.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A predicate on another column, with a second line of input.
    SecondPredicate,
    /// An aggregate in place of the rows.
    Aggregate,
    /// A constant added to or multiplied with an integer column.
    Transform,
    /// A second table.
    Join,
    /// An order by an integer column.
    Order,
}

/// Steps in the order they are tried, with the percentage of programs that take them.
const STEPS: [(Step, usize); 5] =
    [(Step::Join, 15), (Step::SecondPredicate, 55), (Step::Aggregate, 25), (Step::Transform, 30), (Step::Order, 60)];

/// A random schema of these tables and a query over it.
pub(crate) fn schema_and_query(dice: &mut Dice, tables: &[TableWords]) -> (Schema, Query) {
    let mut schema = schema(dice, tables);
    let mut query = seed(dice, &schema);
    for (step, percent) in STEPS {
        if dice.percent(percent) {
            evolve(dice, &schema, &mut query, step);
        }
    }
    if query.joined.is_none() {
        schema.tables.truncate(1);
    }
    (schema, query)
}

fn schema(dice: &mut Dice, tables: &[TableWords]) -> Schema {
    let choices: Vec<&TableWords> = tables.iter().collect();
    let mut taken: Vec<&str> = Vec::new();
    let mut chosen = Vec::new();
    for table in dice.sample(&choices, 2) {
        let mut columns = Vec::new();
        let texts = if dice.percent(50) { 2 } else { 3 };
        for (words, kind, count) in [(&table.text, Kind::Text, texts), (&table.integer, Kind::Integer, 2)] {
            let mut free = words.clone();
            free.retain(|word| !taken.contains(word));
            columns.extend(dice.sample(&free, count).into_iter().map(|name| Column { name, kind }));
        }
        taken.extend(columns.iter().map(|column| column.name));
        chosen.push(Table { name: table.name, columns });
    }
    Schema { tables: chosen }
}

/// The seed program: print one column of the rows of one table that one line of input selects.
fn seed(dice: &mut Dice, schema: &Schema) -> Query {
    let table = &schema.tables[0];
    let output = dice.pick(&table.columns);
    let others: Vec<Column> = table.columns.iter().copied().filter(|column| *column != output).collect();
    Query {
        table: table.name,
        joined: None,
        output: Output::Column(output),
        filter: Filter { first: predicate(dice, &others, Input::First), second: None },
        order: None,
    }
}

fn predicate(dice: &mut Dice, columns: &[Column], input: Input) -> Predicate {
    let column = dice.pick(columns);
    Predicate { column, test: dice.pick(&Test::of(column.kind)), input }
}

fn evolve(dice: &mut Dice, schema: &Schema, query: &mut Query, step: Step) {
    let tables = if query.joined.is_some() { 2 } else { 1 };
    let integers = schema.columns(tables, Kind::Integer);
    match step {
        Step::Join => {
            let Some(other) = schema.tables.get(1) else { return };
            if other.columns.is_empty() {
                return;
            }
            query.joined = Some(other.name);
            // A join is only worth its name if the other table's columns are used.
            query.filter.first = predicate(dice, &other.columns, Input::First);
        }
        Step::SecondPredicate => {
            let mut free = [schema.columns(tables, Kind::Text), integers].concat();
            free.retain(|column| *column != query.filter.first.column);
            let connective = if dice.percent(60) { Connective::And } else { Connective::Or };
            query.filter.second = Some((connective, predicate(dice, &free, Input::Second)));
        }
        Step::Aggregate => {
            let column = dice.pick(&integers);
            query.output =
                if dice.percent(25) { Output::Count } else { Output::Aggregate(dice.pick(&Aggregate::ALL), column) };
        }
        Step::Transform => {
            if let Output::Column(column) = query.output
                && column.kind == Kind::Integer
            {
                let constant = dice.between(*CONSTANTS.start(), *CONSTANTS.end());
                let transform = if dice.percent(50) { Transform::Plus(constant) } else { Transform::Times(constant) };
                query.output = Output::Transformed(column, transform);
            }
        }
        Step::Order => {
            if matches!(query.output, Output::Column(_) | Output::Transformed(..)) {
                query.order = Some(Order { column: dice.pick(&integers), descending: dice.percent(50) });
            }
        }
    }
}
