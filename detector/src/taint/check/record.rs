//! Records of the program in the hands of callers: fields that they name, templates that they write.

use super::breach::Breach;
use super::guards::{invoked, is_empty_test};
use super::words::has_word;
use crate::dotted::last;
use crate::rules::ObligationModel;
use crate::ssa::{Argument, BinaryOp, CompareOp, Op, ParameterKind, Passing, Terminator, ValueId};
use crate::taint::domain::{Object, Value};
use crate::taint::frame::{Scope, Test};
use crate::taint::store::OriginTable;
use crate::text::Origins;
use real_detector_api::OriginKind;

/// A parameter that holds one thing, and is not the object itself.
fn plain_parameter(scope: &Scope<'_, '_>, value: ValueId) -> Option<usize> {
    let index = scope.as_parameter(value)?;
    let own = usize::from(scope.function.method_of.is_some());
    (index >= own && scope.function.parameters[index].kind == ParameterKind::Normal).then_some(index)
}

/// Fields that a caller names, set on what another parameter is.
pub(super) fn field_copies(scope: &Scope<'_, '_>) -> Vec<Breach> {
    let mut found = vec![];
    for (i, instruction) in scope.function.values.iter().enumerate() {
        if !scope.is_reached(instruction.block) {
            continue;
        }
        let copied = match &instruction.op {
            Op::Call { callee, arguments } => whole_copy(scope, *callee, arguments),
            Op::WithItem(container, Some(key), item) => named_field(scope, *container, *key, *item),
            _ => None,
        };
        let Some((record, fields, key)) = copied else { continue };
        let about_other = |(condition, truth): Test| {
            let asked = scope.parameters_in(&scope.slice(condition));
            let other = asked.iter().any(|index| *index != record && *index != fields);
            let slice = scope.slice(condition);
            let as_set = asked.contains(&fields) && slice.iter().any(|one| compares_sets(scope, *one));
            as_set || other && !is_void(scope, condition) && lets_pass(scope, condition, truth)
        };
        if !scope.tests(instruction.block).into_iter().any(about_other) {
            found.push((ValueId(i as u32), Some((key, scope.fact(key).origins()))));
        }
    }
    found
}

/// Methods of models that set the fields which they are given by name.
const SET_FIELDS: &[&str] = &["create", "update", "get_or_create", "update_or_create", "insert", "values"];
/// Last names of classes that others make models from.
const MODELS: &[&str] = &["Model", "Base", "Document", "EmbeddedDocument", "DeclarativeBase", "SQLModel"];

/// Fields of a model that whoever sends a request names: `User(**request.json)`, `users.update(**request.form)`,
/// `setattr(user, name, …)` for each that is sent.
pub(super) fn sent_fields(scope: &Scope<'_, '_>) -> Vec<Breach> {
    let mut found = vec![];
    for (i, instruction) in scope.function.values.iter().enumerate().filter(|(_, one)| scope.is_reached(one.block)) {
        let Op::Call { callee, arguments } = &instruction.op else { continue };
        let fields = match invoked(scope, *callee, arguments) {
            Some((object, "update", [one])) if one.passing == Passing::Positional => {
                Some(one.value).filter(|_| is_fields_of(scope, object))
            }
            _ if scope.fact(*callee).paths().any(|path| &**path == "setattr") => {
                let key = arguments.get(1).map(|one| scope.root(one.value));
                key.and_then(|key| iterated(scope, key))
            }
            _ if sets_fields(scope, *callee) => {
                arguments.iter().find(|one| one.passing == Passing::DoubleStar).map(|one| one.value)
            }
            _ => None,
        };
        let Some(fields) = fields.filter(|fields| is_sent_whole(scope, *fields)) else { continue };
        let is_listed = |(condition, _): Test| scope.slice(condition).iter().any(|one| looks_at_names(scope, *one));
        if !scope.tests(instruction.block).into_iter().any(is_listed) {
            found.push((ValueId(i as u32), Some((fields, scope.fact(fields).origins()))));
        }
    }
    found
}

/// Whether names are looked up in a list, or compared with one.
fn looks_at_names(scope: &Scope<'_, '_>, value: ValueId) -> bool {
    match scope.function.op(value) {
        // Not whether one name is there: `"email" in request.json`.
        Op::Compare(CompareOp::In | CompareOp::NotIn, left, _) => scope.as_text(*left).is_none(),
        _ => compares_sets(scope, value),
    }
}

/// Whether a call makes or changes an object of a model by the names of its arguments.
fn sets_fields(scope: &Scope<'_, '_>, callee: ValueId) -> bool {
    // Python's own mappings have an `update` as well.
    if scope.method(callee).is_some_and(|(on, name)| SET_FIELDS.contains(&name) && scope.fact(on).items.is_none()) {
        return true;
    }
    let program = scope.solved.program;
    scope.fact(callee).objects.iter().any(|object| match object {
        Object::Class(class) => program.foreign_bases(*class).any(|base| MODELS.contains(&last(base))),
        Object::Path(path) => {
            let of_models = path.split('.').rev().skip(1).any(|part| part == "models");
            of_models && last(path).starts_with(|char: char| char.is_ascii_uppercase())
        }
        _ => false,
    })
}

/// `user.__dict__`, `vars(user)`
fn is_fields_of(scope: &Scope<'_, '_>, object: ValueId) -> bool {
    match scope.function.op(scope.root(object)) {
        Op::Attribute(_, name) => &**name == "__dict__",
        Op::Call { callee, .. } => scope.fact(*callee).paths().any(|path| &**path == "vars"),
        _ => false,
    }
}

/// Whether a value is what a request holds as a whole: its form, its JSON, with whatever names are in it.
fn is_sent_whole(scope: &Scope<'_, '_>, value: ValueId) -> bool {
    const PARTS: &[&str] =
        &["json", "form", "args", "values", "POST", "GET", "data", "query_params", "params", "query", "body"];
    const SAME: &[&str] = &[
        "get_json", "json", "form", "to_dict", "dict", "copy", "loads", "post", "items", "decode", "get_data", "read",
    ];
    let mut at = scope.root(value);
    for _ in 0..6 {
        let sent = OriginTable::kinds(scope.fact(at).origins()).contains(&OriginKind::Attacker);
        at = match scope.function.op(at) {
            _ if !sent => return false,
            Op::Attribute(request, name) if PARTS.contains(&&**name) && is_request(scope, *request) => return true,
            Op::Call { callee, arguments } => match (scope.method(*callee), arguments.first()) {
                (Some((request, "get_json" | "json" | "form" | "post" | "body" | "get_data" | "read")), _)
                    if is_request(scope, request) =>
                {
                    return true;
                }
                (Some((object, "decode")), _) => scope.root(object),
                (Some((object, name)), None) if SAME.contains(&name) => scope.root(object),
                (_, Some(one)) if scope.fact(*callee).paths().any(|path| SAME.contains(&last(path))) => {
                    scope.root(one.value)
                }
                _ => return false,
            },
            // `request.get_json() or {}`
            Op::Logic(_, parts) => scope.root(*parts.first().unwrap_or(&value)),
            _ => return false,
        };
    }
    false
}

/// Whether a value is a request that came in.
fn is_request(scope: &Scope<'_, '_>, value: ValueId) -> bool {
    scope.fact(value).paths().any(|path| scope.solved.registry.source(path).is_some())
}

/// What a loop runs over that gives a name.
fn iterated(scope: &Scope<'_, '_>, name: ValueId) -> Option<ValueId> {
    let mut at = scope.root(name);
    if let Op::Item(pair, 0) = scope.function.op(at) {
        at = scope.root(*pair);
    }
    if let Op::Element(iterated) = scope.function.op(at) { Some(same_entries(scope, *iterated)) } else { None }
}

/// Whether names are compared as sets, or one by one: `set(fields) - ALLOWED`, `fields.keys() <= ALLOWED`, `all(…)`.
fn compares_sets(scope: &Scope<'_, '_>, value: ValueId) -> bool {
    match scope.function.op(value) {
        Op::Binary(BinaryOp::Difference | BinaryOp::SetLike | BinaryOp::Intersection, ..)
        | Op::Compare(CompareOp::Order, ..) => true,
        Op::Call { callee, .. } => scope
            .fact(*callee)
            .paths()
            .any(|path| matches!(last(path), "all" | "any" | "issubset" | "difference" | "isdisjoint")),
        _ => false,
    }
}

/// Whether an outcome is a consent: `is_admin`, `role == "admin"`, not its absence.
fn lets_pass(scope: &Scope<'_, '_>, condition: ValueId, truth: bool) -> bool {
    match scope.function.op(scope.root(condition)) {
        Op::Not(inner) => lets_pass(scope, *inner, !truth),
        Op::Compare(CompareOp::NotEqual | CompareOp::NotIn | CompareOp::IsNot, ..) => !truth,
        Op::Logic(_, parts) => parts.iter().any(|part| lets_pass(scope, *part, truth)),
        _ => truth,
    }
}

/// `record.update(fields)`, `record.__dict__.update(fields)`, `setattr(record, name, …)`
fn whole_copy(scope: &Scope<'_, '_>, callee: ValueId, arguments: &[Argument]) -> Option<(usize, usize, ValueId)> {
    let given = |index: usize| {
        arguments.get(index).filter(|one| matches!(one.passing, Passing::Positional)).map(|one| one.value)
    };
    if let Some((object, "__setattr__" | "__setitem__", [name, _])) = invoked(scope, callee, arguments) {
        let (record, fields) = (plain_parameter(scope, object)?, iterated_parameter(scope, name.value)?);
        let chosen = !scope.fact(name.value).origins().is_none();
        return (chosen && record != fields).then_some((record, fields, name.value));
    }
    if scope.fact(callee).paths().any(|path| &**path == "setattr") {
        let (record, key) = (plain_parameter(scope, given(0)?)?, given(1)?);
        let fields = iterated_parameter(scope, key)?;
        let chosen = !scope.fact(key).origins().is_none();
        return (chosen && record != fields).then_some((record, fields, key));
    }
    let (object, "update", [given]) = invoked(scope, callee, arguments)? else { return None };
    let object = match scope.function.op(scope.root(object)) {
        Op::Attribute(inner, name) if &**name == "__dict__" => *inner,
        Op::Call { callee, arguments } if scope.fact(*callee).paths().any(|path| &**path == "vars") => {
            arguments.first()?.value
        }
        _ => object,
    };
    if !matches!(given.passing, Passing::Positional | Passing::DoubleStar) {
        return None;
    }
    let (record, argument) = (plain_parameter(scope, object)?, given.value);
    let fields = plain_parameter(scope, same_entries(scope, argument))?;
    let chosen = !scope.fact(argument).origins().is_none();
    (chosen && record != fields).then_some((record, fields, argument))
}

/// `record[name] = value` with a name from what a caller sends.
fn named_field(
    scope: &Scope<'_, '_>,
    container: ValueId,
    key: ValueId,
    item: ValueId,
) -> Option<(usize, usize, ValueId)> {
    let record = base_parameter(scope, container)?;
    let fields = iterated_parameter(scope, key)?;
    let made_of = scope.parameters_in(&scope.slice(item));
    let chosen = !scope.fact(key).origins().is_none();
    let copied = made_of.contains(&fields) && !made_of.contains(&record);
    (chosen && copied && record != fields).then_some((record, fields, key))
}

/// The parameter whose object a value is, however changed.
fn base_parameter(scope: &Scope<'_, '_>, value: ValueId) -> Option<usize> {
    let mut work = vec![scope.root(value)];
    let mut seen = vec![];
    let mut found = None;
    while let Some(at) = work.pop() {
        if seen.contains(&at) || seen.len() > 64 {
            continue;
        }
        seen.push(at);
        match scope.function.op(at) {
            Op::WithItem(container, ..) | Op::Mutated(container, _) => work.push(scope.root(*container)),
            Op::Phi(operands) | Op::Join(operands) => work.extend(operands.iter().map(|operand| scope.root(*operand))),
            Op::Parameter(_) if found.is_none() || found == Some(at) => found = Some(at),
            _ => return None,
        }
    }
    plain_parameter(scope, found?)
}

/// The parameter over whose entries a loop runs that gives a name.
fn iterated_parameter(scope: &Scope<'_, '_>, name: ValueId) -> Option<usize> {
    let mut at = scope.root(name);
    if let Op::Item(pair, 0) = scope.function.op(at) {
        at = scope.root(*pair);
    }
    let iterated = match scope.function.op(at) {
        Op::Element(iterated) => *iterated,
        Op::Call { callee, arguments } if scope.fact(*callee).paths().any(|path| &**path == "next") => {
            arguments.first()?.value
        }
        _ => return None,
    };
    let iterated = same_entries(scope, iterated);
    match scope.function.op(iterated) {
        Op::Call { callee, .. } => {
            let (object, "items" | "keys") = scope.method(*callee)? else { return None };
            plain_parameter(scope, object)
        }
        _ => plain_parameter(scope, iterated),
    }
}

/// What a copy, a list or an iterator goes through.
fn same_entries(scope: &Scope<'_, '_>, value: ValueId) -> ValueId {
    const SAME: &[&str] = &["dict", "list", "tuple", "set", "sorted", "reversed", "iter", "copy.copy", "copy.deepcopy"];
    let mut at = scope.root(value);
    for _ in 0..4 {
        match scope.function.op(at) {
            Op::Call { callee, arguments } if scope.fact(*callee).paths().any(|path| SAME.contains(&&**path)) => {
                let Some(one) = arguments.first() else { break };
                at = scope.root(one.value);
            }
            _ => break,
        }
    }
    at
}

/// `template.format(record)` with a template that a caller writes: `{0.__init__.__globals__}` reads whatever it likes.
pub(super) fn callers_templates(scope: &Scope<'_, '_>) -> Vec<Breach> {
    let mut found = vec![];
    for (i, instruction) in scope.function.values.iter().enumerate() {
        let Op::Call { callee, arguments } = &instruction.op else { continue };
        let (template, arguments) = match invoked(scope, *callee, arguments) {
            Some((template, "format" | "format_map", arguments)) if !is_formatter(scope, template) => {
                (template, arguments)
            }
            Some((formatter, "format" | "vformat", [template, rest @ ..])) if is_formatter(scope, formatter) => {
                (template.value, rest)
            }
            _ => continue,
        };
        let known = scope.fact(template);
        let written =
            known.objects.is_empty() || known.paths().any(|path| scope.solved.registry.source(path).is_some());
        let origins = known.text.origins();
        if !scope.is_reached(instruction.block) || origins.is_none() || !written || known.text.literals().is_some() {
            continue;
        }
        if !starts_open(known) {
            continue;
        }
        if arguments.iter().any(|argument| has_record(scope, argument.value)) {
            found.push((ValueId(i as u32), Some((template, origins))));
        }
    }
    found
}

/// Whether an attacker may write a brace into a template.
fn starts_open(template: &Value) -> bool {
    let braces = crate::text::CharSet::of("{}");
    template.text.templates().iter().any(|form| {
        form.0.iter().any(|part| match part {
            crate::text::Part::Hole(hole) => !hole.origins.is_none() && braces.within(hole.chars),
            crate::text::Part::Literal(_) => false,
        })
    })
}

/// `string.Formatter()`, whose methods get the template as an argument.
fn is_formatter(scope: &Scope<'_, '_>, value: ValueId) -> bool {
    scope.fact(value).paths().any(|path| &**path == "string.Formatter()")
}

/// Whether a value is an object of the program, or holds one where arguments are put together.
fn has_record(scope: &Scope<'_, '_>, value: ValueId) -> bool {
    match scope.function.op(scope.root(value)) {
        Op::Mapping(items) => items.iter().any(|(_, item)| is_record(scope, *item)),
        Op::Display(_, items) => items.iter().any(|(item, _)| is_record(scope, *item)),
        Op::Call { callee, arguments } if scope.fact(*callee).paths().any(|path| &**path == "dict") => {
            arguments.iter().any(|one| is_record(scope, one.value))
        }
        _ => is_record(scope, value),
    }
}

/// Whether a value is an object of the program whose attributes a template could read.
fn is_record(scope: &Scope<'_, '_>, value: ValueId) -> bool {
    let known = scope.fact(value);
    if known.is_number()
        || known.text.literals().is_some()
        || !known.origins().known().is_none()
        || is_proxy(scope, known)
    {
        return false;
    }
    let root = scope.root(value);
    match scope.function.op(root) {
        Op::Attribute(object, _) => !is_proxy(scope, scope.fact(*object)),
        Op::Subscript(..) | Op::Element(_) | Op::Item(..) => true,
        Op::Call { callee, .. } => {
            let named_as_class = |path: &str| last(path).starts_with(|char: char| char.is_ascii_uppercase());
            scope.fact(*callee).objects.iter().any(|object| match object {
                Object::Class(_) => true,
                Object::Path(path) => named_as_class(path) || &**path == "vars",
                _ => false,
            }) || scope.method(*callee).is_some_and(|(_, name)| name == "get")
        }
        _ => known.objects.iter().any(|object| matches!(object, Object::Instance(_))),
    }
}

/// Whether an object decides itself which of its attributes are read.
fn is_proxy(scope: &Scope<'_, '_>, value: &Value) -> bool {
    let program = scope.solved.program;
    let decides = |object: &Object| match object {
        Object::Instance(class) => {
            let decides = |name: &&str| {
                let method = program.method(*class, name).map(|method| program.function(method));
                method.is_some_and(|method| {
                    method
                        .blocks
                        .iter()
                        .any(|block| matches!(block.terminator, Terminator::Stop | Terminator::Branch { .. }))
                })
            };
            ["__getattr__", "__getattribute__"].iter().any(decides)
        }
        _ => false,
    };
    !value.objects.is_empty() && value.objects.iter().all(decides)
}

/// A template that is bound nowhere in the program, filled in with what is one piece in no language.
pub(super) fn unseen_templates(scope: &Scope<'_, '_>, model: &ObligationModel) -> Vec<Breach> {
    let registry = scope.solved.registry;
    let languages: Vec<usize> = model.languages.iter().filter_map(|id| registry.languages.index(id)).collect();
    let is_returned = |call| scope.solution.returns.iter().any(|value| scope.slice(*value).contains(&call));
    let mut found = vec![];
    for (i, instruction) in scope.function.values.iter().enumerate() {
        let call = ValueId(i as u32);
        let filled: Vec<ValueId> = match &instruction.op {
            Op::Call { callee, arguments } => match invoked(scope, *callee, arguments) {
                Some((template, "format" | "format_map", arguments)) if is_unseen(scope, template) => {
                    arguments.iter().map(|one| one.value).collect()
                }
                Some((template, "replace", [mark, value]))
                    if is_unseen(scope, template) && is_mark(scope, mark.value) =>
                {
                    vec![value.value]
                }
                _ => continue,
            },
            Op::Binary(crate::ssa::BinaryOp::Modulo, template, values) if is_unseen(scope, *template) => vec![*values],
            _ => continue,
        };
        if !scope.is_reached(instruction.block) || !is_returned(call) {
            continue;
        }
        for value in filled {
            let text = scope.fact(value).to_text();
            let origins = text.origins();
            let contained = |language: &usize| {
                text.templates().iter().all(|template| registry.languages.contains(template, *language))
            };
            if !origins.is_none() && !is_annotated_number(scope, value) && !languages.iter().any(contained) {
                found.push((call, Some((value, origins))));
                break;
            }
        }
    }
    found
}

/// What marks a place in a template: `{name}`, `$name`, `<!-- name -->`.
fn is_mark(scope: &Scope<'_, '_>, value: ValueId) -> bool {
    scope.as_text(value).is_some_and(|text| text.len() > 2 && text.starts_with(['{', '$', '%', '<', '[', '@']))
}

/// A name that nothing in the program binds.
fn is_unseen(scope: &Scope<'_, '_>, value: ValueId) -> bool {
    match scope.function.op(scope.root(value)) {
        Op::Path(path) | Op::Unbound(path) => !path.contains('.') && &**path != "str",
        _ => false,
    }
}

fn is_annotated_number(scope: &Scope<'_, '_>, value: ValueId) -> bool {
    scope.as_parameter(value).is_some_and(|index| {
        let annotation = scope.function.parameters[index].annotation.as_deref();
        matches!(annotation, Some("int" | "float" | "bool"))
    })
}

/// `any(word in text for word in ALLOWED)` lets every text pass that has an allowed one in it.
pub(super) fn substring_tests(scope: &Scope<'_, '_>, model: &ObligationModel) -> Vec<Breach> {
    let mut found = vec![];
    for (block, returned) in super::guards::returns(scope) {
        let Some(parameter) = plain_parameter(scope, returned) else { continue };
        if scope.fact(returned).origins().is_none() {
            continue;
        }
        for (condition, truth) in scope.tests(block) {
            let (condition, truth) = match scope.function.op(scope.root(condition)) {
                Op::Not(inner) => (*inner, !truth),
                _ => (condition, truth),
            };
            let root = scope.root(condition);
            if truth && asks_for_part(scope, root, parameter, model) {
                found.push((root, Some((returned, Origins(scope.fact(returned).origins().0)))));
            }
        }
    }
    found
}

/// Whether a condition holds as soon as something allowed occurs in a parameter.
fn asks_for_part(scope: &Scope<'_, '_>, condition: ValueId, parameter: usize, model: &ObligationModel) -> bool {
    const SEARCHES: &[&str] = &["find", "rfind", "index", "count", "__contains__"];
    let is_text = |value: ValueId| scope.as_parameter(value) == Some(parameter);
    let is_allowed = |value: ValueId| match scope.function.op(scope.root(value)) {
        Op::Element(list) => is_allow_list(scope, *list, model),
        _ => false,
    };
    let searches = |value: ValueId| match scope.function.op(scope.root(value)) {
        Op::Compare(CompareOp::In, word, text) => is_text(*text) && is_allowed(*word),
        Op::Call { callee, arguments } => match (scope.method(*callee), &arguments[..]) {
            (Some((text, name)), [word]) => SEARCHES.contains(&name) && is_text(text) && is_allowed(word.value),
            _ => false,
        },
        _ => false,
    };
    match scope.function.op(condition) {
        Op::Call { callee, arguments } => {
            let counts =
                scope.fact(*callee).paths().any(|path| matches!(&**path, "any" | "sum" | "bool" | "len" | "max"));
            let Some(Op::Comprehension { result, .. }) =
                arguments.first().map(|one| scope.function.op(scope.root(one.value)))
            else {
                return searches(condition);
            };
            counts && scope.slice(*result).iter().any(|one| searches(*one))
        }
        Op::Compare(CompareOp::Order | CompareOp::NotEqual, left, right) => searches(*left) || searches(*right),
        // A list of allowed words that is one text: any part of it is in it.
        Op::Compare(CompareOp::In, text, list) => {
            let one_text = |list: ValueId| {
                let known = scope.fact(list);
                known.items.is_none() && known.text.as_literal().is_some_and(|text| !text.is_empty())
            };
            is_text(*text) && is_allow_list(scope, *list, model) && one_text(*list) || searches(condition)
        }
        _ => false,
    }
}

/// Whether a condition comes out the same whatever there is.
fn is_void(scope: &Scope<'_, '_>, condition: ValueId) -> bool {
    // A parameter by itself says yes or no here: `is_admin`.
    scope.as_parameter(condition).is_none()
        && !matches!(scope.function.op(scope.root(condition)), Op::Not(inner) if scope.as_parameter(*inner).is_some())
        && is_empty_test(scope, condition)
}

/// Whether the name of a list says that it lists what is allowed.
fn is_allow_list(scope: &Scope<'_, '_>, list: ValueId, model: &ObligationModel) -> bool {
    match scope.function.op(scope.root(list)) {
        Op::Path(path) | Op::Unbound(path) => has_word(path, &model.words),
        Op::Load(cell) => has_word(&cell.name, &model.words),
        Op::Parameter(index) => has_word(&scope.function.parameters[*index].name, &model.words),
        Op::Attribute(_, name) => has_word(name, &model.words),
        _ => false,
    }
}
