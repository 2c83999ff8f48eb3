//! Calls that are wrong by a constant: whatever an attacker says, they do less than they seem to.

use super::breach::Report;
use crate::rules::{ConstantModel, Is};
use crate::ssa::{Argument, FunctionId, Op, Passing, ValueId};
use crate::taint::domain::{Key, Object, Value};
use crate::taint::frame::{Arguments, Scope};

pub(super) fn check(report: &mut Report<'_, '_>) {
    let registry = report.solved.registry;
    for index in 0..report.solved.program.functions.len() {
        let id = FunctionId(index as u32);
        let Some(scope) = Scope::new(report.solved, id) else { continue };
        let mut found = vec![];
        for (i, instruction) in scope.function.values.iter().enumerate() {
            if !scope.is_reached(instruction.block) || scope.is_over() {
                continue;
            }
            if let Op::SetAttribute(object, name, set) = &instruction.op {
                let set = [Argument { passing: Passing::Positional, value: *set }];
                for path in scope.fact(*object).paths() {
                    for (rule, model) in registry.constants(&format!("{path}.{name}=")) {
                        if is_wrong(model, &set, &scope.solution.facts) {
                            found.push((*rule, ValueId(i as u32)));
                        }
                    }
                }
            }
            let Op::Call { callee, arguments } = &instruction.op else { continue };
            for path in scope.fact(*callee).paths() {
                for (rule, model) in registry.constants(path) {
                    if is_wrong(model, arguments, &scope.solution.facts) {
                        found.push((*rule, ValueId(i as u32)));
                    }
                }
            }
        }
        for (rule, value) in found {
            if report.wants(rule) {
                report.add((rule, None), (id, value), None);
            }
        }
    }
}

fn is_wrong(model: &ConstantModel, arguments: &[Argument], facts: &[Value]) -> bool {
    let given = Arguments::new(arguments, facts);
    let cleared = model.unless.iter().any(|(name, truth)| {
        given.keyword(name).is_some_and(|value| {
            let (may_hold, may_fail) = value.truth();
            if *truth { !may_fail } else { !may_hold }
        })
    });
    if cleared {
        return false;
    }
    if let Some(of) = &model.of {
        let is_listed = |path: &std::rc::Rc<str>| of.paths.iter().any(|own| **own == **path);
        if !given.positional(of.at).is_some_and(|value| value.paths().any(is_listed)) {
            return false;
        }
    }
    let Some(meant) = &model.argument else { return true };
    let argument = meant
        .at
        .and_then(|at| given.positional(at))
        .or_else(|| meant.names.iter().find_map(|name| given.keyword(name)));
    if let Some(value) = argument {
        return matches_any(&model.is, value);
    }
    let mut passed = arguments.iter().map(|one| &one.passing);
    model.is.missing && !passed.any(|passing| matches!(passing, Passing::Star | Passing::DoubleStar))
}

/// Whether a value can only be what it must not be.
fn matches_any(is: &Is, value: &Value) -> bool {
    if let Some(truth) = is.truth {
        let (may_hold, may_fail) = value.truth();
        if if truth { !may_fail } else { !may_hold } {
            return true;
        }
    }
    let listed = |text: &str| is.texts.iter().any(|own| own.eq_ignore_ascii_case(text));
    if !is.texts.is_empty() {
        if value.text.literals().is_some_and(|texts| texts.iter().any(|text| listed(text))) && value.items.is_none() {
            return true;
        }
        if let Some(items) = &value.items
            && items.known.values().any(|one| one.text.as_literal().is_some_and(listed))
        {
            return true;
        }
    }
    if value.paths().any(|path| is.paths.iter().any(|own| **own == **path)) {
        return true;
    }
    let integers = |wrong: &dyn Fn(i64) -> bool| {
        !value.objects.is_empty()
            && value.objects.iter().all(|object| matches!(object, Object::Integer(i) if wrong(*i)))
    };
    if is.bits.is_some_and(|bits| integers(&|i| i & bits != 0))
        || is.below.is_some_and(|least| integers(&|i| i < least))
    {
        return true;
    }
    if is.written
        && value.items.is_none()
        && value.text.literals().is_some_and(|texts| texts.iter().any(|text| !text.is_empty() && *text != "None"))
    {
        return true;
    }
    is.false_key.as_ref().is_some_and(|key| {
        let entry = value.items.as_ref().and_then(|items| items.known.get(&Key::Text(key.as_str().into())));
        entry.is_some_and(|entry| entry.truth() == (false, true))
    })
}
