//! Texts that are put together of values: placeholders, and `%` (library reference, "printf-style String Formatting").

use std::rc::Rc;

use super::object::Object;
use super::value::{Key, Value, languages, part};
use crate::text::{CharSet, Hole, LanguageSet, Text};

/// The text of a placeholder.
pub(in crate::taint) fn formatted(value: &Value, repr: bool, spec: &str) -> Text {
    // One character by its number: any.
    if spec.ends_with('c') {
        return Text::hole(Hole::any(value.origins()));
    }
    let numeric = spec.chars().last().is_some_and(|last| "bdeEfFgGnoxX%".contains(last));
    if spec == "d"
        && let [Object::Integer(integer)] = value.objects[..]
    {
        return Text::literal(&integer.to_string());
    }
    if numeric {
        return Text::hole(Hole::number(value.origins()));
    }
    if repr {
        let hole = value.to_hole();
        if hole.number {
            return Text::hole(hole);
        }
        let chars = hole.chars.difference(CharSet::of("\n\r\t")).union(CharSet::of("'\"\\"));
        // The text of a literal is one piece of Python.
        let python = ["python", "python-expression"].into_iter().filter_map(|id| languages().index(id));
        let closed = python.fold(LanguageSet::NONE, |closed, index| closed.union(LanguageSet::one(index)));
        return Text::hole(Hole { chars, doubled: CharSet::NONE, closed, ..hole });
    }
    if spec.is_empty() {
        return value.to_text();
    }
    // Padding: fill characters around it.
    let hole = value.to_hole();
    Text::hole(Hole { chars: hole.chars.union(CharSet::of(spec)).with(' '), ..part(hole) })
}

/// `template % values`
pub(in crate::taint) fn percent_format(template: &Value, values: &Value) -> Text {
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
            let spec = match conversion {
                'c' => "c",
                'd' | 'i' if flags == 0 => "d",
                _ if "diouxXeEfFgG".contains(conversion) => "n",
                _ => "",
            };
            text = text.concat(&formatted(&value, "ra".contains(conversion), spec), languages());
        }
        text = text.concat(&Text::literal(rest), languages());
        result.join(&text, languages());
    }
    result
}
