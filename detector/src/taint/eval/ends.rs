//! Texts without what they begin or end with.

use std::rc::Rc;

use crate::taint::domain::{languages, part};
use crate::taint::frame::Arguments;
use crate::text::{Part, Template, Text};

/// What a text is of which only the end may be missing: how it begins is as it was.
pub(super) fn beginning(text: &Text) -> Text {
    text.map(|template| {
        let rest = |from: usize| Text::from_template(Template(template.0[from..].into())).collapse(languages());
        match template.0.as_slice() {
            [first @ Part::Literal(_), _, ..] => {
                let hole = rest(1).map(|hole| Part::Hole(part(hole)));
                Template([Some(first.clone()), hole].into_iter().flatten().collect())
            }
            _ => Template(rest(0).map(|hole| Part::Hole(part(hole))).into_iter().collect()),
        }
    })
}

/// `text.strip(characters)`, or `rstrip`: whitespace where they are not given.
pub(super) fn stripped(text: &Text, arguments: &Arguments<'_>, both: bool) -> Text {
    let given = arguments.positional(0).map(|value| value.text.as_literal());
    let goes = |char: char| match given {
        Some(Some(chars)) => chars.contains(char),
        _ => char.is_whitespace(),
    };
    let unknown = given == Some(None);
    text.map(|template| {
        let mut parts = template.0.clone();
        if unknown || parts.len() < 2 {
            let hole = Text::from_template(template.clone()).collapse(languages());
            return Template(hole.map(|hole| Part::Hole(part(hole))).into_iter().collect());
        }
        while let Some(Part::Literal(last)) = parts.last() {
            let left = last.trim_end_matches(goes);
            if !left.is_empty() {
                let left = Part::Literal(Rc::from(left));
                parts.pop();
                parts.push(left);
                break;
            }
            parts.pop();
        }
        while let Some(Part::Literal(first)) = parts.first().filter(|_| both) {
            let left = first.trim_start_matches(goes);
            if !left.is_empty() {
                parts[0] = Part::Literal(Rc::from(left));
                break;
            }
            parts.remove(0);
        }
        let last = parts.len().saturating_sub(1);
        for at in [0, last] {
            if let Some(Part::Hole(hole)) = parts.get_mut(at) {
                *hole = part(*hole);
            }
        }
        Template(parts)
    })
}
