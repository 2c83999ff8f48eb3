//! The full form: a task that says everything there is to know.

mod tables;
mod wordings;

pub(super) use tables::tables;
pub(super) use wordings::wordings;

use wordings::Wording;

use super::query::{
    Aggregate, Column, Connective, Input, Kind, Order, Output, Predicate, Query, Schema, Table, Test, Transform,
};

/// The column that rows without another order come by. The oracle knows no value of it, and keeps rows as they are.
const ID: Column = Column { name: "id", kind: Kind::Integer };

/// The query with an order, where it prints rows.
pub(super) fn in_order(mut query: Query) -> Query {
    if matches!(query.output, Output::Column(_) | Output::Transformed(..)) {
        query.order.get_or_insert(Order { column: ID, descending: false });
    }
    query
}

/// The task's description.
pub(super) fn prompt(wording: &Wording, schema: &Schema, query: &Query) -> String {
    let read = schema.tables.iter().filter(|table| table.name == query.table || Some(table.name) == query.joined);
    let mut sentences = vec![wording.task.to_owned()];
    sentences.extend(read.map(|table| described(wording, table)));
    sentences.extend(query.joined.map(|joined| fill(wording.joined, &[("table", query.table), ("joined", joined)])));
    sentences.push(wording.inputs[query.filter.predicates().len() - 1].to_owned());
    sentences.push(request(wording, query));
    if let Some(order) = query.order {
        sentences.push(fill(wording.orders[usize::from(order.descending)], &[("column", order.column.name)]));
    }
    if matches!(query.output, Output::Aggregate(..)) {
        sentences.push(wording.nothing.to_owned());
    }
    let single = matches!(query.output, Output::Count | Output::Aggregate(..));
    sentences.push(wording.output[usize::from(single)].to_owned());
    sentences.join(" ")
}

fn described(wording: &Wording, table: &Table) -> String {
    let column = |column: &Column| {
        let form = if column.kind == Kind::Text { wording.text } else { wording.integer };
        fill(form, &[("column", column.name)])
    };
    let columns: Vec<String> = table.columns.iter().map(column).collect();
    fill(wording.table, &[("table", table.name), ("columns", &columns.join(", "))])
}

fn request(wording: &Wording, query: &Query) -> String {
    let mut filter = condition(wording, &query.filter.first);
    if let Some((connective, second)) = query.filter.second {
        filter += wording.connectives[usize::from(connective == Connective::Or)];
        filter += &condition(wording, &second);
    }
    let common = [("table", query.table), ("filter", filter.as_str())];
    match query.output {
        Output::Column(column) => fill(wording.rows, &[&common[..], &[("output", column.name)]].concat()),
        Output::Transformed(column, transform) => {
            let (form, number) = match transform {
                Transform::Plus(number) => (wording.transforms[0], number),
                Transform::Times(number) => (wording.transforms[1], number),
            };
            let output = fill(form, &[("column", column.name), ("number", &number.to_string())]);
            fill(wording.rows, &[&common[..], &[("output", &output)]].concat())
        }
        Output::Count => fill(wording.count, &common),
        Output::Aggregate(kind, column) => {
            let aggregate = match kind {
                Aggregate::Sum => wording.aggregates[0],
                Aggregate::Max => wording.aggregates[1],
                Aggregate::Min => wording.aggregates[2],
            };
            fill(wording.aggregate, &[&common[..], &[("aggregate", aggregate), ("column", column.name)]].concat())
        }
    }
}

fn condition(wording: &Wording, predicate: &Predicate) -> String {
    let form = match predicate.test {
        Test::Equals => wording.tests[0],
        Test::StartsWith => wording.tests[1],
        Test::AtLeast => wording.tests[2],
        Test::AtMost => wording.tests[3],
    };
    let value = match predicate.input {
        Input::First => wording.values[0],
        Input::Second => wording.values[1],
    };
    fill(form, &[("column", predicate.column.name), ("value", value)])
}

fn fill(form: &str, values: &[(&str, &str)]) -> String {
    values.iter().fold(form.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::builder::candidate::candidate;
    use crate::builder::form::Form;
    use crate::builder::words::Split;
    use crate::{SolutionKind, Task};

    const MANY: u64 = 300;

    fn tasks(split: Split) -> Vec<Task> {
        (0..MANY).map(|index| candidate(Form::Full, split, 7, index).task).collect()
    }

    /// Sentences without names of tables and columns, and without numbers.
    fn shapes(split: Split) -> HashSet<String> {
        let mut names: Vec<&str> = [Split::Train, Split::Eval]
            .into_iter()
            .flat_map(tables)
            .flat_map(|table| [&[table.name][..], &table.text, &table.integer].concat())
            .collect();
        names.push("id");
        let masked = |sentence: &str| {
            let words = sentence
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .map(|word| if names.contains(&word) || word.parse::<i64>().is_ok() { "*" } else { word });
            words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
        };
        let text = |task: &Task| task.prompt[0].content.clone();
        tasks(split).iter().flat_map(|task| text(task).split(". ").map(masked).collect::<Vec<_>>()).collect()
    }

    #[test]
    fn no_sentence_of_evaluation_has_a_shape_that_training_has() {
        let (train, eval) = (shapes(Split::Train), shapes(Split::Eval));
        assert!(train.len() > 100 && eval.len() > 60, "{} {}", train.len(), eval.len());
        assert_eq!(train.intersection(&eval).collect::<Vec<_>>(), Vec::<&String>::new());
    }

    #[test]
    fn a_prompt_says_all_that_its_tests_depend_on() {
        for split in [Split::Train, Split::Eval] {
            for task in tasks(split) {
                let text = &task.prompt[0].content;
                assert!(
                    ["Python", "SQLite", "sqlite3", "data.db", "id"].iter().all(|word| text.contains(word)),
                    "{text}"
                );
                assert!(!text.contains(['{', '}']), "{text}");
                let secure = task.solutions.iter().find(|solution| solution.kind == SolutionKind::Secure).unwrap();
                let one_row = secure.code.contains("COUNT(")
                    || secure.code.contains("SUM(")
                    || secure.code.contains("MAX(")
                    || secure.code.contains("MIN(");
                // Rows have an order, which prompt and program both name.
                match secure.code.split_once(" ORDER BY ") {
                    Some((_, order)) => {
                        let column = order.split(['"', ' ']).next().unwrap();
                        assert!(
                            text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == column),
                            "{column}: {text}"
                        );
                    }
                    None => assert!(one_row, "no order: {}", secure.code),
                }
                // Every column of the query is described.
                let script = task.setup.script.as_deref().unwrap();
                for create in script.split("CREATE TABLE ").skip(1) {
                    let columns = create.split_once(')').unwrap().0.split(", ").skip(1);
                    assert!(
                        columns.map(|column| column.split(' ').next().unwrap()).all(|column| text.contains(column)),
                        "{text}"
                    );
                }
            }
        }
    }

    #[test]
    fn splits_share_neither_ids_nor_tables() {
        let ids = |split| tasks(split).into_iter().map(|task| task.id).collect::<HashSet<_>>();
        assert!(ids(Split::Train).is_disjoint(&ids(Split::Eval)) && ids(Split::Train).len() == MANY as usize);
        let names = |split| tables(split).iter().map(|table| table.name).collect::<HashSet<_>>();
        assert!(names(Split::Train).is_disjoint(&names(Split::Eval)));
    }
}
