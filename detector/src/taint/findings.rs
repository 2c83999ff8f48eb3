//! Sinks that an attacker's value reaches.

use std::collections::BTreeMap;

use super::calls::Arguments;
use super::open;
use super::solver::Solved;
use super::trace::trace;
use super::transfer::fact;
use super::value::{Key, Value};
use crate::rules::{Condition, Part, Sink};
use crate::ssa::{Argument, BinaryOp, Function, FunctionId, Op, Passing, ValueId, origin};
use crate::syntax::Positions;
use crate::text::{Origins, Part as TextPart, Template};
use real_detector_api::{Finding, OriginKind};

/// All findings, by position then rule. `wanted` says of a CWE number whether it is asked for, `counts` of an origin.
pub fn find(
    solved: &Solved<'_>,
    positions: &Positions<'_>,
    wanted: &dyn Fn(u32) -> bool,
    counts: &dyn Fn(OriginKind) -> bool,
) -> Vec<Finding> {
    let mut found: BTreeMap<(u32, u32, String), Finding> = BTreeMap::new();
    for (index, solution) in solved.solutions.iter().enumerate() {
        let Some(solution) = solution else { continue };
        let id = FunctionId(index as u32);
        let function = solved.program.function(id);
        for (i, instruction) in function.values.iter().enumerate() {
            let Op::Call { callee, arguments } = &instruction.op else { continue };
            if !solution.reached[instruction.block.0 as usize] {
                continue;
            }
            let mut reached: Vec<(usize, ValueId, Origins)> = vec![];
            for path in fact(&solution.facts, *callee).paths() {
                for sink in solved.registry.sinks(path) {
                    if !holds(sink, arguments, &solution.facts) {
                        continue;
                    }
                    for argument in arguments.iter().enumerate().filter(|one| is_meant(sink, one.0, one.1)) {
                        let value = argument.1.value;
                        let only_executes = executes(sink, arguments, function, value);
                        let origins = danger(sink, fact(&solution.facts, value), solved, only_executes);
                        let chosen = sink.part == Part::FirstItem && names_program(function, value);
                        if !chosen || !solved.are_parameters(origins) {
                            reached.push((sink.rule, value, origins));
                        }
                    }
                }
            }
            reached.extend(open::handed_on(solved, solution, *callee, arguments));
            reached.extend(open::leaving(solved, solution, function, *callee, arguments));
            for (rule, value, origins) in reached {
                let (rule, kinds) = (&solved.registry.rules[rule], solved.kinds(origins));
                if !wanted(rule.cwe) || !kinds.iter().any(|kind| counts(*kind)) {
                    continue;
                }
                let call = ValueId(i as u32);
                let at = positions.at(instruction.span.start as usize);
                let key = (at.line, at.column, rule.id.clone());
                found.entry(key).or_insert_with(|| Finding {
                    cwe: rule.cwe,
                    rule: rule.id.clone(),
                    line: at.line,
                    column: at.column,
                    message: rule.message.clone(),
                    trace: trace(solved, positions, (id, value), (id, call), origins),
                    origins: kinds.into_iter().collect(),
                });
            }
        }
    }
    found.into_values().collect()
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
    are_met(&sink.condition, arguments, facts)
}

/// Whether keyword arguments may have these truth values.
pub(super) fn are_met(condition: &Condition, arguments: &[Argument], facts: &[Value]) -> bool {
    condition.iter().all(|(name, wanted)| {
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

/// Whether a statement is a parameter as it stands, with the values that are bound to it beside it.
fn executes(sink: &Sink, arguments: &[Argument], function: &Function, value: ValueId) -> bool {
    let Some(bound) = &sink.executor else { return false };
    let at = |(index, argument): (usize, &Argument)| match &argument.passing {
        Passing::Positional | Passing::Star => bound.at.is_some_and(|at| at <= index),
        Passing::Keyword(name) => bound.names.iter().any(|own| **own == **name),
        Passing::DoubleStar => false,
    };
    arguments.iter().enumerate().any(at) && matches!(function.op(origin(&function.values, value)), Op::Parameter(_))
}

/// Who can change what the sink does through an argument. What only executes is given whole statements by its callers.
pub(super) fn danger(sink: &Sink, value: &Value, solved: &Solved<'_>, only_executes: bool) -> Origins {
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
        .filter(|template| !only_executes || !is_callers_own(template, solved))
        .filter_map(|template| languages.injection(&languages.with_known_structure(template, language), language))
        .fold(Origins::NONE, |all, hole| all.union(hole.origins))
}

/// Whether a text is one that a caller gave, whole.
fn is_callers_own(template: &Template, solved: &Solved<'_>) -> bool {
    match template.0.as_slice() {
        [TextPart::Hole(hole)] => solved.are_parameters(hole.origins),
        _ => false,
    }
}
