//! What library calls make of their arguments ([`Returns`]).

use std::collections::BTreeMap;
use std::rc::Rc;

use super::ends::stripped;
use super::mutations::option_of;
use super::pass::Pass;
use super::strings::{brace_format, dollar_format, first_word, join, map_case, replace, substitute, translate};
use crate::dataflow::Lattice;
use crate::rules::{Effect, Returns};
use crate::ssa::{BinaryOp, Passing, ValueId};
use crate::taint::domain::{Items, Key, Object, Value, binary, formatted, joined_path, languages, part};
use crate::taint::frame::{Arguments, has_plain_flags};
use crate::text::{CharSet, Hole, LanguageSet, Origins, Pattern, Text};
use real_detector_api::OriginKind;

/// Names that `getattr` may be given, at most, to look each up.
const MAX_NAMES: usize = 8;

impl Pass<'_, '_> {
    /// Applies a library model.
    pub(super) fn effect(
        &mut self,
        effect: &Effect,
        receiver: Option<&Value>,
        arguments: &Arguments<'_>,
        call: ValueId,
    ) -> Value {
        let subject = match effect.argument {
            Some(index) => arguments.positional(index).cloned(),
            None => receiver.cloned(),
        };
        let origins = arguments.origins().union(receiver.map_or(Origins::NONE, Value::origins));
        let value = subject.unwrap_or_else(|| Value::any(origins));
        let holes = |change: &dyn Fn(Hole) -> Hole| match value.to_text().collapse(languages()) {
            Some(hole) => Value::hole(change(hole)),
            None => Value::default(),
        };
        match effect.returns {
            Returns::Number => Value::number(origins),
            Returns::Clean => Value::any(Origins::NONE),
            Returns::Content if origins.is_none() => Value::any(Origins::NONE),
            Returns::Content => {
                let note = "what is read from where somebody says";
                Value::any(self.solved.source(self.id, call, note, OriginKind::Unknown))
            }
            Returns::Text if value.items.is_some() && value.objects.is_empty() => Value::text(value.to_text()),
            Returns::Same | Returns::Text => value,
            Returns::Called => {
                let mut result = Value::default();
                for object in &value.objects {
                    let Object::Function(function) = object else { continue };
                    // Whoever calls it gives it what comes from outside.
                    let function = self.solved.program.function(*function).outer.unwrap_or(*function);
                    result.join(&self.solved.returned(function, self.reader).unwrap_or_default());
                }
                result
            }
            Returns::Part => {
                let stripped = holes(&part);
                // A constant stays one; only its end may go.
                if value.text.origins().is_none() && value.items.is_none() { value } else { stripped }
            }
            Returns::Stripped | Returns::EndStripped => {
                let constant = value.text.origins().is_none() && value.items.is_none();
                let both = effect.returns == Returns::Stripped;
                if constant { value } else { Value::text(stripped(&value.to_text(), arguments, both)) }
            }
            Returns::Parts => {
                let mut parts = Value::list(holes(&part));
                let separator = effect.argument.is_none().then(|| arguments.positional(0)).flatten();
                if let Some(first) = first_word(&value.text, separator)
                    && let Some(items) = &mut parts.items
                {
                    Rc::make_mut(items).known.insert(Key::Index(0), Value::text(Text::literal(&first)));
                }
                parts
            }
            Returns::Lower => map_case(&value, |char| char.to_ascii_lowercase()),
            Returns::Upper => map_case(&value, |char| char.to_ascii_uppercase()),
            Returns::Replace => replace(&value, arguments),
            Returns::Template => Value::text(dollar_format(&value, arguments)),
            Returns::Substitute => {
                let subject = arguments.positional(effect.argument.unwrap_or(1)).unwrap_or(&value);
                let pattern = arguments.positional(0).filter(|_| effect.argument != Some(1)).or(receiver);
                let replacement = arguments.positional(effect.argument.map_or(0, |index| index - 1));
                let limited = arguments.keyword("count").or(arguments.positional(effect.argument.unwrap_or(1) + 1));
                substitute(pattern, replacement, subject, limited.is_some())
            }
            Returns::Join => join(&value, arguments),
            Returns::JoinPath => {
                let mut text = Text::default();
                if let (None, Some(folder)) = (effect.argument, receiver) {
                    let parts = arguments.iter().map(|(_, part)| part);
                    return parts.fold(folder.clone(), |folder, part| joined_path(&folder, part));
                }
                for (i, (_, one)) in arguments.iter().enumerate() {
                    let part = one.to_text();
                    let separated = if i == 0 { part } else { Text::literal("/").concat(&part, languages()) };
                    text = if i == 0 { separated } else { text.concat(&separated, languages()) };
                }
                Value::text(text)
            }
            Returns::Format => Value::text(brace_format(&value, arguments)),
            Returns::Translate => translate(&value, arguments),
            Returns::Keeps | Returns::Removes => match with_options(effect, arguments) {
                Some(chars) => holes(&|hole| {
                    // What is taken out of a text that is escaped leaves how it begins.
                    let led = hole.led && effect.returns == Returns::Removes;
                    Hole { chars: hole.chars.intersection(chars), led, ..part(hole) }
                }),
                None => holes(&part),
            },
            Returns::Closed => {
                let closed = LanguageSet::one(effect.language);
                let all = holes(&|hole| Hole { closed, ..hole });
                // Of a list the first one may be known: `shlex.join(["ls", *words])`.
                let first = value.items.as_ref().and_then(|items| items.known.get(&Key::Index(0)));
                match first.and_then(|first| first.text.as_literal()) {
                    Some(first) => Value::text(Text::literal(&format!("{first} ")).concat(&all.text, languages())),
                    None => all,
                }
            }
            Returns::SplitPath => {
                let name = holes(&|hole| Hole { chars: hole.chars.difference(CharSet::of("/\\")), ..part(hole) });
                let folder = holes(&part);
                Value::container(Items::listed(vec![folder, name]))
            }
            Returns::Common => match arguments.positional(0) {
                Some(other) => binary(BinaryOp::Intersection, &value, &Value::list(other.element())),
                None => value,
            },
            Returns::Elements => {
                let mut items = value
                    .items
                    .as_deref()
                    .cloned()
                    .unwrap_or_else(|| Items { any: value.element(), ..Items::default() });
                if let Some(keys) = items.keys.take() {
                    items = Items { any: keys, ..Items::default() };
                }
                Value::container(Items { size: None, ..items })
            }
            Returns::Element => {
                let mut all = value.element();
                arguments.iter().skip(1).filter(|(passing, _)| **passing == Passing::Positional).for_each(
                    |(_, other)| {
                        all.join(other);
                    },
                );
                all
            }
            Returns::Lookup => {
                let kept = || value.items.as_ref()?.known.get(&Key::Text(option_of(arguments)?.into()));
                if let Some(kept) = kept() {
                    return kept.clone();
                }
                let mut found = Value::default();
                match arguments.positional(0).and_then(Value::as_keys) {
                    Some(keys) if !keys.is_empty() => keys.iter().for_each(|key| {
                        found.join(&value.lookup(Some(key)));
                    }),
                    _ => found = value.lookup(None),
                }
                // `request.args.get("id", type=int)`
                if let Some(kind) = arguments.keyword("type") {
                    found = self.converted(kind, &found, call);
                }
                found.join(&arguments.positional(1).cloned().unwrap_or_else(|| Value::object(Object::Nothing)));
                found
            }
            Returns::Items => {
                let (keys, any) = mapping_of(&value);
                Value::list(pair(&keys, &any))
            }
            Returns::Keys => Value::list(mapping_of(&value).0),
            Returns::Values => Value::list(mapping_of(&value).1),
            Returns::Enumerate => Value::list(pair(&Value::number(Origins::NONE), &value.element())),
            Returns::Zip => {
                let mut items = Items::default();
                for (i, (_, one)) in arguments.iter().enumerate() {
                    let element = one.element();
                    items.any.join(&element);
                    items.known.insert(Key::Index(i as i64), element);
                }
                Value::list(Value::container(items))
            }
            Returns::Table => match arguments.positional(0) {
                Some(mapping) if arguments.positional(1).is_none() => mapping.clone(),
                _ => {
                    let mut items = Items::default();
                    for (i, (_, one)) in arguments.iter().enumerate() {
                        items.any.join(one);
                        items.known.insert(Key::Index(i as i64), one.clone());
                    }
                    Value::container(items)
                }
            },
            Returns::Map | Returns::Filter => self.mapped(effect.returns, arguments, call),
            Returns::Compile => {
                let mut compiled = arguments.positional(0).cloned().unwrap_or_default();
                if !has_plain_flags(arguments, 1) {
                    let flags = arguments.positional(1).or_else(|| arguments.keyword("flags"));
                    let dot = |path: &Rc<str>| matches!(&**path, "re.DOTALL" | "re.S");
                    let alone = flags.is_some_and(|flags| flags.objects.len() == 1 && flags.paths().all(dot));
                    match compiled.text.as_literal().filter(|_| alone) {
                        Some(pattern) => compiled.text = Text::literal(&format!("(?s){pattern}")),
                        None => return Value::any(Origins::NONE),
                    }
                }
                compiled.objects.clear();
                compiled
            }
            Returns::Matches | Returns::Match => {
                let of_module = effect.argument.is_some();
                let pattern = if of_module { arguments.positional(0) } else { receiver };
                let subject = arguments.positional(usize::from(of_module)).map_or(origins, Value::origins);
                let mut hole = Hole::any(subject);
                if let Some(pattern) = pattern.and_then(|pattern| Pattern::of(pattern.text.as_literal()?)) {
                    hole.chars = pattern.alphabet().any_case();
                }
                if effect.returns == Returns::Match { Value::hole(hole) } else { Value::list(Value::hole(hole)) }
            }
            Returns::Any => Value::any(value.origins()),
            Returns::Repr => Value::text(formatted(&value, true, "")),
            Returns::Nodes => Value::list(self.solved.registry.trees.node(&value)),
            Returns::Attribute => {
                let (object, name) = (arguments.positional(0), arguments.positional(1));
                let names =
                    name.and_then(|name| name.text.literals()).filter(|names| (1..=MAX_NAMES).contains(&names.len()));
                match (object, names) {
                    (Some(object), Some(names)) => {
                        let mut found = Value::default();
                        for name in names {
                            found.join(&self.attribute(call, object, &Rc::from(name)));
                        }
                        if let Some(default) = arguments.positional(2) {
                            found.join(default);
                        }
                        found
                    }
                    // Whatever a module has, where somebody else names it.
                    (Some(object), None) if name.is_some_and(|name| !name.origins().is_none()) => {
                        let mut found = Value::any(object.origins());
                        for path in
                            object.paths().filter(|path| path.chars().all(|char| char.is_alphanumeric() || char == '_'))
                        {
                            found.objects.insert(Object::Path(Rc::from([path, ".?"].concat())));
                        }
                        found
                    }
                    _ => Value::any(arguments.positional(0).map_or(Origins::NONE, Value::origins)),
                }
            }
        }
    }

    fn mapped(&mut self, returns: Returns, arguments: &Arguments<'_>, call: ValueId) -> Value {
        let elements = arguments.positional(1).map(Value::element).unwrap_or_default();
        if returns == Returns::Filter {
            let kept = match arguments.positional(0) {
                Some(predicate) => self.passed_by(elements, predicate),
                None => elements,
            };
            return Value::list(kept);
        }
        let mut result = Value::default();
        for object in arguments.positional(0).iter().flat_map(|function| &function.objects) {
            match object {
                Object::Function(function) | Object::Method(function) => {
                    result.join(&self.solved.returned(*function, self.reader).unwrap_or_default());
                }
                other => {
                    result.join(&self.applied(other, &elements, call));
                }
            }
        }
        Value::list(result)
    }

    /// What a function of the library makes of one value that it is handed.
    pub(super) fn applied(&mut self, function: &Object, value: &Value, call: ValueId) -> Value {
        let Object::Path(path) = function else { return Value::default() };
        match self.solved.effect(path) {
            Some(effect) if effect.returns == Returns::Number => Value::number(value.origins()),
            Some(effect) if effect.argument == Some(0) || effect.argument.is_none() => {
                let none = Arguments::new(&[], &[]);
                let with = Effect { argument: None, ..effect };
                self.effect(&with, Some(value), &none, call)
            }
            _ => Value::any(value.origins()),
        }
    }
}

fn mapping_of(value: &Value) -> (Value, Value) {
    match &value.items {
        Some(items) => (items.keys.clone().unwrap_or_else(|| items.any.clone()), items.any.clone()),
        None => (value.element(), value.element()),
    }
}

fn pair(first: &Value, second: &Value) -> Value {
    let mut any = first.clone();
    any.join(second);
    let known = BTreeMap::from([(Key::Index(0), first.clone()), (Key::Index(1), second.clone())]);
    Value::container(Items { known, any, keys: None, size: None })
}

/// The characters that an escape leaves, given its options, where these are known: `escape(text, quote=True)` is as without,
/// `quote(text, safe="'")` lets pass what it names and no `/`.
fn with_options(effect: &Effect, arguments: &Arguments<'_>) -> Option<CharSet> {
    let usual = match effect.returns {
        Returns::Removes => CharSet::ALL.difference(effect.chars),
        _ => effect.chars,
    };
    let options = arguments.iter().skip(effect.argument.map_or(0, |at| at + 1));
    options.map(|(_, option)| option).try_fold(usual, |chars, option| match option.truth() {
        (true, false) if effect.returns == Returns::Removes => Some(chars),
        _ if effect.returns == Returns::Removes => None,
        _ => option.text.as_literal().map(|more| chars.difference(CharSet::of("/")).union(CharSet::of(more))),
    })
}
