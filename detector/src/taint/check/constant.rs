//! Calls that are wrong by a constant: whatever an attacker says, they do less than they seem to.

use std::rc::Rc;

use rustc_hash::FxHashSet as HashSet;

use super::breach::Report;
use crate::dotted::{last, split_last};
use crate::rules::{ConstantModel, Is};
use crate::ssa::{Argument, FunctionId, Op, Passing, Program, ValueId};
use crate::taint::domain::{Items, Key, Object, Value};
use crate::taint::frame::{Arguments, Scope};

pub(super) fn check(report: &mut Report<'_, '_>) {
    for index in 0..report.solved.program.functions.len() {
        let id = FunctionId(index as u32);
        let Some(scope) = Scope::new(report.solved, id) else { continue };
        let mut found = vec![];
        let module = if id == FunctionId(0) { named_by_content(&scope) } else { None };
        for (i, instruction) in scope.function.values.iter().enumerate() {
            if !scope.is_reached(instruction.block) || scope.is_over() {
                continue;
            }
            for act in acts(&scope, module, &instruction.op) {
                found.extend(wrong(&scope, &act).into_iter().map(|rule| (rule, ValueId(i as u32))));
            }
        }
        for (rule, value) in found {
            if report.wants(rule) {
                report.add((rule, None), (id, value), None);
            }
        }
    }
}

/// What an instruction calls or assigns to, in the words of the rules, and with what.
struct Act<'a> {
    path: Rc<str>,
    arguments: Vec<Argument>,
    facts: &'a [Value],
    /// Whether more arguments may come elsewhere: nothing counts as missing.
    open: bool,
    /// What `functools.partial` was given by name.
    bound: Option<&'a Items>,
}

fn positional(value: ValueId) -> Argument {
    Argument { passing: Passing::Positional, value }
}

/// The module that a unit stands for by the names that it binds itself: `django.conf.settings`.
fn named_by_content<'a>(scope: &Scope<'a, '_>) -> Option<&'a str> {
    let bound: HashSet<&str> = scope
        .function
        .values
        .iter()
        .filter_map(|one| match &one.op {
            Op::Store(cell, _) if cell.scope == FunctionId(0) => Some(&*cell.name),
            _ => None,
        })
        .collect();
    let is_one =
        |(_, names): &&(String, HashSet<String>)| bound.iter().filter(|name| names.contains(**name)).count() > 1;
    scope.solved.registry.modules_by_names.iter().find(is_one).map(|(module, _)| module.as_str())
}

/// All that an instruction does which a rule may be about; `module` is what the unit stands for.
fn acts<'a>(scope: &Scope<'a, '_>, module: Option<&str>, op: &Op) -> Vec<Act<'a>> {
    let facts = &scope.solution.facts[..];
    let stored = |path: String, value: ValueId| Act {
        path: Rc::from(path),
        arguments: vec![positional(value)],
        facts,
        open: false,
        bound: None,
    };
    let set = |object: &Value, name: &str, value: ValueId| {
        let of = |path: Rc<str>| stored(format!("{path}.{name}="), value);
        owners(scope.solved.program, object).into_iter().map(of).collect::<Vec<_>>()
    };
    // `app.config["DEBUG"] = True`
    let set_entry = |mapping: &Value, name: &str, value: ValueId| {
        mapping.paths().map(|path| stored(format!("{path}[{name}]="), value)).collect::<Vec<_>>()
    };
    match op {
        Op::Store(cell, value) if cell.scope == FunctionId(0) => {
            module.map(|module| stored(format!("{module}.{}=", cell.name), *value)).into_iter().collect()
        }
        Op::SetAttribute(object, name, value) => set(scope.fact(*object), name, *value),
        // `vars(object)["name"] = value`
        Op::WithItem(fields, Some(key), value) => {
            match (namespace(scope.fact(*fields)), scope.fact(*key).text.as_literal()) {
                (Some(object), Some(name)) => set(&object, name, *value),
                (None, Some(name)) => set_entry(scope.fact(*fields), name, *value),
                _ => vec![],
            }
        }
        Op::Call { callee, arguments } => calls(scope, *callee, arguments, &set, &set_entry),
        _ => vec![],
    }
}

/// The object whose attributes a mapping is.
fn namespace(value: &Value) -> Option<Value> {
    let owners = value.paths().filter_map(|path| path.strip_suffix(".__dict__"));
    let objects: crate::few::Few<Object> = owners.map(|owner| Object::Path(Rc::from(owner))).collect();
    (!objects.is_empty()).then_some(Value { objects, ..Value::default() })
}

/// What it is for an attribute or an entry of a value to be set: the value, the name, what it is set to.
type Set<'s, 'a> = &'s dyn Fn(&Value, &str, ValueId) -> Vec<Act<'a>>;

fn calls<'a>(
    scope: &Scope<'a, '_>,
    callee: ValueId,
    arguments: &[Argument],
    set: Set<'_, 'a>,
    set_entry: Set<'_, 'a>,
) -> Vec<Act<'a>> {
    let facts = &scope.solution.facts[..];
    let program = scope.solved.program;
    let known = scope.fact(callee);
    let mut acts = vec![];
    // What `functools.partial` was given by name stays with the function.
    let kept = known.items.as_deref().filter(|items| !items.known.is_empty());
    let bound = kept.is_some();
    for path in called(program, known).into_iter().chain(of_super(scope, callee)) {
        let mut act = |from: usize, path: &str, open: bool| {
            if !scope.solved.registry.constants(path).is_empty() {
                let arguments = arguments.get(from..).unwrap_or_default().to_vec();
                acts.push(Act { path: Rc::from(path), arguments, facts, open, bound: kept });
            }
        };
        match (&*path, arguments) {
            ("setattr" | "object.__setattr__", [object, name, value, ..]) => {
                if let Some(name) = scope.fact(name.value).text.as_literal() {
                    acts.extend(set(scope.fact(object.value), name, value.value));
                }
            }
            (partial, [function, ..]) if PARTIAL.contains(&partial) => {
                for path in called(program, scope.fact(function.value)) {
                    act(1, &path, true);
                }
            }
            _ => {
                // `Class.method(object, …)` and `Class.__init__(self, …)`
                if let Some((class, method)) = split_last(&path) {
                    match class.strip_suffix("()") {
                        Some(class) if method == "__init__" => act(0, class, bound),
                        None if method == "__init__" => act(1, class, bound),
                        None if is_class_name(class) => act(1, &format!("{class}().{method}"), bound),
                        _ => {}
                    }
                }
                act(0, &path, bound);
            }
        }
    }
    // `vars(object).update(name=value)`, `app.config.from_mapping(NAME=value)`
    if let Some((fields, "update" | "from_mapping")) = scope.method(callee) {
        let object = namespace(scope.fact(fields));
        for argument in arguments {
            match (&argument.passing, &object) {
                (Passing::Keyword(name), Some(object)) => acts.extend(set(object, name, argument.value)),
                (Passing::Keyword(name), None) => acts.extend(set_entry(scope.fact(fields), name, argument.value)),
                _ => {}
            }
        }
    }
    // What is handed over is called by whom it is handed to: only a call that is wrong whatever it is given counts.
    for argument in arguments {
        for path in scope.fact(argument.value).paths() {
            let always = |(_, model): &&(usize, ConstantModel)| model.argument.is_none() && !path.ends_with("()");
            if scope.solved.registry.constants(path).iter().find(always).is_some() {
                acts.push(Act { path: path.clone(), arguments: arguments.to_vec(), facts, open: true, bound: None });
            }
        }
    }
    acts
}

/// `super().name` in a method: members of the classes from elsewhere that its class is made from.
fn of_super(scope: &Scope<'_, '_>, callee: ValueId) -> Vec<Rc<str>> {
    let (Some((object, name)), Some(class)) = (scope.method(callee), scope.function.method_of) else { return vec![] };
    let Op::Call { callee, .. } = scope.function.op(scope.root(object)) else { return vec![] };
    let is_super = scope.fact(*callee).paths().any(|path| &**path == "super");
    let bases = scope.solved.program.foreign_bases(class).filter(|_| is_super);
    bases.map(|base| Rc::from(format!("{base}().{name}"))).collect()
}

/// Calls that give a function with some of its arguments.
const PARTIAL: &[&str] = &["functools.partial", "functools.partialmethod"];

fn is_class_name(path: &str) -> bool {
    last(path).starts_with(|char: char| char.is_ascii_uppercase())
}

/// Paths of what a call of a value calls: a class of the program without a constructor of its own is made by that of its base.
fn called(program: &Program, value: &Value) -> Vec<Rc<str>> {
    let mut paths: Vec<Rc<str>> = value.paths().cloned().collect();
    for object in &value.objects {
        if let Object::Class(class) = object
            && program.method(*class, "__init__").is_none()
        {
            paths.extend(program.foreign_bases(*class).cloned());
        }
    }
    paths
}

/// Paths of the objects whose attributes are those of a value: what is set on a class holds for its objects.
fn owners(program: &Program, value: &Value) -> Vec<Rc<str>> {
    let mut paths = vec![];
    for object in &value.objects {
        match object {
            Object::Path(path) => {
                paths.push(path.clone());
                if is_class_name(path) {
                    paths.push(Rc::from(format!("{path}()")));
                }
            }
            Object::Instance(class) | Object::Class(class) => {
                paths.extend(program.foreign_bases(*class).map(|base| Rc::from(format!("{base}()"))));
            }
            Object::Function(_) | Object::Method(_) => paths.push(Rc::from("?")),
            _ => {}
        }
    }
    paths
}

/// The rules by which an act is wrong.
fn wrong(scope: &Scope<'_, '_>, act: &Act<'_>) -> Vec<usize> {
    let models = scope.solved.registry.constants(&act.path);
    let is_one = |(_, model): &&(usize, ConstantModel)| is_wrong(model, act, scope.solved.program);
    models.iter().filter(is_one).map(|(rule, _)| *rule).collect()
}

fn is_wrong(model: &ConstantModel, act: &Act<'_>, program: &Program) -> bool {
    let given = Arguments::new(&act.arguments, act.facts);
    let before = |name: &str| act.bound?.known.get(&Key::Text(Rc::from(name)));
    let cleared = model.unless.iter().any(|(name, truth)| {
        given.keyword(name).or_else(|| before(name)).is_some_and(|value| {
            let (may_hold, may_fail) = value.truth();
            if *truth { !may_fail } else { !may_hold }
        })
    });
    if cleared {
        return false;
    }
    if let Some(of) = &model.of {
        let is_listed = |value: &Value| {
            let texts = value.text.literals().unwrap_or_default();
            texts.iter().any(|text| of.paths.iter().any(|own| own == text))
                || value.paths().any(|path| of.paths.iter().any(|own| **own == **path))
        };
        if !given.positional(of.at).is_some_and(is_listed) {
            return false;
        }
    }
    let Some(meant) = &model.argument else { return true };
    let argument = meant
        .at
        .and_then(|at| given.positional(at))
        .or_else(|| meant.names.iter().find_map(|name| given.keyword(name)));
    if let Some(value) = argument {
        return matches_any(&model.is, value, program);
    }
    let mut passed = act.arguments.iter().map(|one| &one.passing);
    model.is.missing && !act.open && !passed.any(|passing| matches!(passing, Passing::Star | Passing::DoubleStar))
}

/// Whether a value can only be what it must not be.
fn matches_any(is: &Is, value: &Value, program: &Program) -> bool {
    let is_default = is.but_none && value.objects.contains(&Object::Nothing);
    if let Some(truth) = is.truth.filter(|_| !is_default) {
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
            && (items.known.values().any(|one| one.text.as_literal().is_some_and(listed))
                || items.any.text.templates().iter().any(|form| form.as_literal().is_some_and(listed)))
        {
            return true;
        }
    }
    let is_path = |path: &str| is.paths.iter().any(|own| own == path);
    let entries = value.items.iter().flat_map(|items| items.any.paths());
    if value.paths().chain(entries).any(|path| is_path(path)) {
        return true;
    }
    // An object of the program whose class is made from one of these.
    let is_made_from = |object: &Object| match object {
        Object::Class(class) => program.foreign_bases(*class).any(|base| is_path(base)),
        Object::Instance(class) => program.foreign_bases(*class).any(|base| is_path(&format!("{base}()"))),
        _ => false,
    };
    if !is.paths.is_empty() && value.objects.iter().any(is_made_from) {
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
