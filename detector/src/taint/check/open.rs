//! What leaves for code that the unit does not show: text of a language that is handed to a call which nothing is known
//! about, and functions that are handed on to be called.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::sinks::{Given, are_met, danger, is_meant_from};
use super::words::has_word;
use super::wrapper::{self, is_unknown};
use crate::dataflow::Solution;
use crate::dotted::last;
use crate::rules::Part as SinkPart;
use crate::ssa::{Argument, Function, FunctionId, Op, Passing, Span, ValueId, origin};
use crate::taint::domain::{Items, Object, Value};
use crate::taint::frame::fact;
use crate::taint::store::{OriginTable, Solved};
use crate::text::{Origins, Part, Template};

/// Rule, value and who has a say in it.
pub(super) type Reached = (usize, ValueId, Origins);

/// `Thread(target=os.system, args=(x,))`, `pool.submit(eval, x)`: what is handed on is called with what is handed beside it.
pub(super) fn handed_on(
    solved: &Solved<'_>,
    (id, solution): (FunctionId, &Solution<Value>),
    callee: ValueId,
    arguments: &[Argument],
) -> Vec<Reached> {
    let facts = &solution.facts;
    if arguments.len() < 2 || !fact(facts, callee).paths().any(|path| solved.registry.calls_back(path)) {
        return vec![];
    }
    let mut reached = vec![];
    for (index, handed) in arguments.iter().enumerate() {
        for path in fact(facts, handed.value).paths() {
            for sink in solved.registry.sinks(path).iter().filter(|sink| sink.part == SinkPart::Text) {
                if !are_met(&sink.condition, arguments, facts, None) {
                    continue;
                }
                for other in arguments.iter().enumerate().filter(|(i, _)| *i != index).map(|(_, other)| other.value) {
                    let value = fact(facts, other);
                    let whole = danger(sink, value, solved, Given::default());
                    let of_items = |items: &Items| danger(sink, &items.any, solved, Given::default());
                    let each = value.items.as_deref().map_or(whole, of_items);
                    if is_meant_from(sink, (id, other), each, solved) {
                        reached.push((sink.rule, other, each));
                    }
                }
            }
        }
    }
    reached
}

/// Text of a language that is handed to a call which nothing is known about.
pub(super) fn leaving(
    solved: &Solved<'_>,
    solution: &Solution<Value>,
    function: &Function,
    callee: ValueId,
    arguments: &[Argument],
) -> Vec<Reached> {
    let facts = &solution.facts;
    let registry = solved.registry;
    let targets = fact(facts, callee);
    let tainted = |argument: &&Argument| !fact(facts, argument.value).text.origins().is_none();
    let unknown = is_unknown(solved, targets);
    let own = || targets.objects.iter().any(|object| matches!(object, Object::Function(_) | Object::Method(_)));
    let nameless = nameless_method(solved, solution, function, callee);
    if !arguments.iter().any(|argument| tainted(&argument)) || !unknown && nameless.is_none() && !own() {
        return vec![];
    }
    let mut reached = vec![];
    let spellings = names(function, callee, targets);
    for open in &registry.open {
        let is_called = |words: &[String]| spellings.iter().any(|name| has_word(name, words));
        let named = open.callee_words.is_empty() || is_called(&open.callee_words);
        let sure = is_called(&open.sure_words);
        let unknown = unknown || nameless.is_some_and(|name| open.methods.iter().any(|own| own == name));
        let said = !open.condition.is_empty() && {
            let given = |name: &String| {
                arguments.iter().any(|one| matches!(&one.passing, Passing::Keyword(own) if **own == **name))
            };
            open.condition.keys().all(given) && are_met(&open.condition, arguments, facts, None)
        };
        if !named && !said {
            continue;
        }
        for (index, argument) in arguments.iter().enumerate().filter(|(_, argument)| tainted(argument)) {
            let origins = fact(facts, argument.value)
                .text
                .templates()
                .iter()
                .filter(|template| {
                    let by_name = !open.sure_words.is_empty() && begins_with_word(template);
                    said || registry.languages.recognises(template, open.language)
                        || by_name && (sure || named && has_option(template))
                })
                .map(|template: &Template| {
                    let (unseen, sets_up) = (OriginTable::are_unknown, OriginTable::are_settings);
                    let hands_over = OriginTable::are_parameters;
                    registry.languages.with_known_structure(template, open.language, unseen, sets_up, hands_over)
                })
                .filter_map(|template| registry.languages.injection(&template, open.language))
                .fold(Origins::NONE, |all, hole| all.union(hole.origins));
            let given = (index, &argument.passing);
            if !origins.is_none() && (unknown || wrapper::loses(solved, targets, given, fact(facts, argument.value))) {
                reached.push((open.rule, argument.value, origins));
            }
        }
    }
    reached
}

/// The name of a method of an object of which nothing is known: what it does is known of Python's own classes alone.
fn nameless_method<'a>(
    solved: &Solved<'_>,
    solution: &Solution<Value>,
    function: &'a Function,
    callee: ValueId,
) -> Option<&'a str> {
    let Op::Attribute(object, name) = function.op(origin(&function.values, callee)) else { return None };
    let receiver = fact(&solution.facts, *object);
    let is_known = |object: &Object| match object {
        Object::Path(path) => solved.registry.known(path).is_known_itself,
        _ => true,
    };
    let own_text = receiver.text.templates().iter().any(|template| !matches!(template.0.as_slice(), [Part::Hole(_)]));
    let known = own_text || receiver.items.is_some() || receiver.objects.iter().any(is_known);
    (!known && solved.registry.sinks(&["?.", name].concat()).is_empty()).then_some(&**name)
}

/// Whether a text begins with a word and a blank.
fn begins_with_word(template: &Template) -> bool {
    let Some(Part::Literal(text)) = template.0.first() else { return false };
    let is_part = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit() || "_./-+".contains(char);
    let word = text.trim_start().trim_start_matches(is_part);
    text.trim_start().starts_with(|char: char| char.is_ascii_lowercase() || char == '/') && word.starts_with(' ')
}

/// Whether a text has an option, as command lines have: ` -n`, ` --name`.
fn has_option(template: &Template) -> bool {
    template.0.iter().any(|part| match part {
        Part::Literal(text) => text.split(char::is_whitespace).skip(1).any(|word| {
            word.strip_prefix('-').is_some_and(|option| option.trim_start_matches('-').starts_with(char::is_alphabetic))
        }),
        Part::Hole(_) => false,
    })
}

/// Pieces of constant code that are looked at, at most.
const MAX_CODE: usize = 16;

/// Code that the program runs and that stands in it as a constant, with where it is run.
pub fn constant_code(solved: &Solved<'_>) -> BTreeSet<(String, Span)> {
    let mut found = BTreeSet::new();
    for (function, solution) in solved.program.functions.iter().zip(&solved.solutions) {
        let Some(solution) = solution else { continue };
        for instruction in &function.values {
            let Op::Call { callee, arguments } = &instruction.op else { continue };
            let runs = |path: &Rc<str>| matches!(&**path, "exec" | "eval");
            let first = arguments.first().filter(|_| fact(&solution.facts, *callee).paths().any(runs));
            if !solution.reached[instruction.block.0 as usize] || found.len() >= MAX_CODE {
                continue;
            }
            let texts = first.map(|first| fact(&solution.facts, first.value).text.templates()).unwrap_or_default();
            found.extend(texts.iter().filter_map(|text| Some((text.as_literal()?.to_owned(), instruction.span))));
        }
    }
    found
}

/// The names under which something is called.
fn names<'a>(function: &'a Function, callee: ValueId, targets: &'a Value) -> Vec<&'a str> {
    let mut names: Vec<&str> = targets.paths().map(|path| last(path)).collect();
    match function.op(callee) {
        Op::Attribute(_, name) | Op::Unbound(name) => names.push(name),
        _ => {}
    }
    names
}
