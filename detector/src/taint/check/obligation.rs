//! What must be tested before something is done: access to shared data, changes by requests, growth, URLs that go out.
//!
//! Each check names places in a function that an attacker may call, and what must decide over them ([`Protected`],
//! [`Guarding`]). What the tests are is read off control dependence ([`Scope`]); rule files say which names count.

use super::breach::{Breach, Report};
use super::shared::{growth, shared_places};
use super::words::has_word;
use super::{record, urls};
use crate::rules::{Guarding, ObligationModel, Protected};
use crate::ssa::{FunctionId, Op, ParameterKind, Terminator, ValueId};
use crate::taint::frame::Scope;

pub(super) fn check(report: &mut Report<'_, '_>) {
    let registry = report.solved.registry;
    let wanted: Vec<&(usize, ObligationModel)> =
        registry.obligations.iter().filter(|(rule, _)| report.wants(*rule)).collect();
    if wanted.is_empty() {
        return;
    }
    for index in 1..report.solved.program.functions.len() {
        let id = FunctionId(index as u32);
        let Some(scope) = Scope::new(report.solved, id).filter(|_| report.solved.exposed[index]) else { continue };
        let mut found = vec![];
        for (rule, model) in &wanted {
            let breaches = breaches(&scope, model);
            found.extend(breaches.into_iter().map(|breach| (*rule, model.message.as_deref(), breach)));
        }
        for (rule, message, (value, from)) in found {
            report.add((rule, message), (id, value), from);
        }
    }
}

fn breaches(scope: &Scope<'_, '_>, model: &ObligationModel) -> Vec<Breach> {
    match model.protects {
        Protected::SharedEntry => entries(scope, model).into_iter().collect(),
        Protected::Success => success(scope, model).into_iter().collect(),
        Protected::RequestWrite => request_writes(scope, model).into_iter().collect(),
        Protected::RequestBody => request_bodies(scope, model),
        Protected::SharedGrowth => growth(scope),
        Protected::FieldCopy => record::field_copies(scope),
        Protected::CallersTemplate => record::callers_templates(scope),
        Protected::UnseenTemplate => record::unseen_templates(scope, model),
        Protected::SubstringAllowed => record::substring_tests(scope, model),
        Protected::Decorated => {
            let listed = |own: &std::rc::Rc<str>| model.evidence.iter().any(|path| **path == **own);
            let found = scope.function.decorators.iter().any(listed) && !scope.function.values.is_empty();
            found.then_some((ValueId(0), None)).into_iter().collect()
        }
        Protected::NamedSecret => named_secrets(scope, model),
        Protected::UrlGivenOut => urls::given_out(scope, model),
    }
}

/// The parameters that say who asks, or what proves it, and that decide nothing.
fn idle_parameters(scope: &Scope<'_, '_>, model: &ObligationModel) -> Vec<usize> {
    let function = scope.function;
    let skip = usize::from(function.method_of.is_some());
    let meant = |index: &usize| {
        let parameter = &function.parameters[*index];
        matches!(parameter.kind, ParameterKind::Normal | ParameterKind::KeywordOnly)
            && has_word(&parameter.name, &model.words)
            && !decides(scope, *index)
    };
    (skip..function.parameters.len()).filter(meant).collect()
}

/// Whether anything depends on a parameter but what is stored, shown or returned.
fn decides(scope: &Scope<'_, '_>, parameter: usize) -> bool {
    let about = |value: ValueId| scope.parameters_in(&scope.slice(value)).contains(&parameter);
    let by_test = scope.function.blocks.iter().any(|block| match block.terminator {
        Terminator::Branch { condition, .. } => about(condition),
        _ => false,
    });
    by_test
        || scope.function.values.iter().any(|instruction| match &instruction.op {
            Op::Compare(_, left, right) => about(*left) || about(*right),
            Op::Subscript(_, key) | Op::WithItem(_, Some(key), _) => about(*key),
            // A nested function may look at it.
            Op::Store(_, value) => scope.as_parameter(*value) == Some(parameter),
            Op::Call { callee, arguments } => {
                !shows(scope, *callee) && arguments.iter().any(|one| about(one.value))
                    || scope.method(*callee).is_some_and(|(object, _)| about(object))
            }
            _ => false,
        })
}

/// Whether a call only shows or keeps what it is given.
fn shows(scope: &Scope<'_, '_>, callee: ValueId) -> bool {
    const NAMES: &[&str] = &[
        "print",
        "str",
        "repr",
        "format",
        "debug",
        "info",
        "warning",
        "warn",
        "error",
        "exception",
        "log",
        "append",
        "add",
        "remove",
        "discard",
        "put",
        "write",
        "update",
        "isinstance",
        "len",
        "type",
    ];
    let mut names = scope.fact(callee).paths().map(|path| path.rsplit('.').next().unwrap_or(path));
    names.any(|name| NAMES.contains(&name))
}

/// Entries of shared data, named by a caller, where who asks decides nothing.
fn entries(scope: &Scope<'_, '_>, model: &ObligationModel) -> Option<Breach> {
    if model.by != Guarding::Principal {
        return None;
    }
    let idle = idle_parameters(scope, model);
    if idle.is_empty() {
        return None;
    }
    let returned: Vec<_> = scope.solution.returns.iter().map(|value| scope.slice(*value)).collect();
    let place = shared_places(scope).into_iter().find(|place| {
        // What is written down with the entry is no one who asks.
        let asks = idle.iter().any(|parameter| !place.written.contains(parameter));
        let named = place.keyed && place.parameters.iter().any(|parameter| !idle.contains(parameter));
        asks && named && (place.writes || returned.iter().any(|slice| slice.contains(&place.value)))
    })?;
    Some((place.value, place.key.map(|key| (key, scope.fact(key).origins()))))
}

/// A result that says all is well where what proves it was not looked at.
fn success(scope: &Scope<'_, '_>, model: &ObligationModel) -> Option<Breach> {
    let idle = idle_parameters(scope, model);
    let others = scope.function.parameters.len().saturating_sub(usize::from(scope.function.method_of.is_some()));
    if idle.is_empty() || others < 2 {
        return None;
    }
    let is_success = |value: &ValueId| scope.fact(*value).truth().0 && !is_empty_text(scope, *value);
    let value = scope.solution.returns.iter().find(|value| is_success(value))?;
    Some((*value, None))
}

fn is_empty_text(scope: &Scope<'_, '_>, value: ValueId) -> bool {
    scope.as_text(value) == Some("")
}

/// Whether a value is a part of a parameter under one of these names: `request["body"]`, `request.get("body")`.
fn is_part(scope: &Scope<'_, '_>, value: ValueId, of: usize, names: &[String], by_attribute: bool) -> bool {
    let listed = |text: &str| names.iter().any(|name| name.eq_ignore_ascii_case(text));
    let inside = |object: ValueId| scope.parameters_in(&scope.slice(object)).contains(&of);
    match scope.function.op(value) {
        Op::Subscript(object, key) => scope.as_text(*key).is_some_and(listed) && inside(*object),
        Op::Attribute(object, name) => by_attribute && listed(name) && inside(*object),
        Op::Call { callee, arguments } => {
            scope.method(*callee).is_some_and(|(object, method)| method == "get" && inside(object))
                && arguments.first().is_some_and(|one| scope.as_text(one.value).is_some_and(listed))
        }
        _ => false,
    }
}

/// Parameters that are requests: mappings whose body is read.
fn requests(scope: &Scope<'_, '_>, model: &ObligationModel) -> Vec<usize> {
    let values = || (0..scope.function.values.len() as u32).map(ValueId);
    (0..scope.function.parameters.len())
        .filter(|index| values().any(|value| is_part(scope, value, *index, &model.words, false)))
        .collect()
}

/// Whether a test before a block looks at what only the true client sends.
fn evidence_is_tested(scope: &Scope<'_, '_>, model: &ObligationModel, request: usize, at: ValueId) -> bool {
    scope.tests(scope.block(at)).into_iter().any(|(condition, _)| {
        scope.slice(condition).iter().any(|value| is_part(scope, *value, request, &model.evidence, true))
    })
}

/// What a function named after a secret returns, where it is made of what can be foretold.
fn named_secrets(scope: &Scope<'_, '_>, model: &ObligationModel) -> Vec<Breach> {
    if !has_word(&scope.function.name, &model.words) {
        return vec![];
    }
    let foretold = |value: &ValueId| match scope.function.op(*value) {
        Op::Call { callee, .. } => {
            scope.fact(*callee).paths().any(|path| model.evidence.iter().any(|own| **own == **path))
        }
        _ => false,
    };
    let calls = scope
        .solution
        .returns
        .iter()
        .flat_map(|value| scope.slice(*value).iter().copied().collect::<Vec<_>>())
        .filter(foretold);
    calls.min().map(|call| (call, None)).into_iter().collect()
}

fn request_writes(scope: &Scope<'_, '_>, model: &ObligationModel) -> Option<Breach> {
    let requests = requests(scope, model);
    if requests.is_empty() {
        return None;
    }
    let place = shared_places(scope).into_iter().find(|place| {
        let request = place.parameters.iter().find(|parameter| requests.contains(parameter));
        place.writes && request.is_some_and(|request| !evidence_is_tested(scope, model, *request, place.value))
    })?;
    Some((place.value, place.key.map(|key| (key, scope.fact(key).origins()))))
}

fn request_bodies(scope: &Scope<'_, '_>, model: &ObligationModel) -> Vec<Breach> {
    let mut found = vec![];
    for request in requests(scope, model) {
        for returned in &scope.solution.returns {
            let call = scope.root(*returned);
            let Op::Call { callee, arguments } = scope.function.op(call) else { continue };
            let parses = scope.fact(*callee).paths().any(|path| path.ends_with("json.loads"));
            let body = arguments.first().map(|one| one.value).filter(|value| {
                scope.slice(*value).iter().any(|part| is_part(scope, *part, request, &model.words, false))
            });
            if let (true, Some(body)) = (parses, body)
                && !evidence_is_tested(scope, model, request, call)
            {
                found.push((call, Some((body, scope.fact(body).origins()))));
            }
        }
    }
    found
}
