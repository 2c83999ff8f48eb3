//! Regular expressions that take very long on texts of an attacker (CWE-1333).

use super::breach::Report;
use crate::rules::RegexModel;
use crate::ssa::{Argument, CompareOp, FunctionId, Literal, Op, Passing, ValueId};
use crate::taint::domain::Key;
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
                        let named =
                            |one: &&Argument| matches!(&one.passing, Passing::Keyword(name) if &**name == "string");
                        let by_position = arguments.get(model.subject).filter(|one| one.passing == Passing::Positional);
                        let subject = by_position.or_else(|| arguments.iter().find(named)).map(|one| one.value);
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
    // What the flags change that matters: what a dot reads, and what is a comment.
    let mut flags = String::new();
    let at = if model.subject == 2 { 4 } else { 2 };
    if model.pattern.is_some() && !has_plain_flags(given, at) {
        for path in given.either(at, &["flags"])?.paths() {
            match &**path {
                "re.DOTALL" | "re.S" => flags.push('s'),
                "re.VERBOSE" | "re.X" => flags.push('x'),
                "re.MULTILINE" | "re.M" | "re.IGNORECASE" | "re.I" | "re.ASCII" | "re.A" | "re.UNICODE" | "re.U" => {}
                _ => return None,
            }
        }
    }
    // What `functools.partial` was given first.
    let bound = scope.fact(callee).items.as_deref();
    let first = |at: usize| bound?.known.get(&Key::Index(at as i64));
    let count = (0..=model.subject).take_while(|at| first(*at).is_some()).count();
    let pattern = match model.pattern {
        Some(at) => first(at).or_else(|| given.either(at.checked_sub(count)?, &["pattern"])),
        None => scope.receiver(callee),
    }?;
    let subject = model.subject.checked_sub(count)?;
    let origins = given.either(subject, &["string"])?.origins();
    if origins.is_none() {
        return None;
    }
    let prefix = if flags.is_empty() { String::new() } else { format!("(?{flags})") };
    let literals = pattern.text.templates().iter().filter_map(|form| form.as_literal());
    let found = literals.filter_map(|literal| ambiguity(&format!("{prefix}{literal}"), model.matches)).max()?;
    Some((origins, found))
}

/// Lengths up to which a text counts as short.
const SHORT: i64 = 100_000;

/// Whether a test of its length decides that a text comes to a block.
fn is_short(text: ValueId, scope: &Scope<'_, '_>, block: crate::ssa::BlockId) -> bool {
    let sources: Vec<ValueId> = scope.slice(text).iter().copied().collect();
    let is_huge = |one: &ValueId| {
        match scope.function.op(*one) {
        Op::Compare(CompareOp::Order, left, right) => [left, right].iter().any(|side| {
            matches!(scope.function.op(scope.root(**side)), Op::Literal(Literal::Integer(size)) if *size > SHORT)
        }),
        _ => false,
    }
    };
    scope.tests(block).into_iter().any(|(condition, _)| {
        let slice = scope.slice(condition);
        !slice.iter().any(is_huge)
            && slice.iter().any(|one| match scope.function.op(*one) {
                Op::Call { callee, arguments } => {
                    scope.fact(*callee).paths().any(|path| &**path == "len")
                        && arguments.iter().any(|one| {
                            let tested = scope.slice(one.value);
                            sources.iter().any(|source| {
                                tested.contains(source)
                                    && !matches!(
                                        scope.function.op(*source),
                                        Op::Path(_) | Op::Unbound(_) | Op::Literal(_)
                                    )
                            })
                        })
                }
                _ => false,
            })
    })
}
