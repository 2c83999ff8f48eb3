//! Sinks that an attacker's value reaches.

use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::breach::Report;
use super::open;
use super::sinks::{Given, are_met, danger, done, is_meant_from};
use super::typed::{is_other_type, is_typed_later};
use super::wrapper;
use crate::dotted::last;
use crate::rules::{Guarding, Part, Returns, Sink};
use crate::ssa::{Argument, BinaryOp, Function, FunctionId, Op, Passing, Program, ValueId, origin};
use crate::taint::domain::{Items, Key, Object, Value};
use crate::taint::frame::{Arguments, Scope, fact};
use crate::taint::store::OriginTable;
use crate::text::Origins;

/// Values of an attacker that reach the argument of a call.
pub(super) fn check(report: &mut Report<'_, '_>) {
    let solved = report.solved;
    // What a sink makes of a value is the same wherever the same value goes.
    let mut dangers: FxHashMap<(ValueId, *const Sink, Given), Origins> = FxHashMap::default();
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
                    let typed = sink.unless.as_ref().is_some_and(|unless| unless.headers);
                    if typed && is_typed_later(&scope, ValueId(i as u32)) {
                        continue;
                    }
                    let given = arguments.iter().enumerate().filter(|one| is_meant(sink, one.0, one.1));
                    let of_receiver = receiver.filter(|_| sink.argument.receiver);
                    for mut value in given.map(|one| one.1.value).chain(of_receiver) {
                        if sink.part == Part::LookedUp {
                            value = scope.name_of(value, instruction.block);
                        }
                        let given = how_given(sink, arguments, &scope, value);
                        let origins = *dangers
                            .entry((value, std::ptr::from_ref(sink), given))
                            .or_insert_with(|| danger(sink, fact(&solution.facts, value), solved, given));
                        let chosen = sink.part == Part::FirstItem && names_program(function, value);
                        if origins.is_none()
                            || is_harmless(sink, function, &solution.facts, value)
                            || chosen && OriginTable::are_parameters(origins)
                        {
                            continue;
                        }
                        let cleared = |guarding: Guarding| {
                            scope.is_cleared(guarding, value, (instruction.block, ValueId(i as u32)))
                        };
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
        let clears = |value: &Value| {
            let empty = |text: &str| unless.but.iter().any(|own| own == text);
            let texts = value.text.literals().unwrap_or_default();
            !value.objects.contains(&Object::Nothing) && !texts.iter().any(|text| empty(text))
        };
        if given.is_some_and(|value| {
            unless.given && clears(value) || lacks(value) || {
                value.objects.iter().any(|object| matches!(object, Object::Path(_) | Object::Class(_)))
                    && value.objects.iter().all(is_listed)
            }
        }) {
            return false;
        }
        if unless.headers && arguments.iter().any(|(_, value)| is_other_type(value)) {
            return false;
        }
    }
    are_met(&sink.condition, arguments, facts, bound)
}

/// Whether a value is what a call gave whose results are harmless at the sink, or no text at all.
fn is_harmless(sink: &Sink, function: &Function, facts: &[Value], value: ValueId) -> bool {
    let listed = |value: ValueId, paths: &[String]| {
        let is_one = |path: &Rc<str>| {
            let named = |name: &str| last(path) == name;
            paths.iter().any(|own| own.strip_prefix("*.").map_or_else(|| **own == **path, named))
        };
        let mut known = fact(facts, value).paths().peekable();
        known.peek().is_some() && known.all(is_one)
    };
    let made_by = || match function.op(origin(&function.values, value)) {
        Op::Call { callee, .. } => listed(*callee, &sink.harmless_from),
        _ => false,
    };
    !sink.harmless_from.is_empty() && made_by() || !sink.no_texts.is_empty() && listed(value, &sink.no_texts)
}

fn is_meant(sink: &Sink, index: usize, argument: &Argument) -> bool {
    if sink.argument.receiver {
        return false;
    }
    match &argument.passing {
        Passing::Positional => match sink.argument.at {
            Some(at) => at == index,
            None => sink.argument.names.is_empty(),
        },
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

/// How a statement comes to where it is executed.
fn how_given(sink: &Sink, arguments: &[Argument], scope: &Scope<'_, '_>, value: ValueId) -> Given {
    let Some(bound) = &sink.executor else { return Given::default() };
    let at = |(index, argument): (usize, &Argument)| match &argument.passing {
        Passing::Positional | Passing::Star => bound.at.is_some_and(|at| at <= index),
        Passing::Keyword(name) => bound.names.iter().any(|own| **own == **name),
        Passing::DoubleStar => false,
    };
    Given { whole: is_handed(scope, value), bound: arguments.iter().enumerate().any(at) }
}

/// Values that are looked at to find out who wrote a statement.
const MAX_HANDED: usize = 48;

/// Whether nothing of a statement is written in this function: it is a parameter, what an object that it was given holds, or
/// what something that nobody shows returns.
fn is_handed(scope: &Scope<'_, '_>, value: ValueId) -> bool {
    let mut work = vec![scope.root(value)];
    let mut seen = vec![];
    while let Some(at) = work.pop() {
        if seen.contains(&at) {
            continue;
        }
        if seen.len() > MAX_HANDED {
            return false;
        }
        seen.push(at);
        match scope.function.op(at) {
            Op::Parameter(_) | Op::Literal(_) => {}
            Op::Attribute(object, name) => {
                let own = scope.function.method_of.is_some() && scope.as_parameter(*object) == Some(0);
                let kept = |op: &Op| matches!(op, Op::SetAttribute(_, other, _) if other == name);
                if own && !OriginTable::are_settings(scope.fact(at).origins().known())
                    || scope.function.values.iter().any(|one| kept(&one.op))
                {
                    return false;
                }
                work.push(scope.root(*object));
            }
            // An entry by its name is data.
            Op::Subscript(_, key) if scope.as_text(*key).is_some() => return false,
            Op::Element(inner)
            | Op::Item(inner, _)
            | Op::Rest(inner)
            | Op::Subscript(inner, _)
            | Op::Enter(inner)
            | Op::Mutated(inner, _)
            | Op::WithItem(inner, ..) => work.push(scope.root(*inner)),
            Op::Phi(parts) | Op::Join(parts) | Op::Logic(_, parts) => {
                work.extend(parts.iter().map(|part| scope.root(*part)));
            }
            Op::Call { callee, arguments } => {
                let written = arguments.iter().any(|one| !scope.fact(one.value).origins().is_none());
                if !written || wrapper::is_unknown(scope.solved, scope.fact(*callee)) {
                    continue;
                }
                let registry = scope.solved.registry;
                let passes = |path: &std::rc::Rc<str>| {
                    registry.effect(path).is_some_and(|effect| {
                        matches!(
                            effect.returns,
                            Returns::Same
                                | Returns::Text
                                | Returns::Part
                                | Returns::Elements
                                | Returns::Enumerate
                                | Returns::Zip
                        )
                    })
                };
                let mut paths = scope.fact(*callee).paths().peekable();
                if paths.peek().is_none() || !paths.all(passes) {
                    return false;
                }
                work.extend(arguments.iter().map(|one| scope.root(one.value)));
                work.extend(scope.method(*callee).map(|(object, _)| scope.root(object)));
            }
            _ => return false,
        }
    }
    true
}
