//! Text that leaves the program with an attacker's part in it: what public functions return, and what they keep for others
//! to use.

use std::rc::Rc;

use super::breach::Report;
use super::typed::{is_other_type, says_page};
use super::words::has_word;
use crate::rules::Leave;
use crate::ssa::{Container, Function, FunctionId, Op, ValueId};
use crate::taint::domain::{Key, Value};
use crate::taint::frame::Scope;
use crate::text::{Origins, Text};

/// Values in a list or tuple that are looked at.
const MAX_WITHIN: usize = 32;

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
            let of_name = has_word(&function.name, &leave.piece_words);
            let returned = scope.solution.returns.iter().map(|value| (*value, of_name));
            let kept = if leave.quoted { kept(&scope, leave) } else { vec![] };
            let is_page = |value: ValueId| !(is_of_sink(&scope, value) || !leave.quoted && is_parsed(&scope, value));
            for (value, piece) in returned.filter(|(value, _)| is_page(*value)).chain(kept) {
                let origins = leaving(&scope, leave, value, (handler, piece));
                if !origins.is_none() {
                    found.push((leave.rule, value, origins));
                }
            }
        }
        for (rule, value, origins) in found {
            report.add((rule, None), (id, value), Some((value, origins)));
        }
    }
}

/// Who has a say in what a value is more than it should be, where it is text that must not leave.
fn leaving(scope: &Scope<'_, '_>, leave: &Leave, value: ValueId, (handler, piece): (bool, bool)) -> Origins {
    let languages = &scope.solved.registry.languages;
    let numbers = if leave.quoted { numbers(scope) } else { Origins::NONE };
    let mut is_statement = false;
    let looked_at = if leave.quoted {
        texts(scope.fact(value))
    } else {
        sent(scope, value).map(|body| &body.text).into_iter().collect()
    };
    let holes = looked_at.into_iter().flat_map(Text::templates).filter_map(|template| {
        let whole = handler
            || languages.is_of(template, leave.language)
            || leave.quoted && languages.recognises(template, leave.language);
        if !(whole || piece && languages.recognises_piece(template, leave.language)) {
            return None;
        }
        if leave.quoted {
            is_statement |= whole;
            let values = languages.with_values_only(template, leave.language, numbers, !whole);
            return languages.injection(&values, leave.language);
        }
        languages.injection(template, leave.language)
    });
    let origins = holes.fold(Origins::NONE, |all, hole| all.union(hole.origins));
    if origins.is_none() && is_statement { of_pieces(scope, leave, value) } else { origins }
}

/// Who has a say in values within the pieces that a statement was put together of, where there were too many to tell them
/// apart in the whole.
fn of_pieces(scope: &Scope<'_, '_>, leave: &Leave, value: ValueId) -> Origins {
    let languages = &scope.solved.registry.languages;
    let slice = scope.slice(value);
    let pieces = slice.iter().filter(|one| {
        matches!(scope.function.op(**one), Op::Binary(..) | Op::Format(_) | Op::Call { .. })
            && !scope.fact(**one).text.origins().is_none()
            && scope.is_reached(scope.block(**one))
    });
    let quoted = pieces.flat_map(|one| scope.fact(*one).text.templates()).filter_map(|template| {
        let values = languages.with_values_only(template, leave.language, Origins::NONE, true);
        languages.injection(&values, leave.language)
    });
    quoted.fold(Origins::NONE, |all, hole| all.union(hole.origins))
}

/// The text that a value is, or the texts in it: a statement with its values beside it, a list of those.
fn texts(value: &Value) -> Vec<&Text> {
    let mut found = vec![&value.text];
    let mut level: Vec<&Value> = vec![value];
    for _ in 0..2 {
        let within = level.iter().filter_map(|one| one.items.as_deref());
        level = within.flat_map(|items| items.known.values().chain([&items.any])).take(MAX_WITHIN).collect();
        found.extend(level.iter().map(|one| &one.text));
    }
    found
}

/// What is kept for later in attributes, and added to lists of pieces; whether it may be a piece.
fn kept(scope: &Scope<'_, '_>, leave: &Leave) -> Vec<(ValueId, bool)> {
    let mut found = vec![];
    for instruction in &scope.function.values {
        match &instruction.op {
            _ if !scope.is_reached(instruction.block) => {}
            Op::SetAttribute(_, name, value) => found.push((*value, has_word(name, &leave.piece_words))),
            Op::Call { callee, arguments } => {
                let Some((list, "append" | "add")) = scope.method(*callee) else { continue };
                let Op::Attribute(_, name) = scope.function.op(scope.root(list)) else { continue };
                if has_word(name, &leave.piece_words) {
                    found.extend(arguments.iter().map(|one| (one.value, true)));
                }
            }
            _ => {}
        }
    }
    found
}

/// Parameters that are numbers by their annotation.
fn numbers(scope: &Scope<'_, '_>) -> Origins {
    let is_number = |index: usize| {
        let annotation = scope.function.parameters.get(index).and_then(|one| one.annotation.as_deref());
        matches!(annotation, Some("int" | "float" | "bool"))
    };
    let values = scope.function.values.iter().enumerate();
    let own = values.filter(|(_, one)| matches!(one.op, Op::Parameter(index) if is_number(index)));
    own.fold(Origins::NONE, |all, (i, _)| all.union(scope.fact(ValueId(i as u32)).origins()))
}

/// What a web framework sends of a value that is returned: of a tuple the first item, unless its headers say that it is no page.
fn sent<'a>(scope: &'a Scope<'_, '_>, value: ValueId) -> Option<&'a Value> {
    match scope.function.op(scope.root(value)) {
        Op::Display(Container::Tuple, items) => {
            let is_page = !items.iter().any(|(item, _)| is_other_type(scope.fact(*item)));
            items.first().filter(|_| is_page).map(|(body, _)| scope.fact(*body))
        }
        // WSGI (PEP 3333): a list of the pieces of an answer.
        Op::Display(Container::List, items) if is_wsgi(scope.function) => {
            items.first().map(|(piece, _)| scope.fact(*piece))
        }
        // A function of AWS Lambda behind a gateway: `{"statusCode": 200, "headers": {…}, "body": text}`.
        Op::Mapping(_) => {
            let known = scope.fact(value);
            let body = known.items.iter().find_map(|items| items.known.get(&Key::Text(Rc::from("body"))));
            let is_page = known.items.iter().flat_map(|items| items.known.values()).any(says_page);
            Some(body.filter(|_| is_page).unwrap_or(known))
        }
        _ => Some(scope.fact(value)),
    }
}

fn is_wsgi(function: &Function) -> bool {
    function.parameters.iter().any(|parameter| &*parameter.name == "start_response")
}

/// Whether a value is what a sink gives back (rows, for a statement): that is not the text that it was given.
fn is_of_sink(scope: &Scope<'_, '_>, value: ValueId) -> bool {
    let Op::Call { callee, .. } = scope.function.op(scope.root(value)) else { return false };
    scope.fact(*callee).paths().any(|path| !scope.solved.registry.sinks(path).is_empty())
}

/// Whether a value is what JSON was read into, which frameworks send as JSON: `return answer.json()`.
fn is_parsed(scope: &Scope<'_, '_>, value: ValueId) -> bool {
    let Op::Call { callee, .. } = scope.function.op(scope.root(value)) else { return false };
    let parses = |path: &Rc<str>| matches!(&**path, "json.loads" | "json.load");
    scope.fact(*callee).paths().any(parses)
        || scope.method(*callee).is_some_and(|(_, name)| matches!(name, "json" | "get_json"))
}

fn is_showing(function: &Function) -> bool {
    function.method_of.is_some() && SHOWING.contains(&&*function.name)
}
