//! Sinks that an attacker's value reaches.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::calls::Arguments;
use super::control::Scope;
use super::open;
use super::origins::OriginTable;
use super::solver::Solved;
use super::trace::{Tracer, only};
use super::transfer::fact;
use super::value::{Items, Key, Value};
use super::{constant, leave, obligation, regex};
use crate::budget::Expired;
use crate::rules::{Condition, Guarding, Part, Sink, Whose};
use crate::ssa::{Argument, BinaryOp, Function, FunctionId, Op, Passing, ValueId, origin};
use crate::syntax::Positions;
use crate::text::{Origins, Part as TextPart, Template};
use real_detector_api::{Finding, OriginKind};

/// Findings by line, column and rule.
pub(super) type Found = BTreeMap<(u32, u32, String), Finding>;

/// What a check needs to report.
pub(super) struct Report<'a, 'p> {
    pub(super) solved: &'a Solved<'p>,
    pub(super) positions: &'a Positions<'a>,
    wanted: &'a dyn Fn(u32) -> bool,
    counts: &'a dyn Fn(OriginKind) -> bool,
    found: Found,
    tracer: Option<Tracer<'a, 'p>>,
}

impl Report<'_, '_> {
    /// Whether findings of a rule are asked for.
    pub(super) fn wants(&self, rule: usize) -> bool {
        self.solved.registry.rules[rule].is_wanted(self.wanted)
    }

    /// A finding at a value, with what led there; the first one at a place stays.
    pub(super) fn add(
        &mut self,
        (rule, message): (usize, Option<&str>),
        (id, sink): (FunctionId, ValueId),
        from: Option<(ValueId, Origins)>,
    ) {
        let kinds = from.map(|(_, origins)| OriginTable::kinds(origins)).unwrap_or_default();
        if !kinds.is_empty() && !kinds.iter().any(|kind| (self.counts)(*kind)) {
            return;
        }
        let rule = &self.solved.registry.rules[rule];
        if !rule.unknown && kinds == [OriginKind::Unknown] {
            return;
        }
        let span = self.solved.program.function(id).span(sink);
        let at = self.positions.at(span.start as usize);
        let Entry::Vacant(place) = self.found.entry((at.line, at.column, rule.id.clone())) else { return };
        let (solved, positions) = (self.solved, self.positions);
        let trace = match from {
            Some((value, origins)) => {
                let tracer = self.tracer.get_or_insert_with(|| Tracer::new(solved, positions));
                tracer.trace((id, value), (id, sink), origins)
            }
            None => only(solved, positions, (id, sink)),
        };
        place.insert(Finding {
            cwe: rule.cwe,
            rule: rule.id.clone(),
            line: at.line,
            column: at.column,
            message: message.unwrap_or(&rule.message).to_owned(),
            trace,
            origins: kinds,
        });
    }
}

/// All findings, by position then rule. `wanted` says of a CWE number whether it is asked for, `counts` of an origin.
///
/// # Errors
/// [`Expired`] where the budget's time is over first.
pub fn find(
    solved: &Solved<'_>,
    positions: &Positions<'_>,
    wanted: &dyn Fn(u32) -> bool,
    counts: &dyn Fn(OriginKind) -> bool,
) -> Result<Vec<Finding>, Expired> {
    let mut report = Report { solved, positions, wanted, counts, found: Found::new(), tracer: None };
    for check in [flows, leave::check, constant::check, regex::check, obligation::check] {
        check(&mut report);
        solved.budget.check()?;
    }
    Ok(report.found.into_values().collect())
}

/// Values of an attacker that reach the argument of a call.
fn flows(report: &mut Report<'_, '_>) {
    let solved = report.solved;
    // What a sink makes of a value is the same wherever the same value goes.
    let mut dangers: FxHashMap<(ValueId, *const Sink, bool), Origins> = FxHashMap::default();
    for (index, solution) in solved.solutions.iter().enumerate() {
        let Some(solution) = solution else { continue };
        let id = FunctionId(index as u32);
        let function = solved.program.function(id);
        dangers.clear();
        let Some(scope) = Scope::new(solved, id) else { continue };
        for (i, instruction) in function.values.iter().enumerate() {
            let Some((receiver, paths, arguments)) = done(&instruction.op, &solution.facts, function) else { continue };
            let arguments = &*arguments;
            // `functools.partial(run, shell=True)`
            let bound = match &instruction.op {
                Op::Call { callee, .. } => fact(&solution.facts, *callee).items.as_deref(),
                _ => None,
            };
            if !solution.reached[instruction.block.0 as usize] {
                continue;
            }
            if solved.budget.is_expired() {
                return;
            }
            for path in &paths {
                for sink in solved.registry.sinks(path) {
                    if !report.wants(sink.rule) || !holds(sink, arguments, &solution.facts, bound) {
                        continue;
                    }
                    let given = arguments.iter().enumerate().filter(|one| is_meant(sink, one.0, one.1));
                    let of_receiver = receiver.filter(|_| sink.argument.receiver);
                    for mut value in given.map(|one| one.1.value).chain(of_receiver) {
                        if sink.part == Part::LookedUp {
                            value = scope.name_of(value, instruction.block);
                        }
                        let only_executes = executes(sink, arguments, function, value);
                        let origins = *dangers
                            .entry((value, std::ptr::from_ref(sink), only_executes))
                            .or_insert_with(|| danger(sink, fact(&solution.facts, value), solved, only_executes));
                        let chosen = sink.part == Part::FirstItem && names_program(function, value);
                        if origins.is_none() || chosen && OriginTable::are_parameters(origins) {
                            continue;
                        }
                        let cleared = |guarding: Guarding| scope.is_cleared(guarding, value, instruction.block);
                        if is_meant_from(sink, (id, value), origins, solved) && !sink.cleared_by.is_some_and(cleared) {
                            report.add((sink.rule, None), (id, ValueId(i as u32)), Some((value, origins)));
                        }
                    }
                }
            }
            let Op::Call { callee, arguments } = &instruction.op else { continue };
            let mut reached = open::handed_on(solved, (id, solution), *callee, arguments);
            reached.extend(open::leaving(solved, solution, function, *callee, arguments));
            for (rule, value, origins) in reached {
                if !origins.is_none() && report.wants(rule) {
                    report.add((rule, None), (id, ValueId(i as u32)), Some((value, origins)));
                }
            }
        }
    }
}

/// What an instruction does with values: what it is done to, under which paths sinks know it, and with which arguments.
type Done<'a> = (Option<ValueId>, Vec<Rc<str>>, Cow<'a, [Argument]>);

/// Calls, and assignments to attributes and entries.
fn done<'a>(op: &'a Op, facts: &[Value], function: &'a Function) -> Option<Done<'a>> {
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
            let paths: Vec<Rc<str>> = fact(facts, *callee).paths().cloned().collect();
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
        Whose::NotConstructors => !OriginTable::are_settings(origins),
        Whose::PartOrUser => {
            let own = whole_parameter(solved.program.function(id), value);
            let own = own.and_then(|own| solved.origins.at((id, own)));
            !OriginTable::are_parameters(origins) || !own.is_some_and(|own| origins.is_within(own.bit))
        }
    }
}

/// The parameter that a value is, or is a part of as it stands.
fn whole_parameter(function: &Function, value: ValueId) -> Option<ValueId> {
    let mut at = origin(&function.values, value);
    for _ in 0..16 {
        at = match function.op(at) {
            Op::Parameter(_) => return Some(at),
            Op::Attribute(object, _) | Op::Subscript(object, _) | Op::Element(object) | Op::Item(object, _) => *object,
            _ => return None,
        };
        at = origin(&function.values, at);
    }
    None
}

fn holds(sink: &Sink, arguments: &[Argument], facts: &[Value], bound: Option<&Items>) -> bool {
    if let Some(alongside) = &sink.alongside {
        let given = Arguments::new(arguments, facts);
        let has = |template: &crate::text::Template| {
            template.0.iter().any(|part| match part {
                crate::text::Part::Literal(text) => alongside.has.iter().any(|own| text.contains(own.as_str())),
                crate::text::Part::Hole(_) => false,
            })
        };
        let named = || alongside.names.iter().find_map(|name| given.keyword(name));
        let other = alongside.at.and_then(|at| given.positional(at)).or_else(named);
        if !other.is_some_and(|value| value.text.templates().iter().any(has)) {
            return false;
        }
    }
    if let Some(unless) = &sink.unless {
        let arguments = Arguments::new(arguments, facts);
        let named = || unless.names.iter().find_map(|name| arguments.keyword(name));
        let given = arguments.positional(unless.at).or_else(named);
        let lacks = |value: &Value| {
            let texts = value.text.literals().filter(|texts| !texts.is_empty());
            unless
                .lacks
                .as_ref()
                .zip(texts)
                .is_some_and(|(word, texts)| texts.iter().all(|text| !text.contains(&**word)))
        };
        if given.is_some_and(|value| {
            lacks(value) || {
                value.paths().next().is_some()
                    && value.paths().all(|path| unless.values.iter().any(|own| **own == **path))
            }
        }) {
            return false;
        }
    }
    are_met(&sink.condition, arguments, facts, bound)
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

fn is_meant(sink: &Sink, index: usize, argument: &Argument) -> bool {
    if sink.argument.receiver {
        return false;
    }
    match &argument.passing {
        Passing::Positional => sink.argument.at.is_none_or(|at| at == index),
        Passing::Keyword(name) => sink.argument.names.iter().any(|own| **own == **name),
        Passing::Star | Passing::DoubleStar => sink.argument.at.is_none_or(|at| at >= index),
    }
}

/// Whether the first item of a list is a parameter as it stands: whoever calls `run(program, arguments)` is to choose the
/// program. What is cut out of a text, or comes from a user, is another matter.
fn names_program(function: &Function, list: ValueId) -> bool {
    let mut at = origin(&function.values, list);
    loop {
        at = match function.op(at) {
            Op::Binary(BinaryOp::Add, left, _) => *left,
            Op::Mutated(container, _) => *container,
            Op::Display(_, items) => match items.first() {
                Some((first, false)) => {
                    let first = origin(&function.values, *first);
                    return matches!(function.op(first), Op::Parameter(_));
                }
                _ => return false,
            },
            _ => return false,
        };
        at = origin(&function.values, at);
    }
}

/// Whether a statement is a parameter as it stands, with the values that are bound to it beside it.
fn executes(sink: &Sink, arguments: &[Argument], function: &Function, value: ValueId) -> bool {
    let Some(bound) = &sink.executor else { return false };
    let at = |(index, argument): (usize, &Argument)| match &argument.passing {
        Passing::Positional | Passing::Star => bound.at.is_some_and(|at| at <= index),
        Passing::Keyword(name) => bound.names.iter().any(|own| **own == **name),
        Passing::DoubleStar => false,
    };
    arguments.iter().enumerate().any(at) && matches!(function.op(origin(&function.values, value)), Op::Parameter(_))
}

/// Who can change what the sink does through an argument. What only executes is given whole statements by its callers.
pub(super) fn danger(sink: &Sink, value: &Value, solved: &Solved<'_>, only_executes: bool) -> Origins {
    if value.origins().is_none() && value.items.is_none() {
        return Origins::NONE;
    }
    let text = match (sink.part, &value.items) {
        (Part::Text | Part::LookedUp, _) => value.to_text(),
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
    text.templates()
        .iter()
        .filter(|template| !only_executes || !is_callers_own(template))
        .filter_map(|template| languages.injection(&languages.with_known_structure(template, language), language))
        .fold(Origins::NONE, |all, hole| all.union(hole.origins))
}

/// Whether a text is one that a caller gave, whole.
fn is_callers_own(template: &Template) -> bool {
    match template.0.as_slice() {
        [TextPart::Hole(hole)] => OriginTable::are_parameters(hole.origins),
        _ => false,
    }
}
