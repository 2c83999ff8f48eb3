//! Sinks that an attacker's value reaches.

use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::breach::Report;
use super::open;
use super::sinks::{are_met, danger, done, is_meant_from};
use crate::rules::{Guarding, Part, Sink};
use crate::ssa::{Argument, BinaryOp, Function, FunctionId, Op, Passing, Program, ValueId, origin};
use crate::taint::domain::{Items, Key, Object, Value};
use crate::taint::frame::{Arguments, Scope, fact};
use crate::taint::store::OriginTable;
use crate::text::Origins;

/// Values of an attacker that reach the argument of a call.
pub(super) fn check(report: &mut Report<'_, '_>) {
    let solved = report.solved;
    // What a sink makes of a value is the same wherever the same value goes.
    let mut dangers: FxHashMap<(ValueId, *const Sink, bool), Origins> = FxHashMap::default();
    for (index, solution) in solved.solutions.iter().enumerate() {
        let Some(solution) = solution else { continue };
        let id = FunctionId(index as u32);
        let function = solved.program.function(id);
        dangers.clear();
        let Some(scope) = Scope::new(solved, id) else { continue };
        for (i, instruction) in function.values.iter().enumerate() {
            let Some((receiver, paths, arguments)) = done(&instruction.op, &solution.facts, function, solved.program)
            else {
                continue;
            };
            let arguments = &*arguments;
            // `functools.partial(run, shell=True)`
            let bound = match &instruction.op {
                Op::Call { callee, .. } => fact(&solution.facts, *callee).items.as_deref(),
                _ => None,
            };
            if !solution.reached[instruction.block.0 as usize] {
                continue;
            }
            if solved.budget.is_expired() {
                return;
            }
            for path in &paths {
                for sink in solved.registry.sinks(path) {
                    if !report.wants(sink.rule) || !holds(sink, arguments, &solution.facts, bound, solved.program) {
                        continue;
                    }
                    let given = arguments.iter().enumerate().filter(|one| is_meant(sink, one.0, one.1));
                    let of_receiver = receiver.filter(|_| sink.argument.receiver);
                    for mut value in given.map(|one| one.1.value).chain(of_receiver) {
                        if sink.part == Part::LookedUp {
                            value = scope.name_of(value, instruction.block);
                        }
                        let only_executes = executes(sink, arguments, function, value);
                        let origins = *dangers
                            .entry((value, std::ptr::from_ref(sink), only_executes))
                            .or_insert_with(|| danger(sink, fact(&solution.facts, value), solved, only_executes));
                        let chosen = sink.part == Part::FirstItem && names_program(function, value);
                        if origins.is_none()
                            || is_harmless(sink, function, &solution.facts, value)
                            || chosen && OriginTable::are_parameters(origins)
                        {
                            continue;
                        }
                        let cleared = |guarding: Guarding| scope.is_cleared(guarding, value, instruction.block);
                        if is_meant_from(sink, (id, value), origins, solved) && !sink.cleared_by.is_some_and(cleared) {
                            report.add((sink.rule, None), (id, ValueId(i as u32)), Some((value, origins)));
                        }
                    }
                }
            }
            let Op::Call { callee, arguments } = &instruction.op else { continue };
            let mut reached = open::handed_on(solved, (id, solution), *callee, arguments);
            reached.extend(open::leaving(solved, solution, function, *callee, arguments));
            for (rule, value, origins) in reached {
                if !origins.is_none() && report.wants(rule) {
                    report.add((rule, None), (id, ValueId(i as u32)), Some((value, origins)));
                }
            }
        }
    }
}

fn holds(sink: &Sink, arguments: &[Argument], facts: &[Value], bound: Option<&Items>, program: &Program) -> bool {
    if let Some(alongside) = &sink.alongside {
        let given = Arguments::new(arguments, facts);
        let has = |template: &crate::text::Template| {
            template.0.iter().any(|part| match part {
                crate::text::Part::Literal(text) => alongside.has.iter().any(|own| text.contains(own.as_str())),
                crate::text::Part::Hole(_) => false,
            })
        };
        let named = || alongside.names.iter().find_map(|name| given.keyword(name));
        let other = alongside.at.and_then(|at| given.positional(at)).or_else(named);
        if !other.is_some_and(|value| value.text.templates().iter().any(has)) {
            return false;
        }
    }
    if let Some(unless) = &sink.unless {
        let arguments = Arguments::new(arguments, facts);
        let named = || unless.names.iter().find_map(|name| arguments.keyword(name));
        let before = || unless.names.iter().find_map(|name| bound?.known.get(&Key::Text(Rc::from(name.as_str()))));
        let given = arguments.positional(unless.at).or_else(named).or_else(before);
        let listed = |path: &str| unless.values.iter().any(|own| own == path);
        // A class that is made from a listed one.
        let is_listed = |object: &Object| match object {
            Object::Path(path) => listed(path),
            Object::Class(class) => program.foreign_bases(*class).any(|base| listed(base)),
            _ => true,
        };
        let lacks = |value: &Value| {
            let texts = value.text.literals().filter(|texts| !texts.is_empty());
            unless
                .lacks
                .as_ref()
                .zip(texts)
                .is_some_and(|(word, texts)| texts.iter().all(|text| !text.contains(&**word)))
        };
        if given.is_some_and(|value| {
            unless.given || lacks(value) || {
                value.objects.iter().any(|object| matches!(object, Object::Path(_) | Object::Class(_)))
                    && value.objects.iter().all(is_listed)
            }
        }) {
            return false;
        }
    }
    are_met(&sink.condition, arguments, facts, bound)
}

/// Whether a value is what a call gave whose results are harmless at the sink.
fn is_harmless(sink: &Sink, function: &Function, facts: &[Value], value: ValueId) -> bool {
    !sink.harmless_from.is_empty()
        && match function.op(origin(&function.values, value)) {
            Op::Call { callee, .. } => {
                let mut paths = fact(facts, *callee).paths().peekable();
                paths.peek().is_some() && paths.all(|path| sink.harmless_from.iter().any(|own| **own == **path))
            }
            _ => false,
        }
}

fn is_meant(sink: &Sink, index: usize, argument: &Argument) -> bool {
    if sink.argument.receiver {
        return false;
    }
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
