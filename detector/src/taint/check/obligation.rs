//! What must be tested before something is done: access to shared data, changes by requests, growth, URLs that go out.
//!
//! Each check names places in a function that an attacker may call, and what must decide over them ([`Protected`],
//! [`Guarding`]). What the tests are is read off control dependence ([`Scope`]); rule files say which names count.

use std::rc::Rc;

use super::breach::{Breach, Report};
use super::shared::{SharedPlace, growth, is_same, shared_places};
use super::words::has_word;
use super::{guards, record, urls};
use crate::rules::{Guarding, ObligationModel, Protected};
use crate::ssa::{BlockId, FunctionId, Op, ParameterKind, ValueId};
use crate::taint::domain::Object;
use crate::taint::frame::{Scope, Test};

/// Places of a function that are compared with each other, at most.
const MAX_PLACES: usize = 64;

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
        Protected::FieldCopy => {
            let mut found = record::field_copies(scope);
            let known: Vec<ValueId> = found.iter().map(|(value, _)| *value).collect();
            found.extend(record::sent_fields(scope).into_iter().filter(|(value, _)| !known.contains(value)));
            found
        }
        Protected::CallersTemplate => record::callers_templates(scope),
        Protected::UnseenTemplate => record::unseen_templates(scope, model),
        Protected::SubstringAllowed => record::substring_tests(scope, model),
        Protected::Decorated => {
            let listed = |own: &std::rc::Rc<str>| model.evidence.iter().any(|path| **path == **own);
            let found = scope.function.decorators.iter().any(listed) && !scope.function.values.is_empty();
            found.then_some((ValueId(0), None)).into_iter().collect()
        }
        Protected::NamedSecret => named_secrets(scope, model),
        Protected::SentOut => sent_out(scope, model),
        Protected::UrlGivenOut => urls::given_out(scope, model),
    }
}

/// The parameters that say who asks, or what proves it.
fn principals(scope: &Scope<'_, '_>, model: &ObligationModel) -> Vec<usize> {
    let function = scope.function;
    let skip = usize::from(function.method_of.is_some());
    let kept = |index: usize| {
        // A nested function may look at it.
        function.values.iter().any(|instruction| match &instruction.op {
            Op::Store(_, value) => scope.as_parameter(*value) == Some(index),
            _ => false,
        })
    };
    let meant = |index: &usize| {
        let parameter = &function.parameters[*index];
        matches!(parameter.kind, ParameterKind::Normal | ParameterKind::KeywordOnly)
            && has_word(&parameter.name, &model.words)
            && !kept(*index)
    };
    (skip..function.parameters.len()).filter(meant).collect()
}

/// Entries of shared data, named by a caller, where who asks decides nothing.
fn entries(scope: &Scope<'_, '_>, model: &ObligationModel) -> Option<Breach> {
    if model.by != Guarding::Principal {
        return None;
    }
    let principals = principals(scope, model);
    if principals.is_empty() {
        return None;
    }
    let mut places = shared_places(scope);
    places.truncate(MAX_PLACES);
    if !places.iter().any(|place| place.keyed) {
        return None;
    }
    let returns = guards::returns(scope);
    let all_ways: Vec<Vec<BlockId>> =
        places
            .iter()
            .map(|place| {
                if place.writes {
                    vec![scope.block(place.value)]
                } else {
                    guards::ways_out(scope, &returns, place.value)
                }
            })
            .collect();
    let at = (0..places.len()).find(|at| {
        let (place, ways) = (&places[*at], &all_ways[*at]);
        // What both outcomes of a test do the test does not decide.
        let is_void = |(condition, truth): &Test| {
            let same = |one: usize| places[one].writes == place.writes && is_same(scope, places[one].root, place.root);
            let opposite = |way: &BlockId| {
                // Where another test decides there, this one leads to it.
                let others = principals.iter().flat_map(|parameter| guards::tests_of(scope, *way, *parameter));
                scope.tests(*way).contains(&(*condition, !truth))
                    && others.into_iter().all(|(other, _)| other == *condition)
            };
            (0..places.len()).filter(|one| one != at && same(*one)).any(|one| all_ways[one].iter().any(opposite))
        };
        let decides = |parameter: usize| {
            guards::decides(scope, scope.block(place.value), parameter, &is_void)
                || ways.iter().all(|way| guards::decides(scope, *way, parameter, &is_void))
                || !place.writes && returned_by_choice(scope, place.value, parameter)
        };
        // What is written down with the entry is no one who asks, and one's own entry is named by oneself.
        let is_written = |parameter: &usize| {
            let into = |one: &SharedPlace| one.written.contains(parameter) && is_same(scope, one.root, place.root);
            place.writes && places.iter().any(into)
        };
        let idle =
            |parameter: &&usize| !is_written(parameter) && !place.names.contains(parameter) && !decides(**parameter);
        place.keyed && !ways.is_empty() && principals.iter().any(|parameter| idle(&parameter))
    })?;
    let place = &places[at];
    Some((place.value, place.key.map(|key| (key, scope.fact(key).origins()))))
}

/// Whether an entry is given out as a part of something that a parameter decides: `ok and ENTRIES[name]`.
fn returned_by_choice(scope: &Scope<'_, '_>, value: ValueId, parameter: usize) -> bool {
    scope.solution.returns.iter().filter(|returned| scope.slice(**returned).contains(&value)).all(|returned| {
        scope.slice(*returned).iter().any(|one| match scope.function.op(*one) {
            Op::Logic(_, parts) => {
                scope.slice(*one).contains(&value) && parts.iter().any(|part| guards::chooses(scope, *part, parameter))
            }
            _ => false,
        })
    })
}

/// A result that says all is well where what proves it was not looked at.
fn success(scope: &Scope<'_, '_>, model: &ObligationModel) -> Option<Breach> {
    let others = scope.function.parameters.len().saturating_sub(usize::from(scope.function.method_of.is_some()));
    let principals = principals(scope, model);
    if principals.is_empty() || others < 2 {
        return None;
    }
    let is_success = |value: ValueId| scope.fact(value).truth().0 && !is_empty_text(scope, value);
    let mut returns = guards::returns(scope);
    returns.retain(|(_, value)| is_success(*value));
    let literal = |value: ValueId| match scope.function.op(scope.root(value)) {
        Op::Literal(literal) => Some(literal),
        _ => None,
    };
    let unproved = |(block, value): &&(BlockId, ValueId)| {
        let is_void = |(condition, truth): &Test| {
            returns.iter().any(|(other, result)| {
                literal(*value).is_some()
                    && literal(*result) == literal(*value)
                    && scope.tests(*other).contains(&(*condition, !truth))
            })
        };
        let proves = |parameter: &usize| {
            guards::decides(scope, *block, *parameter, &is_void)
                || guards::chooses(scope, *value, *parameter)
                || is_made_of(scope, *value, *parameter)
        };
        principals.iter().any(|parameter| !proves(parameter))
    };
    let (_, value) = returns.iter().find(unproved)?;
    Some((*value, None))
}

/// Whether a result is worked out of a parameter: what it is no proof for.
fn is_made_of(scope: &Scope<'_, '_>, value: ValueId, parameter: usize) -> bool {
    let told =
        matches!(scope.function.op(scope.root(value)), Op::Mapping(_) | Op::Display(..) | Op::Logic(..) | Op::Not(_));
    !told && !guards::is_empty_test(scope, value) && scope.parameters_in(&scope.slice(value)).contains(&parameter)
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
    let listed = |key: ValueId| {
        scope.as_text(key).is_some_and(|text| model.words.iter().any(|word| word.eq_ignore_ascii_case(text)))
    };
    let is_read = |value: &ValueId| match scope.function.op(*value) {
        Op::Subscript(_, key) => listed(*key),
        Op::Call { arguments, .. } => arguments.first().is_some_and(|one| listed(one.value)),
        _ => false,
    };
    let read: Vec<ValueId> = (0..scope.function.values.len() as u32).map(ValueId).filter(is_read).collect();
    (0..scope.function.parameters.len())
        .filter(|index| read.iter().any(|value| is_part(scope, *value, *index, &model.words, false)))
        .collect()
}

/// Whether a test before a block looks at what only the true client sends.
fn evidence_is_tested(scope: &Scope<'_, '_>, model: &ObligationModel, request: usize, at: ValueId) -> bool {
    scope.tests(scope.block(at)).into_iter().any(|(condition, _)| {
        !guards::is_empty_test(scope, condition)
            && scope.slice(condition).iter().any(|value| is_part(scope, *value, request, &model.evidence, true))
    })
}

/// Secrets that are made of what can be foretold: what a function named after one returns or yields, what is kept under such
/// a name.
fn named_secrets(scope: &Scope<'_, '_>, model: &ObligationModel) -> Vec<Breach> {
    let foretold = |value: ValueId| {
        let slice = scope.slice(value);
        slice.iter().copied().filter(|one| is_foretold(scope, *one, model)).min()
    };
    let mut found = vec![];
    if has_word(&scope.function.name, &model.words) {
        let given = scope.solution.returns.iter().chain(&scope.function.yields);
        found.extend(given.filter_map(|value| foretold(*value)).min());
    }
    let named = |name: &str| has_word(name, &model.words);
    for instruction in scope.function.values.iter().filter(|one| scope.is_reached(one.block)) {
        let kept: Vec<ValueId> = match &instruction.op {
            Op::SetAttribute(_, name, value) if named(name) => vec![*value],
            Op::WithItem(_, Some(key), value) if scope.as_text(*key).is_some_and(named) => vec![*value],
            Op::Mapping(items) => {
                let is_named = |key: &Option<ValueId>| key.and_then(|key| scope.as_text(key)).is_some_and(named);
                items.iter().filter(|(key, _)| is_named(key)).map(|(_, value)| *value).collect()
            }
            _ => continue,
        };
        found.extend(kept.into_iter().filter_map(foretold));
    }
    found.sort_unstable();
    found.dedup();
    found.into_iter().map(|call| (call, None)).collect()
}

/// Answers of a handler that hold what calls of `evidence` give: what it returns, and arguments of calls of `words`.
fn sent_out(scope: &Scope<'_, '_>, model: &ObligationModel) -> Vec<Breach> {
    let calls = |value: ValueId, paths: &[String]| match scope.function.op(value) {
        Op::Call { callee, .. } => scope.fact(*callee).paths().any(|path| paths.iter().any(|own| **own == **path)),
        _ => false,
    };
    let values =
        || (0..scope.function.values.len() as u32).map(ValueId).filter(|one| scope.is_reached(scope.block(*one)));
    if !values().any(|one| calls(one, &model.evidence)) {
        return vec![];
    }
    let mut sent: Vec<ValueId> = if scope.function.routes.is_empty() { vec![] } else { scope.solution.returns.clone() };
    for value in values().filter(|one| calls(*one, &model.words)) {
        if let Op::Call { arguments, .. } = scope.function.op(value) {
            sent.extend(arguments.iter().map(|one| one.value));
        }
    }
    let held = |value: ValueId| scope.slice(value).iter().copied().filter(|one| calls(*one, &model.evidence)).min();
    let mut found: Vec<ValueId> = sent.into_iter().filter_map(held).collect();
    found.sort_unstable();
    found.dedup();
    found.into_iter().map(|call| (call, None)).collect()
}

/// Whether a call gives what can be foretold: one that the rule lists, or a function of the program that returns such a one.
fn is_foretold(scope: &Scope<'_, '_>, value: ValueId, model: &ObligationModel) -> bool {
    let listed = |path: &Rc<str>| model.evidence.iter().any(|own| **own == **path);
    let Op::Call { callee, arguments } = scope.function.op(value) else { return false };
    let known = scope.fact(*callee);
    known.paths().any(listed)
        || arguments.iter().any(|one| scope.fact(one.value).paths().any(listed))
        || known.objects.iter().any(|object| match object {
            Object::Function(function) | Object::Method(function) => {
                let code = scope.solved.program.function(*function);
                Scope::new(scope.solved, *function).is_some_and(|inner| {
                    inner.solution.returns.iter().chain(&code.yields).any(|returned| {
                        inner.slice(*returned).iter().any(|one| match code.op(*one) {
                            Op::Call { callee, .. } => inner.fact(*callee).paths().any(listed),
                            _ => false,
                        })
                    })
                })
            }
            _ => false,
        })
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
