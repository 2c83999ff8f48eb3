//! Small mistakes: a query that differs from another in one place.

use super::dice::Dice;
use super::evolve::CONSTANTS;
use super::query::{Aggregate, Column, Connective, Input, Kind, Output, Predicate, Query, Schema, Test, Transform};

/// A query that is wrong in one place, or the same where the drawn mistake does not apply to it.
pub(crate) fn mutant(dice: &mut Dice, schema: &Schema, query: &Query) -> Query {
    let mut wrong = query.clone();
    match dice.below(6) {
        0 => wrong.output = other_output(dice, schema, query),
        1 => wrong.filter.first = other_predicate(dice, schema, query, query.filter.first),
        2 => match query.filter.second {
            Some((connective, second)) => {
                wrong.filter.second = Some((connective, other_predicate(dice, schema, query, second)));
            }
            None => wrong.filter.first = other_predicate(dice, schema, query, query.filter.first),
        },
        3 => match query.filter.second {
            Some((Connective::And, second)) => wrong.filter.second = Some((Connective::Or, second)),
            Some((Connective::Or, second)) => wrong.filter.second = Some((Connective::And, second)),
            None => {}
        },
        4 => {
            if let Some(order) = &mut wrong.order {
                order.descending = !order.descending;
            }
        }
        _ => {
            if let Some((connective, second)) = query.filter.second {
                // The two lines of input swapped.
                wrong.filter.first = Predicate { input: Input::Second, ..query.filter.first };
                wrong.filter.second = Some((connective, Predicate { input: Input::First, ..second }));
            } else {
                wrong.order = None;
            }
        }
    }
    wrong
}

/// A query that differs from `query` for sure, if only in text.
pub(crate) fn certain_mutant(dice: &mut Dice, schema: &Schema, query: &Query) -> Query {
    loop {
        let wrong = mutant(dice, schema, query);
        if wrong != *query {
            return wrong;
        }
    }
}

fn readable(schema: &Schema, query: &Query, kind: Kind) -> Vec<Column> {
    schema.columns(if query.joined.is_some() { 2 } else { 1 }, kind)
}

fn other_output(dice: &mut Dice, schema: &Schema, query: &Query) -> Output {
    match query.output {
        Output::Column(column) => Output::Column(other_column(dice, schema, query, column)),
        Output::Transformed(column, transform) => match dice.below(3) {
            0 => Output::Column(column),
            1 => Output::Transformed(
                column,
                match transform {
                    Transform::Plus(constant) => Transform::Times(constant),
                    Transform::Times(constant) => Transform::Plus(constant),
                },
            ),
            _ => {
                let constant = dice.between(*CONSTANTS.start(), *CONSTANTS.end());
                Output::Transformed(
                    column,
                    match transform {
                        Transform::Plus(_) => Transform::Plus(constant),
                        Transform::Times(_) => Transform::Times(constant),
                    },
                )
            }
        },
        Output::Count => Output::Aggregate(Aggregate::Sum, dice.pick(&readable(schema, query, Kind::Integer))),
        Output::Aggregate(aggregate, column) => {
            if dice.percent(50) {
                let others: Vec<Aggregate> = Aggregate::ALL.into_iter().filter(|other| *other != aggregate).collect();
                Output::Aggregate(dice.pick(&others), column)
            } else {
                Output::Aggregate(aggregate, other_column(dice, schema, query, column))
            }
        }
    }
}

fn other_predicate(dice: &mut Dice, schema: &Schema, query: &Query, predicate: Predicate) -> Predicate {
    if dice.percent(50) {
        return Predicate { column: other_column(dice, schema, query, predicate.column), ..predicate };
    }
    let [one, other] = Test::of(predicate.column.kind);
    Predicate { test: if predicate.test == one { other } else { one }, ..predicate }
}

fn other_column(dice: &mut Dice, schema: &Schema, query: &Query, column: Column) -> Column {
    let others: Vec<Column> =
        readable(schema, query, column.kind).into_iter().filter(|other| *other != column).collect();
    if others.is_empty() { column } else { dice.pick(&others) }
}
