//! Regular expressions that take very long on texts of an attacker (CWE-1333).

use super::breach::Report;
use crate::rules::RegexModel;
use crate::ssa::{FunctionId, Op, ValueId};
use crate::taint::frame::{Arguments, Scope, has_plain_flags};
use crate::text::{Ambiguity, Origins, ambiguity};

pub(super) fn check(report: &mut Report<'_, '_>) {
    let registry = report.solved.registry;
    for index in 0..report.solved.program.functions.len() {
        let id = FunctionId(index as u32);
        let Some(scope) = Scope::new(report.solved, id) else { continue };
        let mut found = vec![];
        for (i, instruction) in scope.function.values.iter().enumerate() {
            let Op::Call { callee, arguments } = &instruction.op else { continue };
            if !scope.is_reached(instruction.block) || scope.is_over() {
                continue;
            }
            let given = Arguments::new(arguments, &scope.solution.facts);
            for path in scope.fact(*callee).paths() {
                for (rule, model) in registry.regexes(path) {
                    if let Some((origins, ambiguity)) = takes_long(model, *callee, &given, &scope) {
                        let subject = arguments.get(model.subject).map(|one| one.value);
                        let bounded = subject.is_some_and(|subject| is_short(subject, &scope, instruction.block));
                        if !bounded {
                            found.push((*rule, ValueId(i as u32), subject, origins, ambiguity));
                        }
                    }
                }
            }
        }
        for (rule, call, subject, origins, ambiguity) in found {
            if report.wants(rule) {
                let message = match ambiguity {
                    Ambiguity::Exponential => None,
                    Ambiguity::Polynomial => Some(
                        "an attacker's text can make this regular expression take a time that grows with its square; \
                         let its parts exclude each other, or bound them",
                    ),
                };
                report.add((rule, message), (id, call), subject.map(|subject| (subject, origins)));
            }
        }
    }
}

fn takes_long(
    model: &RegexModel,
    callee: ValueId,
    given: &Arguments<'_>,
    scope: &Scope<'_, '_>,
) -> Option<(Origins, Ambiguity)> {
    if model.pattern.is_some() && !has_plain_flags(given, if model.subject == 2 { 4 } else { 2 }) {
        return None;
    }
    let receiver = scope.method(callee).map(|(object, _)| scope.fact(object));
    let pattern = match model.pattern {
        Some(at) => given.positional(at),
        None => receiver,
    }?;
    let origins = given.positional(model.subject)?.origins();
    if origins.is_none() {
        return None;
    }
    let found = ambiguity(pattern.text.as_literal()?, model.matches)?;
    Some((origins, found))
}

/// Whether a test of its length decides that a text comes to a block.
fn is_short(text: ValueId, scope: &Scope<'_, '_>, block: crate::ssa::BlockId) -> bool {
    let sources: Vec<ValueId> = scope.slice(text).iter().copied().collect();
    scope.tests(block).into_iter().any(|(condition, _)| {
        scope.slice(condition).iter().any(|one| match scope.function.op(*one) {
            Op::Call { callee, arguments } => {
                scope.fact(*callee).paths().any(|path| &**path == "len")
                    && arguments.iter().any(|one| {
                        let tested = scope.slice(one.value);
                        sources.iter().any(|source| {
                            tested.contains(source)
                                && !matches!(scope.function.op(*source), Op::Path(_) | Op::Unbound(_) | Op::Literal(_))
                        })
                    })
            }
            _ => false,
        })
    })
}
