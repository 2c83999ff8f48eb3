//! URLs that go out: joined, or taken apart, and given out again with no look at their host.

use std::collections::BTreeSet;

use super::breach::Breach;
use crate::dotted::last;
use crate::rules::ObligationModel;
use crate::ssa::{Op, ValueId};
use crate::taint::frame::Scope;

/// Calls that give a URL for a URL.
const KEEPS: &[&str] = &["geturl", "urlunparse", "urlunsplit", "urlencode", "str", "format", "strip", "_replace"];

/// Where a function gives out a URL. `evidence` names the calls that make it one: `urljoin`, `geturl`, `urlparse`.
pub(super) fn given_out(scope: &Scope<'_, '_>, model: &ObligationModel) -> Vec<Breach> {
    let mut found = vec![];
    for (block_id, returned) in super::guards::returns(scope) {
        let carried = carriers(scope, returned);
        let Some(url) = carried.iter().copied().find(|value| is_outgoing(scope, *value, model)) else { continue };
        let origins = scope.fact(url).origins();
        if !origins.is_none() && !scope.host_is_tested(url, block_id) && !scope.host_is_tested(returned, block_id) {
            found.push((returned, Some((returned, scope.fact(returned).origins()))));
            break;
        }
    }
    found
}

/// The values that a text carries as URLs: itself, what it was put together of.
fn carriers(scope: &Scope<'_, '_>, value: ValueId) -> BTreeSet<ValueId> {
    let mut seen = BTreeSet::from([scope.root(value)]);
    let mut work = vec![scope.root(value)];
    while let Some(value) = work.pop() {
        let mut visit = |operand: ValueId| {
            let operand = scope.root(operand);
            if seen.len() < 200 && seen.insert(operand) {
                work.push(operand);
            }
        };
        match scope.function.op(value) {
            Op::Call { callee, arguments } => {
                let name = scope.fact(*callee).paths().next().map(|path| last(path).to_owned());
                if let Some((object, method)) = scope.method(*callee)
                    && KEEPS.contains(&method)
                {
                    visit(object);
                    for one in arguments {
                        visit(one.value);
                    }
                } else if name.is_some_and(|name| KEEPS.contains(&name.as_str())) {
                    for one in arguments {
                        visit(one.value);
                    }
                }
            }
            Op::Phi(_) | Op::Join(_) | Op::Format(_) | Op::Binary(..) | Op::Mapping(_) | Op::Display(..) => {
                scope.function.op(value).operands(visit);
            }
            Op::WithItem(container, _, item) => {
                visit(*container);
                visit(*item);
            }
            _ => {}
        }
    }
    seen
}

/// Whether a value is a URL that a caller has a say in.
fn is_outgoing(scope: &Scope<'_, '_>, value: ValueId, model: &ObligationModel) -> bool {
    let chosen = |value: ValueId| !scope.fact(value).origins().is_none();
    let listed = |name: &str| model.evidence.iter().any(|own| own == name);
    match scope.function.op(value) {
        Op::Call { callee, arguments } => {
            let joins = scope.fact(*callee).paths().any(|path| path.ends_with("urljoin"));
            if joins {
                return listed("urljoin") && arguments.get(1).is_some_and(|one| chosen(one.value));
            }
            let put_together =
                scope.fact(*callee).paths().any(|path| path.ends_with("urlunparse") || path.ends_with("urlunsplit"));
            if put_together && listed("geturl") {
                return arguments.first().is_some_and(|one| parsed(scope, one.value).is_some_and(chosen));
            }
            match scope.method(*callee) {
                Some((object, "geturl")) => listed("geturl") && parsed(scope, object).is_some_and(chosen),
                _ => false,
            }
        }
        // Taken apart for nothing: no part of it is looked at.
        Op::Parameter(_) => listed("urlparse") && chosen(value) && is_parsed_in_vain(scope, value),
        _ => false,
    }
}

/// What a call of `urlparse` took apart.
fn parsed(scope: &Scope<'_, '_>, value: ValueId) -> Option<ValueId> {
    let Op::Call { callee, arguments } = scope.function.op(scope.root(value)) else { return None };
    let parses = scope.fact(*callee).paths().any(|path| matches!(last(path), "urlparse" | "urlsplit"));
    if parses { arguments.first().map(|one| one.value) } else { None }
}

fn is_parsed_in_vain(scope: &Scope<'_, '_>, url: ValueId) -> bool {
    let values = || (0..scope.function.values.len() as u32).map(ValueId);
    let mut made = values().filter(|value| parsed(scope, *value).is_some_and(|of| scope.root(of) == url)).peekable();
    made.peek().is_some()
        && made.all(|parse| {
            !values().any(|value| {
                let mut used = false;
                if matches!(scope.function.op(value), Op::Survived { .. }) {
                    return false;
                }
                scope.function.op(value).operands(|operand| used |= scope.root(operand) == parse);
                used
            })
        })
}
