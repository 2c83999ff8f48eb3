//! Sinks that an attacker's value reaches.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::calls::Arguments;
use super::origins::OriginTable;
use super::solver::Solved;
use super::trace::Tracer;
use super::transfer::fact;
use super::value::{Key, Value};
use crate::budget::Expired;
use crate::rules::{Part, Sink};
use crate::ssa::{Argument, BinaryOp, Function, FunctionId, Op, Passing, ValueId, origin};
use crate::syntax::Positions;
use crate::text::Origins;
use real_detector_api::Finding;

/// All findings, by position then rule. `wanted` says of a CWE number whether it is asked for.
///
/// # Errors
/// [`Expired`] where the budget's time is over first.
pub fn find(
    solved: &Solved<'_>,
    positions: &Positions<'_>,
    wanted: &dyn Fn(u32) -> bool,
) -> Result<Vec<Finding>, Expired> {
    let mut tracer: Option<Tracer<'_, '_>> = None;
    // What a sink makes of a value is the same wherever the same value goes.
    let mut dangers: FxHashMap<(ValueId, *const Sink), Origins> = FxHashMap::default();
    let mut found: BTreeMap<(u32, u32, String), Finding> = BTreeMap::new();
    for (index, solution) in solved.solutions.iter().enumerate() {
        let Some(solution) = solution else { continue };
        let id = FunctionId(index as u32);
        let function = solved.program.function(id);
        dangers.clear();
        for (i, instruction) in function.values.iter().enumerate() {
            let Op::Call { callee, arguments } = &instruction.op else { continue };
            if !solution.reached[instruction.block.0 as usize] {
                continue;
            }
            solved.budget.check()?;
            for path in fact(&solution.facts, *callee).paths() {
                for sink in solved.registry.sinks(path) {
                    let rule = &solved.registry.rules[sink.rule];
                    if !wanted(rule.cwe) || !holds(sink, arguments, &solution.facts) {
                        continue;
                    }
                    for argument in arguments.iter().enumerate().filter(|one| is_meant(sink, one.0, one.1)) {
                        let value = argument.1.value;
                        let origins = *dangers
                            .entry((value, std::ptr::from_ref(sink)))
                            .or_insert_with(|| danger(sink, fact(&solution.facts, value), solved));
                        let chosen = sink.part == Part::FirstItem && names_program(function, value);
                        if origins.is_none() || chosen && OriginTable::are_parameters(origins) {
                            continue;
                        }
                        let call = ValueId(i as u32);
                        let at = positions.at(instruction.span.start as usize);
                        let key = (at.line, at.column, rule.id.clone());
                        let tracer = tracer.get_or_insert_with(|| Tracer::new(solved, positions));
                        found.entry(key).or_insert_with(|| Finding {
                            cwe: rule.cwe,
                            rule: rule.id.clone(),
                            line: at.line,
                            column: at.column,
                            message: rule.message.clone(),
                            trace: tracer.trace((id, value), (id, call), origins),
                        });
                    }
                }
            }
        }
    }
    Ok(found.into_values().collect())
}

fn holds(sink: &Sink, arguments: &[Argument], facts: &[Value]) -> bool {
    if let Some(unless) = &sink.unless {
        let arguments = Arguments::new(arguments, facts);
        let named = || unless.names.iter().find_map(|name| arguments.keyword(name));
        let given = arguments.positional(unless.at).or_else(named);
        if given.is_some_and(|value| {
            value.paths().next().is_some() && value.paths().all(|path| unless.values.iter().any(|own| **own == **path))
        }) {
            return false;
        }
    }
    sink.condition.iter().all(|(name, wanted)| {
        let given = arguments.iter().find(|one| matches!(&one.passing, Passing::Keyword(own) if **own == **name));
        match given {
            // An absent keyword is false.
            None => !wanted,
            Some(given) => {
                let (may_hold, may_fail) = fact(facts, given.value).truth();
                if *wanted { may_hold } else { may_fail }
            }
        }
    })
}

fn is_meant(sink: &Sink, index: usize, argument: &Argument) -> bool {
    match &argument.passing {
        Passing::Positional => sink.argument.at.is_none_or(|at| at == index),
        Passing::Keyword(name) => sink.argument.names.iter().any(|own| **own == **name),
        Passing::Star | Passing::DoubleStar => sink.argument.at.is_none_or(|at| at >= index),
    }
}

/// Whether the first item of a list is a parameter as it stands: whoever calls `run(program, arguments)` is to choose the
/// program. What is cut out of a text, or comes from a user, is another matter.
fn names_program(function: &Function, list: ValueId) -> bool {
    let mut at = origin(&function.values, list);
    loop {
        at = match function.op(at) {
            Op::Binary(BinaryOp::Add, left, _) => *left,
            Op::Mutated(container, _) => *container,
            Op::Display(_, items) => match items.first() {
                Some((first, false)) => {
                    let first = origin(&function.values, *first);
                    return matches!(function.op(first), Op::Parameter(_));
                }
                _ => return false,
            },
            _ => return false,
        };
        at = origin(&function.values, at);
    }
}

/// Who can change what the sink does through an argument.
fn danger(sink: &Sink, value: &Value, solved: &Solved<'_>) -> Origins {
    if value.origins().is_none() && value.items.is_none() {
        return Origins::NONE;
    }
    let text = match (sink.part, &value.items) {
        (Part::Text, _) => value.to_text(),
        (Part::FirstItem | Part::AfterDashC, None) => {
            // A text as a list is split by nobody: it is the program's name.
            if sink.part == Part::FirstItem { value.to_text() } else { return Origins::NONE }
        }
        (Part::FirstItem, Some(_)) => value.lookup(Some(&Key::Index(0))).to_text(),
        (Part::AfterDashC, Some(items)) => {
            let flag = items.known.iter().find(|(_, one)| matches!(one.text.as_literal(), Some("-c" | "/c")));
            match flag {
                Some((Key::Index(at), _)) => value.lookup(Some(&Key::Index(at + 1))).to_text(),
                _ => return Origins::NONE,
            }
        }
    };
    let Some(language) = sink.language else {
        return if value.is_number() { Origins::NONE } else { text.origins() };
    };
    let languages = &solved.registry.languages;
    text.templates()
        .iter()
        .filter_map(|template| languages.injection(template, language))
        .fold(Origins::NONE, |all, hole| all.union(hole.origins))
}
