//! What library calls make of their arguments ([`Returns`]).

use std::collections::BTreeMap;
use std::rc::Rc;

use super::calls::Arguments;
use super::narrow::has_plain_flags;
use super::transfer::{Pass, formatted, joined_path};
use super::value::{Items, Key, Object, Value, languages, part};
use crate::dataflow::Lattice;
use crate::rules::{Effect, Returns};
use crate::ssa::{Passing, ValueId};
use crate::text::{CharSet, Hole, LanguageSet, Origins, Part, Pattern, Template, Text};

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
            Returns::Same => value,
            Returns::Part => {
                let stripped = holes(&part);
                // A constant stays one; only its end may go.
                if value.text.origins().is_none() && value.items.is_none() { value } else { stripped }
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
            // Options may let more through: `quote(text, safe="'")`, `escape(text, quote=False)`.
            Returns::Keeps | Returns::Removes if arguments.iter().count() > effect.argument.map_or(0, |at| at + 1) => {
                holes(&part)
            }
            Returns::Keeps => holes(&|hole| Hole { chars: hole.chars.intersection(effect.chars), ..part(hole) }),
            Returns::Removes => holes(&|hole| Hole { chars: hole.chars.difference(effect.chars), ..part(hole) }),
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
            Returns::Elements => {
                let mut items = value
                    .items
                    .as_deref()
                    .cloned()
                    .unwrap_or_else(|| Items { any: value.element(), ..Items::default() });
                if let Some(keys) = items.keys.take() {
                    items = Items { any: keys, ..Items::default() };
                }
                Value::container(items)
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
                let mut found = Value::default();
                match arguments.positional(0).and_then(Value::as_keys) {
                    Some(keys) if !keys.is_empty() => keys.iter().for_each(|key| {
                        found.join(&value.lookup(Some(key)));
                    }),
                    _ => found = value.lookup(None),
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
                if let Some(pattern) = pattern.and_then(|pattern| Pattern::parse(pattern.text.as_literal()?)) {
                    hole.chars = pattern.alphabet().any_case();
                }
                if effect.returns == Returns::Match { Value::hole(hole) } else { Value::list(Value::hole(hole)) }
            }
            Returns::Any => Value::any(value.origins()),
            Returns::Repr => Value::text(formatted(&value, true, "")),
            Returns::Nodes => Value::list(self.solved.registry.trees.node(&value)),
            Returns::Attribute => {
                let name = arguments.positional(1).and_then(|name| name.text.as_literal()).map(Rc::from);
                match (arguments.positional(0), name) {
                    (Some(object), Some(name)) => {
                        let mut found = self.attribute(call, object, &name);
                        if let Some(default) = arguments.positional(2) {
                            found.join(default);
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
        match self.solved.registry.effect(path).copied() {
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

/// What stands before the first separator, where it is written out: `"git log {}".format(x).split()` is a list for `git`.
fn first_word(text: &Text, separator: Option<&Value>) -> Option<String> {
    let mut found = None;
    for template in text.templates() {
        let Some(Part::Literal(start)) = template.0.first() else { return None };
        let word = match separator {
            Some(separator) => {
                let separator = separator.text.as_literal().filter(|separator| !separator.is_empty())?;
                start.split_once(separator)?.0
            }
            None => start.trim_start().split_once(char::is_whitespace)?.0,
        };
        if found.as_deref().is_some_and(|found| found != word) {
            return None;
        }
        found = Some(word.to_owned());
    }
    found
}

fn map_case(value: &Value, case: fn(char) -> char) -> Value {
    let mut text = Text::default();
    for template in value.to_text().templates() {
        let next = if let Some(literal) = template.as_literal() {
            Text::literal(&literal.chars().map(case).collect::<String>())
        } else {
            let hole = Text::from_template(template.clone()).collapse(languages());
            let hole = hole.unwrap_or(Hole::any(Origins::NONE));
            Text::hole(Hole { chars: hole.chars.map_ascii(case), ..hole })
        };
        text.join(&next, languages());
    }
    Value::text(text)
}

/// `text.replace(old, new)`
fn replace(value: &Value, arguments: &Arguments<'_>) -> Value {
    let (old, new) = (arguments.positional(0), arguments.positional(1));
    let limited = arguments.positional(2).is_some() || arguments.keyword("count").is_some();
    let new_hole = new.map_or(Hole::any(Origins::NONE), Value::to_hole);
    let old_literal = old.and_then(|old| old.text.as_literal()).map(str::to_owned);
    let new_literal = new.and_then(|new| new.text.as_literal()).map(str::to_owned);
    let Some(old_literal) = old_literal else {
        let hole = value.to_hole();
        let both = Hole {
            chars: hole.chars.union(new_hole.chars),
            origins: hole.origins.union(new_hole.origins),
            ..part(hole)
        };
        return Value::hole(both);
    };
    let mut text = Text::default();
    for template in value.to_text().templates() {
        let mut changed = template.clone();
        for piece in &mut changed.0 {
            *piece = match (&*piece, &new_literal) {
                (Part::Literal(literal), Some(new)) => Part::Literal(Rc::from(literal.replace(&old_literal, new))),
                (Part::Literal(literal), None) if !literal.contains(&old_literal) => Part::Literal(literal.clone()),
                (Part::Literal(_), None) => Part::Hole(new_hole),
                (Part::Hole(hole), _) => {
                    Part::Hole(replaced(*hole, &old_literal, new_literal.as_deref(), new_hole, limited))
                }
            };
        }
        text.join(&Text::from_template(changed), languages());
    }
    Value::text(text)
}

fn replaced(hole: Hole, old: &str, new: Option<&str>, new_hole: Hole, limited: bool) -> Hole {
    if hole.number {
        return hole;
    }
    let gone = match old.chars().collect::<Vec<_>>()[..] {
        [one] if !limited && one.is_ascii() => CharSet::NONE.with(one),
        _ => CharSet::NONE,
    };
    let left = hole.chars.difference(gone);
    let inserted = if hole.chars.intersection(CharSet::of(old)).is_empty() { CharSet::NONE } else { new_hole.chars };
    let mut doubled = hole.doubled.difference(gone);
    // What stands doubled stays so only where nothing shorter is cut out of it or put between.
    if !old.is_empty() && !CharSet::of(old).intersection(doubled).is_empty() {
        doubled = doubled.difference(CharSet::of(old));
    }
    if new == Some(&*format!("{old}{old}")) {
        doubled = doubled.union(gone);
    } else {
        doubled = doubled.difference(inserted);
    }
    Hole {
        chars: left.union(inserted),
        doubled,
        origins: hole.origins.union(new_hole.origins),
        closed: LanguageSet::NONE,
        number: false,
    }
}

/// `re.sub(pattern, replacement, text)`
fn substitute(pattern: Option<&Value>, replacement: Option<&Value>, subject: &Value, limited: bool) -> Value {
    let hole = subject.to_hole();
    let inserted = match replacement {
        Some(value) if value.objects.is_empty() => value.to_hole(),
        // A function makes the replacement from the match.
        _ => hole,
    };
    let gone = pattern
        .and_then(|pattern| Pattern::parse(pattern.text.as_literal()?))
        .map_or(CharSet::NONE, |pattern| pattern.single_characters());
    // `\1` puts back what was matched, but none of what a class of single characters removed unless it is captured.
    let back = inserted.chars.intersection(CharSet::of("\\")).is_empty();
    let gone = if back && !limited { gone } else { CharSet::NONE };
    Value::hole(Hole {
        chars: hole.chars.difference(gone).union(inserted.chars),
        origins: hole.origins.union(inserted.origins),
        ..part(hole)
    })
}

/// `separator.join(items)`
fn join(separator: &Value, arguments: &Arguments<'_>) -> Value {
    let Some(list) = arguments.positional(0) else { return Value::any(separator.origins()) };
    let known = list.items.as_deref().filter(|items| items.keys.is_none() && !items.known.is_empty());
    if let Some(items) = known
        && items.known.keys().enumerate().all(|(i, key)| *key == Key::Index(i as i64))
        && is_whole(items)
    {
        let mut text = Text::literal("");
        for (i, item) in items.known.values().enumerate() {
            if i > 0 {
                text = text.concat(&separator.to_text(), languages());
            }
            text = text.concat(&item.to_text(), languages());
        }
        return Value::text(text);
    }
    // The first entries may be known, and then others.
    let mut start = Text::literal("");
    let first =
        list.items.as_deref().filter(|items| items.keys.is_none()).and_then(|items| items.known.get(&Key::Index(0)));
    if let (Some(first), Some(separator)) =
        (first.and_then(|first| first.text.as_literal()), separator.text.as_literal())
    {
        start = Text::literal(&format!("{first}{separator}"));
    }
    let element = list.element();
    let mut hole = element.to_hole();
    // Separators stand between closed pieces: the whole is closed where both are.
    let both = element.to_text().concat(&separator.to_text(), languages()).collapse(languages());
    if let Some(both) = both {
        let closed = both.closed.intersection(hole.closed);
        hole = Hole { closed, number: false, ..hole.union(both) };
    }
    Value::text(start.concat(&Text::hole(hole), languages()))
}

/// Whether the known entries are all there are.
fn is_whole(items: &Items) -> bool {
    let mut all = Value::default();
    items.known.values().for_each(|value| {
        all.join(value);
    });
    !all.clone().join(&items.any)
}

/// `template % values`
pub(super) fn percent_format(template: &Value, values: &Value) -> Text {
    let mut result = Text::default();
    for form in template.to_text().templates() {
        let Some(literal) = form.as_literal() else {
            let mut one = Text::from_template(form.clone());
            one = one.concat(&Text::hole(values.to_hole()), languages());
            one.collapse_all(languages());
            result.join(&one, languages());
            continue;
        };
        let mut text = Text::literal("");
        let mut rest = literal;
        let mut index = 0;
        while let Some(at) = rest.find('%') {
            text = text.concat(&Text::literal(&rest[..at]), languages());
            rest = &rest[at + 1..];
            let name = rest.strip_prefix('(').and_then(|named| named.split_once(')'));
            if let Some((_, after)) = name {
                rest = after;
            }
            let flags = rest.len() - rest.trim_start_matches(|char: char| "#0- +.*123456789".contains(char)).len();
            rest = &rest[flags..];
            let Some(conversion) = rest.chars().next() else { break };
            rest = &rest[conversion.len_utf8()..];
            let value = match name {
                _ if conversion == '%' => Value::text(Text::literal("%")),
                Some((key, _)) => values.lookup(Some(&Key::Text(Rc::from(key)))),
                None if values.items.is_some() => values.lookup(Some(&Key::Index(index))),
                None => values.clone(),
            };
            index += i64::from(conversion != '%');
            let spec = if "diouxXeEfFgGc".contains(conversion) { "d" } else { "" };
            text = text.concat(&formatted(&value, "ra".contains(conversion), spec), languages());
        }
        text = text.concat(&Text::literal(rest), languages());
        result.join(&text, languages());
    }
    result
}

/// `string.Template(template).substitute(values)` (PEP 292).
fn dollar_format(template: &Value, arguments: &Arguments<'_>) -> Text {
    let mut result = Text::default();
    for form in template.to_text().templates() {
        let mut text = Text::literal("");
        for piece in &form.0 {
            let Part::Literal(literal) = piece else {
                text = text.concat(&Text::from_template(Template(vec![piece.clone()])), languages());
                continue;
            };
            let mut rest: &str = literal;
            while let Some((before, after)) = rest.split_once('$') {
                text = text.concat(&Text::literal(before), languages());
                let braced = after.strip_prefix('{').and_then(|inner| inner.split_once('}'));
                let (name, behind) = braced.unwrap_or_else(|| {
                    let size = after.len()
                        - after.trim_start_matches(|char: char| char == '_' || char.is_alphanumeric()).len();
                    after.split_at(size)
                });
                rest = behind;
                if name.is_empty() {
                    rest = rest.strip_prefix('$').unwrap_or(rest);
                    text = text.concat(&Text::literal("$"), languages());
                    continue;
                }
                let given = arguments.keyword(name).cloned();
                let listed = || arguments.positional(0).map(|values| values.lookup(Some(&Key::Text(Rc::from(name)))));
                let value = given.or_else(listed).unwrap_or_else(|| Value::any(arguments.origins()));
                text = text.concat(&value.to_text(), languages());
            }
            text = text.concat(&Text::literal(rest), languages());
        }
        result.join(&text, languages());
    }
    result
}

/// `template.format(values)`
fn brace_format(template: &Value, arguments: &Arguments<'_>) -> Text {
    let mut result = Text::default();
    for form in template.to_text().templates() {
        let mut text = Text::literal("");
        let mut index = 0;
        for piece in &form.0 {
            match piece {
                Part::Literal(literal) => {
                    text = text.concat(&braces(literal, arguments, &mut index), languages());
                }
                Part::Hole(hole) => text = text.concat(&Text::hole(*hole), languages()),
            }
        }
        result.join(&text, languages());
    }
    result
}

fn braces(literal: &str, arguments: &Arguments<'_>, index: &mut usize) -> Text {
    let mut text = Text::literal("");
    let mut rest = literal;
    while let Some(at) = rest.find(['{', '}']) {
        text = text.concat(&Text::literal(&rest[..at]), languages());
        let brace = &rest[at..=at];
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix(brace) {
            text = text.concat(&Text::literal(brace), languages());
            rest = after;
            continue;
        }
        let Some(end) = rest.find('}').filter(|_| brace == "{") else { continue };
        let field = &rest[..end];
        rest = &rest[end + 1..];
        let (name, spec) = field.split_once(':').unwrap_or((field, ""));
        let (name, conversion) = name.split_once('!').unwrap_or((name, ""));
        let root = name.split(['.', '[']).next().unwrap_or("");
        let value = match root.parse::<usize>() {
            Ok(position) => arguments.positional(position),
            Err(_) if root.is_empty() => {
                *index += 1;
                arguments.positional(*index - 1)
            }
            Err(_) => arguments.keyword(root),
        };
        let mut value = value.cloned().unwrap_or_else(|| Value::any(arguments.origins()));
        if name.len() > root.len() {
            value = Value::any(value.origins());
        }
        text = text.concat(&formatted(&value, !conversion.is_empty() && conversion != "s", spec), languages());
    }
    text.concat(&Text::literal(rest), languages())
}

/// `text.translate(table)`, with a table of constants: a mapping, or what `str.maketrans` makes.
fn translate(value: &Value, arguments: &Arguments<'_>) -> Value {
    let hole = value.to_hole();
    let table = arguments.positional(0).and_then(|table| Some((table.items.as_deref()?, table.origins())));
    let Some((items, origins)) = table else { return Value::hole(part(hole)) };
    let (mut gone, mut made) = (CharSet::NONE, CharSet::NONE);
    let mut complete = true;
    if let (Some(keys), true) = (&items.keys, !items.known.is_empty()) {
        complete &= keys.origins().is_none();
        for (key, entry) in &items.known {
            match key {
                Key::Text(text) => gone = gone.union(CharSet::of(text)),
                Key::Index(code) => match u32::try_from(*code).ok().and_then(char::from_u32) {
                    Some(char) => gone = gone.with(char),
                    None => complete = false,
                },
            }
            if !entry.objects.contains(&Object::Nothing) {
                made = made.union(entry.to_hole().chars);
            }
        }
        // A whole table says what all of its entries are; one that may have more of them only what it removes.
        if !is_whole(items) {
            complete = false;
        }
    } else {
        // The three texts of `str.maketrans(from, to, gone)`; or its mapping, as the first.
        let text = |index| items.known.get(&Key::Index(index)).map(|value| value.text.as_literal());
        match (text(0), text(1), text(2)) {
            (Some(Some(from)), Some(Some(to)), removed) => {
                let removed = removed.map_or(Some(""), |removed| removed);
                gone = CharSet::of(from).union(CharSet::of(removed.unwrap_or("")));
                made = CharSet::of(to);
                complete = removed.is_some();
            }
            _ => complete = false,
        }
    }
    if !complete {
        let chars = hole.chars.union(CharSet::ALL);
        return Value::hole(Hole { chars, origins: hole.origins.union(origins), ..part(hole) });
    }
    // Characters beyond ASCII are not told apart.
    let gone = gone.difference(CharSet::OTHER);
    Value::hole(Hole { chars: hole.chars.difference(gone).union(made), ..part(hole) })
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
    Value::container(Items { known, any, keys: None })
}
