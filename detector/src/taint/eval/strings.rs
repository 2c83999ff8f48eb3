//! What the methods of strings make of templates.

use std::rc::Rc;

use crate::dataflow::Lattice;
use crate::taint::domain::{Items, Key, Object, Value, formatted, languages, part};
use crate::taint::frame::Arguments;
use crate::text::{CharSet, Hole, LanguageSet, Origins, Part, Pattern, Template, Text};

/// What stands before the first separator, where it is written out: `"git log {}".format(x).split()` is a list for `git`.
pub(super) fn first_word(text: &Text, separator: Option<&Value>) -> Option<String> {
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

pub(super) fn map_case(value: &Value, case: fn(char) -> char) -> Value {
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

/// Places of a literal that are replaced one by one, at most.
const MAX_REPLACED: usize = 8;

/// `text.replace(old, new)`
pub(super) fn replace(value: &Value, arguments: &Arguments<'_>) -> Value {
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
        let mut pieces = vec![];
        for piece in changed.0 {
            match (&piece, &new_literal) {
                (Part::Literal(literal), Some(new)) => {
                    pieces.push(Part::Literal(Rc::from(literal.replace(&old_literal, new))));
                }
                (Part::Literal(literal), None)
                    if !old_literal.is_empty() && literal.matches(&old_literal).count() <= MAX_REPLACED =>
                {
                    for (i, kept) in literal.split(&old_literal).enumerate() {
                        if i > 0 {
                            pieces.push(Part::Hole(new_hole));
                        }
                        if !kept.is_empty() {
                            pieces.push(Part::Literal(Rc::from(kept)));
                        }
                    }
                }
                (Part::Literal(literal), None) if !literal.contains(&old_literal) => pieces.push(piece.clone()),
                (Part::Literal(_), None) => pieces.push(Part::Hole(new_hole)),
                (Part::Hole(hole), _) => {
                    pieces.push(Part::Hole(replaced(*hole, &old_literal, new_literal.as_deref(), new_hole, limited)));
                }
            }
        }
        changed.0 = pieces.into();
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
    // A piece of the program's own between pieces that stand bare: `escape(text).replace("\n", "<br>")`.
    let piece = |new: &str| Text::literal(new).collapse(languages()).map_or(LanguageSet::NONE, |piece| piece.closed);
    let closed = new.map_or(LanguageSet::NONE, |new| languages().bare(hole).intersection(piece(new)));
    Hole {
        chars: left.union(inserted),
        doubled,
        origins: hole.origins.union(new_hole.origins),
        closed,
        number: false,
        led: false,
    }
}

/// `re.sub(pattern, replacement, text)`
pub(super) fn substitute(
    pattern: Option<&Value>,
    replacement: Option<&Value>,
    subject: &Value,
    limited: bool,
) -> Value {
    let hole = subject.to_hole();
    let inserted = match replacement {
        Some(value) if value.objects.is_empty() => value.to_hole(),
        // A function makes the replacement from the match.
        _ => hole,
    };
    let gone = pattern
        .and_then(|pattern| Pattern::of(pattern.text.as_literal()?))
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
pub(super) fn join(separator: &Value, arguments: &Arguments<'_>) -> Value {
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
    let (element, between) = (list.element(), separator.to_text());
    let entries = list.items.as_deref().filter(|items| items.keys.is_none());
    let known = entries.into_iter().flat_map(|items| &items.known).enumerate();
    for (_, (_, item)) in known.take_while(|(i, (key, _))| **key == Key::Index(*i as i64)) {
        let form = item.to_text();
        if separator.text.as_literal().is_none() || form.templates().len() != 1 {
            break;
        }
        start = start.concat(&form, languages()).concat(&between, languages());
    }
    let mut hole = element.to_hole();
    // Separators stand between closed pieces: the whole is closed where both are.
    let both = element.to_text().concat(&separator.to_text(), languages()).collapse(languages());
    if let Some(both) = both {
        let closed = both.closed.intersection(hole.closed);
        hole = Hole { closed, number: false, ..hole.union(both) };
    }
    let form = element.text.clone();
    // How one looks says how the first does.
    let told = start.as_literal() == Some("")
        && element.items.is_none()
        && (1..=MAX_FORMS).contains(&form.templates().len())
        && form.templates().iter().any(|template| template.0.len() > 1);
    if !told {
        return Value::text(start.concat(&Text::hole(hole), languages()));
    }
    let mut joined = form.concat(&between, languages()).concat(&Text::hole(hole), languages());
    joined.join(&form, languages());
    Value::text(joined)
}

/// Forms of one entry of a list that are told apart where the entries are joined.
const MAX_FORMS: usize = 4;

/// Whether the known entries are all there are.
fn is_whole(items: &Items) -> bool {
    let mut all = Value::default();
    items.known.values().for_each(|value| {
        all.join(value);
    });
    !all.clone().join(&items.any)
}

/// `string.Template(template).substitute(values)` (PEP 292).
pub(super) fn dollar_format(template: &Value, arguments: &Arguments<'_>) -> Text {
    let mut result = Text::default();
    for form in template.to_text().templates() {
        let mut text = Text::literal("");
        for piece in &form.0 {
            let Part::Literal(literal) = piece else {
                text = text.concat(&Text::from_template(Template(smallvec::smallvec![piece.clone()])), languages());
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
pub(super) fn brace_format(template: &Value, arguments: &Arguments<'_>) -> Text {
    let mut result = Text::default();
    for form in template.to_text().templates() {
        let mut text = Text::literal("");
        let mut index = 0;
        // Where no placeholder is seen, they are in what is not known.
        let has_fields = form.0.iter().any(|piece| matches!(piece, Part::Literal(literal) if literal.contains('{')));
        let filled = |hole: Hole| {
            let open = !has_fields && hole.chars == CharSet::ALL;
            arguments.iter().filter(|_| open).fold(hole, |all, (_, value)| all.union(value.to_hole()))
        };
        for piece in &form.0 {
            match piece {
                Part::Literal(literal) => {
                    text = text.concat(&braces(literal, arguments, &mut index), languages());
                }
                Part::Hole(hole) => text = text.concat(&Text::hole(filled(*hole)), languages()),
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
pub(super) fn translate(value: &Value, arguments: &Arguments<'_>) -> Value {
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
