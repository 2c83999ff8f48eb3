//! What the headers of an answer say it is: what is no page runs no script.

use crate::ssa::{Op, ValueId, origin};
use crate::taint::domain::{Key, Value};
use crate::taint::frame::Scope;

const HEADER: &str = "content-type";

/// Attributes of answers that say it as well.
const ATTRIBUTES: &[&str] = &["content_type", "mimetype", "media_type"];

/// Whether headers say that what they stand beside is no page.
pub(super) fn is_other_type(headers: &Value) -> bool {
    types(headers).any(is_no_page)
}

/// Whether headers say that it is one.
pub(super) fn says_page(headers: &Value) -> bool {
    types(headers).any(|kind| kind.text.literals().is_some_and(|kinds| kinds.iter().any(|kind| kind.contains("html"))))
}

/// What headers say of the type of what they stand beside.
fn types(headers: &Value) -> impl Iterator<Item = &Value> {
    let named = |key: &Key| matches!(key, Key::Text(name) if name.eq_ignore_ascii_case(HEADER));
    let all = headers.items.iter().flat_map(|items| &items.known);
    all.filter(move |(key, _)| named(key)).map(|(_, kind)| kind)
}

/// Whether the code that goes on from a call, without any choice, says of the answer it made that it is no page.
pub(super) fn is_typed_later(scope: &Scope<'_, '_>, call: ValueId) -> bool {
    let values = &scope.function.values;
    let is_answer = |value: ValueId| origin(values, value) == call;
    let names_type =
        |key: ValueId| scope.fact(key).text.as_literal().is_some_and(|name: &str| name.eq_ignore_ascii_case(HEADER));
    let block = scope.block(call);
    values.iter().filter(|one| one.block == block).any(|one| match &one.op {
        Op::WithItem(container, Some(key), stored) => {
            let headers = matches!(scope.function.op(origin(values, *container)),
                Op::Attribute(answer, name) if &**name == "headers" && is_answer(*answer));
            (headers || is_answer(*container)) && names_type(*key) && is_no_page(scope.fact(*stored))
        }
        Op::SetAttribute(answer, name, stored) => {
            is_answer(*answer) && ATTRIBUTES.contains(&&**name) && is_no_page(scope.fact(*stored))
        }
        _ => false,
    })
}

fn is_no_page(kind: &Value) -> bool {
    let kinds = kind.text.literals().filter(|_| kind.objects.is_empty());
    kinds.is_some_and(|kinds| !kinds.is_empty() && kinds.iter().all(|kind| !kind.contains("html")))
}
