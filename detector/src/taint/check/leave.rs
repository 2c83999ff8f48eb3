//! Text that leaves the program with an attacker's part in it: what public functions return.

use super::breach::Report;
use crate::rules::Leave;
use crate::ssa::{Function, FunctionId, Op, ValueId};
use crate::taint::frame::Scope;
use crate::text::Origins;

/// Methods that Python calls to show an object to its programmer.
const SHOWING: &[&str] = &["__repr__", "__str__", "__format__"];

pub(super) fn check(report: &mut Report<'_, '_>) {
    let registry = report.solved.registry;
    let wanted: Vec<&Leave> = registry.leaves.iter().filter(|leave| report.wants(leave.rule)).collect();
    if wanted.is_empty() {
        return;
    }
    for index in 1..report.solved.program.functions.len() {
        let id = FunctionId(index as u32);
        let function = report.solved.program.function(id);
        if !report.solved.exposed[index] || is_showing(function) {
            continue;
        }
        let Some(scope) = Scope::new(report.solved, id) else { continue };
        let mut found = vec![];
        for leave in &wanted {
            let handler = function.routes.iter().any(|route| leave.routes.iter().any(|own| **own == *route.method));
            if !leave.routes.is_empty() && !handler {
                continue;
            }
            for value in scope.solution.returns.iter().filter(|value| !is_of_sink(&scope, **value)) {
                let text = &scope.fact(*value).text;
                let languages = &registry.languages;
                let origins = text
                    .templates()
                    .iter()
                    .filter(|template| {
                        handler
                            || languages.is_of(template, leave.language)
                            || leave.quoted && languages.recognises(template, leave.language)
                    })
                    .filter_map(|template| {
                        if leave.quoted {
                            return languages
                                .injection(&languages.with_quoted_only(template, leave.language), leave.language);
                        }
                        languages.injection(template, leave.language)
                    })
                    .fold(Origins::NONE, |all, hole| all.union(hole.origins));
                if !origins.is_none() {
                    found.push((leave.rule, *value, origins));
                }
            }
        }
        for (rule, value, origins) in found {
            report.add((rule, None), (id, value), Some((value, origins)));
        }
    }
}

/// Whether a value is what a sink gives back (rows, for a statement): that is not the text that it was given.
fn is_of_sink(scope: &Scope<'_, '_>, value: ValueId) -> bool {
    let Op::Call { callee, .. } = scope.function.op(scope.root(value)) else { return false };
    scope.fact(*callee).paths().any(|path| !scope.solved.registry.sinks(path).is_empty())
}

fn is_showing(function: &Function) -> bool {
    function.method_of.is_some() && SHOWING.contains(&&*function.name)
}
