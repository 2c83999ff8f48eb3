//! What a sink is about, and who can change what it does.

use std::borrow::Cow;
use std::rc::Rc;

use crate::dotted::last;
use crate::rules::{Condition, Part, Sink, Whose};
use crate::ssa::{Argument, Function, FunctionId, Op, Passing, Program, Terminator, ValueId, origin};
use crate::taint::domain::{Items, Key, Object, Value, languages};
use crate::taint::frame::{Arguments, fact};
use crate::taint::store::{OriginTable, Solved};
use crate::text::{Origins, Part as TextPart, Template, Text};
use real_detector_api::OriginKind;

/// What an instruction does with values: what it is done to, under which paths sinks know it, and with which arguments.
pub(super) type Done<'a> = (Option<ValueId>, Vec<Rc<str>>, Cow<'a, [Argument]>);

/// Calls, and assignments to attributes and entries.
pub(super) fn done<'a>(op: &'a Op, facts: &[Value], function: &'a Function, program: &Program) -> Option<Done<'a>> {
    let plain = |value: &ValueId| Argument { passing: Passing::Positional, value: *value };
    let named = |object: ValueId, end: &str| -> Vec<Rc<str>> {
        fact(facts, object).paths().map(|path| Rc::from(format!("{path}{end}"))).collect()
    };
    match op {
        Op::Call { callee, arguments } => {
            let receiver = match function.op(origin(&function.values, *callee)) {
                Op::Attribute(object, _) => Some(*object),
                _ => None,
            };
            let called = fact(facts, *callee);
            let mut paths: Vec<Rc<str>> = called.paths().cloned().collect();
            // `headers.__setitem__(name, value)` is `headers[name] = value`.
            let entries = paths.iter().filter_map(|path| path.strip_suffix(".__setitem__"));
            let entries: Vec<Rc<str>> = entries.map(|object| Rc::from(format!("{object}[]="))).collect();
            paths.extend(entries);
            for object in &called.objects {
                paths.extend(made_by(program, object));
            }
            if let Some(object) = receiver.filter(|_| paths.iter().any(|path| path.ends_with("super().__init__")))
                && is_super(function, facts, object)
                && let Some(class) = function.method_of
            {
                paths.extend(program.foreign_bases(class).cloned());
            }
            Some((receiver, paths, Cow::Borrowed(arguments)))
        }
        Op::SetAttribute(object, name, stored) => {
            Some((None, named(*object, &format!(".{name}=")), Cow::Owned(vec![plain(stored)])))
        }
        Op::WithItem(container, Some(key), item) => {
            Some((None, named(*container, "[]="), Cow::Owned(vec![plain(key), plain(item)])))
        }
        _ => None,
    }
}

/// Constructors from elsewhere that a call of a class of the program runs, unless its own methods refuse something.
fn made_by(program: &Program, object: &Object) -> Vec<Rc<str>> {
    let Object::Class(class) = object else { return vec![] };
    let refuses =
        |method: &FunctionId| program.function(*method).blocks.iter().any(|block| block.terminator == Terminator::Stop);
    let own = program.method(*class, "__init__").is_some() || program.class(*class).methods.values().any(refuses);
    if own { vec![] } else { program.foreign_bases(*class).cloned().collect() }
}

fn is_super(function: &Function, facts: &[Value], object: ValueId) -> bool {
    match function.op(origin(&function.values, object)) {
        Op::Call { callee, .. } => fact(facts, *callee).paths().any(|path| &**path == "super"),
        _ => false,
    }
}

/// Whether the values at a sink are of those that it is about.
pub(super) fn is_meant_from(
    sink: &Sink,
    (id, value): (FunctionId, ValueId),
    origins: Origins,
    solved: &Solved<'_>,
) -> bool {
    let origins = origins.known();
    match sink.from {
        Whose::Anybody => true,
        Whose::Users => OriginTable::kinds(origins).contains(&OriginKind::Attacker),
        Whose::NotConstructors => !OriginTable::are_configured(origins),
        Whose::PartOrUser => {
            let facts = solved.solutions[id.0 as usize].as_ref().map_or(&[][..], |solution| &solution.facts);
            let function = solved.program.function(id);
            let own = whole_parameter(function, facts, value);
            let own = own.and_then(|own| solved.origins.at((id, own)));
            // What an object keeps of what it was given.
            let kept = || matches!(function.op(origin(&function.values, value)), Op::Attribute(..));
            let set_up = || (OriginTable::are_configured(origins) || kept()) && is_whole(solved, (id, value));
            !OriginTable::are_parameters(origins)
                || !own.is_some_and(|own| origins.is_within(own.bit)) && !set_up() && !is_object(function, value)
        }
    }
}

/// Whether a text is one that somebody gave as it stands.
fn is_whole(solved: &Solved<'_>, (id, value): (FunctionId, ValueId)) -> bool {
    let Some(solution) = &solved.solutions[id.0 as usize] else { return false };
    let text = fact(&solution.facts, value).to_text();
    text.templates().iter().all(|template| matches!(template.0.as_slice(), [TextPart::Hole(_) | TextPart::Literal(_)]))
}

/// Whether a value is an object of a class that nobody shows, by how its name is written (PEP 8): a file, not its path.
fn is_object(function: &Function, value: ValueId) -> bool {
    let Op::Call { callee, .. } = function.op(origin(&function.values, value)) else { return false };
    let name = match function.op(origin(&function.values, *callee)) {
        Op::Attribute(_, name) | Op::Unbound(name) | Op::Path(name) => last(name),
        _ => return false,
    };
    let (upper, lower) = (name.starts_with(char::is_uppercase), name.contains(char::is_lowercase));
    upper && lower && !name.ends_with("Path")
}

/// Calls that make the same path of a path.
const SAME_PATH: &[&str] =
    &["Path", "PurePath", "PosixPath", "abspath", "realpath", "normpath", "expanduser", "expandvars", "fspath", "str"];
/// Methods that do.
const SAME_PATH_METHODS: &[&str] = &["resolve", "absolute", "expanduser", "as_posix"];

/// The parameter that a value is, or is a part of as it stands.
fn whole_parameter(function: &Function, facts: &[Value], value: ValueId) -> Option<ValueId> {
    let mut at = origin(&function.values, value);
    for _ in 0..16 {
        at = match function.op(at) {
            Op::Parameter(_) => return Some(at),
            Op::Call { callee, arguments } => {
                let same = |path: &Rc<str>| SAME_PATH.contains(&last(path));
                match (function.op(origin(&function.values, *callee)), arguments.as_slice()) {
                    (_, [one]) if fact(facts, *callee).paths().any(same) => one.value,
                    (Op::Attribute(object, name), _) if SAME_PATH_METHODS.contains(&&**name) => *object,
                    _ => return None,
                }
            }
            Op::Attribute(object, _) | Op::Subscript(object, _) | Op::Element(object) | Op::Item(object, _) => *object,
            _ => return None,
        };
        at = origin(&function.values, at);
    }
    None
}

/// Whether keyword arguments may have these truth values.
pub(super) fn are_met(condition: &Condition, arguments: &[Argument], facts: &[Value], bound: Option<&Items>) -> bool {
    let arguments = Arguments::new(arguments, facts);
    condition.iter().all(|(name, wanted)| {
        let before = || bound?.known.get(&Key::Text(Rc::from(name.as_str())));
        match arguments.keyword(name).or_else(before) {
            // An absent keyword is false.
            None => !wanted,
            Some(given) => {
                let (may_hold, may_fail) = given.truth();
                if *wanted { may_hold } else { may_fail }
            }
        }
    })
}

/// How a statement comes to where it is executed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Given {
    /// As it was handed over: what only executes is given whole statements by its callers.
    pub(super) whole: bool,
    /// With values beside it, which are bound.
    pub(super) bound: bool,
}

/// Who can change what the sink does through an argument.
pub(super) fn danger(sink: &Sink, value: &Value, solved: &Solved<'_>, given: Given) -> Origins {
    if value.origins().is_none() && value.items.is_none() {
        return Origins::NONE;
    }
    let text = match (sink.part, &value.items) {
        (Part::Text | Part::LookedUp, _) => value.to_text(),
        (Part::NoMapping, items) => {
            let is_mapping = items.as_ref().is_some_and(|items| items.keys.is_some());
            if is_mapping && value.text.is_none() {
                return Origins::NONE;
            }
            value.to_text()
        }
        (Part::Entries | Part::RemoteLine, None) => return Origins::NONE,
        (Part::Entries, Some(items)) => entries(items),
        (Part::RemoteLine, Some(items)) => remote_line(items),
        (Part::FirstItem | Part::AfterDashC, None) => {
            // A text as a list is split by nobody: it is the program's name.
            if sink.part == Part::FirstItem { value.to_text() } else { return Origins::NONE }
        }
        (Part::FirstItem, Some(_)) => value.lookup(Some(&Key::Index(0))).to_text(),
        (Part::AfterDashC, Some(items)) => {
            // `-lc` is `-l -c`.
            let is_flag = |text: &str| {
                let letters = text.strip_prefix('-').filter(|letters| (1..=3).contains(&letters.len()));
                letters.is_some_and(|letters| letters.ends_with('c') && letters.chars().all(char::is_alphabetic))
                    || text.eq_ignore_ascii_case("/c")
            };
            let flag = items.known.iter().find(|(_, one)| one.text.as_literal().is_some_and(is_flag));
            match flag {
                Some((Key::Index(at), _)) => value.lookup(Some(&Key::Index(at + 1))).to_text(),
                _ => return Origins::NONE,
            }
        }
    };
    let Some(language) = sink.language else {
        return if value.is_number() { Origins::NONE } else { text.origins() };
    };
    let languages = &solved.registry.languages;
    let unseen = if given.bound { OriginTable::are_of_helpers } else { OriginTable::are_unknown };
    text.templates()
        .iter()
        .filter(|template| !given.whole || !is_callers_own(template))
        .filter_map(|template| {
            let (sets_up, hands_over) = (OriginTable::are_settings, OriginTable::are_parameters);
            let known = languages.with_known_structure(template, language, unseen, sets_up, hands_over);
            languages.injection(&known, language)
        })
        .fold(Origins::NONE, |all, hole| all.union(hole.origins))
}

/// The names and values of headers: those of a mapping, or of pairs in a list.
fn entries(items: &Items) -> Text {
    let mut texts = Text::default();
    let mut add = |value: &Value| {
        texts.join(&value.text, languages());
    };
    items.keys.iter().for_each(&mut add);
    for entry in items.known.values().chain([&items.any]) {
        match entry.items.as_deref().filter(|_| items.keys.is_none()) {
            Some(pair) => pair.known.values().chain([&pair.any]).for_each(&mut add),
            None => add(entry),
        }
    }
    texts
}

/// What a shell on another machine reads of the arguments of `ssh`: those that are lines, with a blank in what is written of them.
fn remote_line(items: &Items) -> Text {
    let program = items.known.get(&Key::Index(0)).and_then(|program| program.text.as_literal());
    let mut lines = Text::default();
    if program.and_then(|program| program.rsplit('/').next()) == Some("ssh") {
        let is_line = |part: &TextPart| matches!(part, TextPart::Literal(text) if text.trim_start().contains(' '));
        let texts = items.known.values().skip(1).flat_map(|one| one.text.templates());
        for line in texts.filter(|template| template.0.iter().any(is_line)) {
            lines.join(&Text::from_template(line.clone()), languages());
        }
    }
    lines
}

/// Whether a text is one that a caller gave, whole.
fn is_callers_own(template: &Template) -> bool {
    match template.0.as_slice() {
        [TextPart::Hole(hole)] => OriginTable::are_parameters(hole.origins.known()),
        _ => false,
    }
}
