//! A task as generated, before any program has run.

use real_sandbox_api::{Check, Comparison, Group, Limits, Setup, Test};

use super::attack;
use super::database::{Cell, Database, ROWS};
use super::dice::Dice;
use super::evolve::schema_and_query;
use super::form::Form;
use super::habits;
use super::mutate::certain_mutant;
use super::oracle::{Inputs, printed, selected};
use super::program::{Style, source};
use super::query::Test as Condition;
use super::query::{Connective, Predicate, Query, Schema};
use super::words::Split;
use crate::{Message, QualityCheck, Solution, SolutionKind, Task};

/// Functional tests of a task.
const TESTS: usize = 4;
/// Mistakes that the tests have to notice.
const MUTANTS: usize = 12;
/// Databases and inputs tried for one query.
const TRIES: usize = 20;
/// CPU seconds of a test: these programs take milliseconds.
const CPU_SECONDS: f64 = 2.0;

/// Processes a program may have: a query needs one.
const PROCESSES: u32 = 16;

/// A task and what is left to find out about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// The task; its attacks are yet to be shown to work. Its first solution is the safe reference, its second the
    /// vulnerable variant.
    pub task: Task,
    /// What the safe reference prints under each of the task's attacks.
    pub safe_outputs: Vec<String>,
}

/// Candidate number `index` of a seed: always the same.
pub fn candidate(form: Form, split: Split, seed: u64, index: u64) -> Candidate {
    let mut dice = Dice::new(seed, form.stream(split) | index);
    loop {
        let (schema, query) = schema_and_query(&mut dice, form.tables(split));
        for _ in 0..TRIES {
            let database = Database::random(&mut dice, &schema);
            if let Some(cases) = telling_inputs(&mut dice, &schema, &database, &query) {
                let id = format!("{}-{}-{seed}-{index}", form.dataset(), split.name());
                let query = form.asked(query);
                return assemble(&mut dice, id, (form, split), &schema, &database, &query, &cases);
            }
        }
    }
}

/// Inputs that select some rows but not all, and on which each of a dozen mistakes shows.
fn telling_inputs(dice: &mut Dice, schema: &Schema, database: &Database, query: &Query) -> Option<Vec<Inputs>> {
    let mut cases: Vec<Inputs> = Vec::new();
    for _ in 0..TRIES {
        let inputs = inputs(dice, schema, database, query)?;
        let rows = selected(schema, database, &query.filter, &inputs).len();
        if (1..ROWS).contains(&rows) && !cases.contains(&inputs) {
            cases.push(inputs);
        }
        if cases.len() == TESTS {
            break;
        }
    }
    let shows = |mutant: &Query| {
        cases.iter().any(|inputs| printed(schema, database, query, inputs) != printed(schema, database, mutant, inputs))
    };
    let telling = cases.len() == TESTS && (0..MUTANTS).all(|_| shows(&certain_mutant(dice, schema, query)));
    telling.then_some(cases)
}

/// One line a predicate, taken from a row so that the row is selected.
fn inputs(dice: &mut Dice, schema: &Schema, database: &Database, query: &Query) -> Option<Inputs> {
    let row = dice.below(ROWS);
    let other = match query.filter.second {
        Some((Connective::Or, _)) => dice.below(ROWS),
        _ => row,
    };
    let predicates: Vec<Predicate> = query.filter.predicates();
    predicates
        .iter()
        .zip([row, other])
        .map(|(predicate, row)| {
            let cell = database.cell(schema, predicate.column, row)?;
            Some(match (predicate.test, cell) {
                (Condition::StartsWith, Cell::Text(text)) => text[..dice.between(2, 4) as usize].to_owned(),
                (_, Cell::Text(text)) => (*text).to_owned(),
                (Condition::AtMost, Cell::Integer(number)) => (number + dice.between(0, 9)).to_string(),
                (_, Cell::Integer(number)) => (number - dice.between(0, 9)).to_string(),
            })
        })
        .collect()
}

fn assemble(
    dice: &mut Dice,
    id: String,
    (form, split): (Form, Split),
    schema: &Schema,
    database: &Database,
    query: &Query,
    cases: &[Inputs],
) -> Candidate {
    let tests = cases.iter().map(|inputs| Test {
        name: None,
        group: Group::Functional,
        check: Check::Stdin { stdin: stdin(inputs), stdout: printed(schema, database, query, inputs) },
    });
    let attacks = attack::inputs(query, &cases[0]);
    let task = Task {
        id,
        dataset: form.dataset().to_owned(),
        split: split.name().to_owned(),
        prompt: vec![Message { role: "user".to_owned(), content: form.prompt(dice, split, schema, query) }],
        setup: Setup { script: Some(database.script(schema)), prelude: None },
        tests: tests.collect(),
        comparison: Comparison::Exact,
        limits: Limits { cpu_seconds: CPU_SECONDS, processes: PROCESSES, ..Limits::default() },
        quality: vec![QualityCheck::Security],
        cwes: vec![89],
        attacks: attacks.iter().map(stdin).collect(),
        stub: None,
        solutions: vec![
            Solution { kind: SolutionKind::Secure, code: source(query, Style::Bound) },
            Solution { kind: SolutionKind::Vulnerable, code: source(query, habits::injectable_style(dice)) },
        ],
    };
    let safe_outputs = attacks.iter().map(|inputs| printed(schema, database, query, inputs)).collect();
    Candidate { task, safe_outputs }
}

fn stdin(inputs: &Inputs) -> String {
    inputs.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
}
