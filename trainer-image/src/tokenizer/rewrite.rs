//! What chat templates may write and minijinja does not read, rewritten to what it does:
//!
//! * `{% generation %}…{% endgeneration %}` (transformers' marks around what an assistant said) to `{% with %}…{% endwith %}`,
//!   a scope of its own as there;
//! * a macro that reads `varargs` or `kwargs` names them as parameters, and a function around it fills them;
//! * expressions, see [`expression`].
//!
//! Comments and raw blocks stay as they are. Whatever else is unknown stays too, and is minijinja's error.

use super::expression::{self, bracket_length, string_length};
use super::objects::REST;

/// A part of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part<'a> {
    /// Text, comments and raw blocks.
    Text(&'a str),
    /// The inside of `{{ … }}`.
    Shown(&'a str),
    /// The inside of `{% … %}`.
    Statement(&'a str),
}

/// The template in minijinja's dialect.
pub(super) fn rewritten(source: &str) -> String {
    let parts = parts(source);
    let mut out = String::with_capacity(source.len());
    // Names of macros that are open, of those that take any arguments.
    let mut open: Vec<Option<&str>> = Vec::new();
    for (place, part) in parts.iter().enumerate() {
        match part {
            Part::Text(text) => out.push_str(text),
            Part::Shown(inner) => out.extend(["{{", &expression::rewritten(inner), "}}"]),
            Part::Statement(inner) => {
                let (word, _) = words(inner);
                match word {
                    "generation" => out.extend(["{%", &inner.replacen("generation", "with", 1), "%}"]),
                    "endgeneration" => out.extend(["{%", &inner.replacen("endgeneration", "endwith", 1), "%}"]),
                    "set" => out.extend(["{%", &assignment(inner), "%}"]),
                    "macro" => {
                        let rest = rest_of_macro(&parts[place + 1..]);
                        let (name, statement) =
                            macro_of(inner, &rest).unwrap_or_else(|| ("", ["{%", inner, "%}"].concat()));
                        open.push((!rest.is_empty()).then_some(name));
                        out.push_str(&statement);
                    }
                    "endmacro" => out.push_str(&end_of_macro(inner, open.pop().flatten())),
                    _ => out.extend(["{%", &expression::rewritten(inner), "%}"]),
                }
            }
        }
    }
    out
}

/// A template's parts, which are all of it.
fn parts(source: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let (mut rest, mut text) = (source, 0);
    while let Some(start) = rest[text..].find('{') {
        let start = text + start;
        let close = match rest.as_bytes().get(start + 1) {
            Some(b'#') => "#}",
            Some(b'%') => "%}",
            Some(b'{') => "}}",
            _ => {
                text = start + 1;
                continue;
            }
        };
        let Some(length) = end_of_tag(&rest[start..], close) else { break };
        let end = start + length;
        let inner = &rest[start + 2..end - 2];
        if close == "#}" {
            text = end;
            continue;
        }
        if close == "%}" && words(inner) == ("raw", "") {
            text = end + end_of_raw(&rest[end..]);
            continue;
        }
        parts.push(Part::Text(&rest[..start]));
        parts.push(if close == "}}" { Part::Shown(inner) } else { Part::Statement(inner) });
        rest = &rest[end..];
        text = 0;
    }
    parts.push(Part::Text(rest));
    parts
}

/// The first word of a statement, and what follows.
fn words(inner: &str) -> (&str, &str) {
    let inner = inner.trim_matches(|c: char| c.is_whitespace() || c == '-' || c == '+');
    let (word, rest) = inner.split_at(inner.find(|c: char| !c.is_alphanumeric()).unwrap_or(inner.len()));
    (word, rest.trim())
}

/// An assignment, whose left side is no expression.
fn assignment(inner: &str) -> String {
    match inner.split_once('=') {
        Some((target, value)) => [target, "=", &expression::rewritten(value)].concat(),
        None => inner.to_owned(),
    }
}

/// Which of [`REST`] the macro reads that goes on with these parts.
fn rest_of_macro(parts: &[Part<'_>]) -> Vec<&'static str> {
    let mut depth = 0;
    let mut inside: Vec<&str> = Vec::new();
    for part in parts {
        match part {
            Part::Text(_) => {}
            Part::Shown(inner) => inside.push(inner),
            Part::Statement(inner) => match words(inner).0 {
                "macro" => depth += 1,
                "endmacro" if depth == 0 => break,
                "endmacro" => depth -= 1,
                _ => inside.push(inner),
            },
        }
    }
    let is_inside = |name: &str| inside.iter().any(|inner| expression::mentions(inner, name));
    REST.into_iter().filter(|name| is_inside(name)).collect()
}

/// A macro's name, and its statement with these as its last parameters. A default that reads other parameters is worked out inside, where
/// they are.
fn macro_of<'a>(inner: &'a str, rest: &[&str]) -> Option<(&'a str, String)> {
    let open = inner.find('(')?;
    let close = open + bracket_length(&inner[open..])? - 1;
    let name = inner[..open].split_whitespace().next_back()?;
    let own: Vec<(&str, Option<String>)> = expression::listed(&inner[open + 1..close])
        .into_iter()
        .map(|parameter| match parameter.split_once('=') {
            Some((name, default)) => (name.trim(), Some(expression::rewritten(default.trim()))),
            None => (parameter, None),
        })
        .collect();
    let reads_others = own
        .iter()
        .filter_map(|(_, default)| default.as_ref())
        .any(|default| own.iter().any(|(other, _)| expression::mentions(default, other)));
    let mut parameters = Vec::new();
    let mut inside = Vec::new();
    for (name, default) in own {
        match default {
            Some(default) if reads_others => {
                inside.push(format!("set {name} = ({default}) if {name} is undefined else {name}"));
                parameters.push(name.to_owned());
            }
            Some(default) => parameters.push(format!("{name}={default}")),
            None => parameters.push(name.to_owned()),
        }
    }
    parameters.extend(rest.iter().map(|name| format!("{name}=none")));
    let statement = [&inner[..=open], &parameters.join(", "), ")"].concat();
    let mut statements = vec![statement];
    statements.extend(inside);
    Some((name, format!("{{%{}{}%}}", statements.join(" %}{% "), &inner[close + 1..])))
}

/// The end of a macro; where it takes any arguments, its name is of a function around it from there on.
fn end_of_macro(inner: &str, name: Option<&str>) -> String {
    let Some(name) = name else { return ["{%", inner, "%}"].concat() };
    let mark = |mark: Option<char>| mark.filter(|c| matches!(c, '-' | '+')).map(String::from).unwrap_or_default();
    let (before, after) = (mark(inner.chars().next()), mark(inner.chars().next_back()));
    format!("{{%{before} endmacro %}}{{% set {name} = with_rest({name}) {after}%}}")
}

/// Where a tag that begins a text ends, its closing delimiter included; strings inside may hold delimiters.
fn end_of_tag(text: &str, close: &str) -> Option<usize> {
    if close == "#}" {
        return text.find(close).map(|at| at + 2);
    }
    let mut at = 2;
    while at < text.len() {
        let here = &text[at..];
        if here.starts_with(close) {
            return Some(at + 2);
        }
        at += string_length(here).unwrap_or_else(|| here.chars().next().map_or(1, char::len_utf8));
    }
    None
}

/// Where `{% endraw %}` begins.
fn end_of_raw(text: &str) -> usize {
    let mut from = 0;
    while let Some(at) = text[from..].find("{%") {
        let begin = from + at;
        if text[begin + 2..].trim_start_matches(['-', '+']).trim_start().starts_with("endraw") {
            return begin;
        }
        from = begin + 2;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_generation_become_a_scope_whatever_is_beside_them() {
        assert_eq!(rewritten("{%- generation -%}a{% endgeneration %}"), "{%- with -%}a{% endwith %}");
        for same in [
            "{# {% generation %} #}",
            "{% raw %}{% generation %}{% endraw %}",
            "{{ '{% generation %}' }}",
            "{",
            "50 % of {{ x }} {% x",
            "{% set ns.index = 1 %}",
        ] {
            assert_eq!(rewritten(same), same);
        }
    }

    #[test]
    fn a_macro_that_takes_any_arguments_names_them_and_is_wrapped() {
        assert_eq!(
            rewritten("{%- macro m(a, b=1) -%}{{ varargs }}{%- endmacro -%}"),
            "{%- macro m(a, b=1, varargs=none) -%}{{ varargs }}{%- endmacro %}{% set m = with_rest(m) -%}"
        );
        assert_eq!(
            rewritten("{% macro m() %}{% for k in kwargs %}{{ varargs }}{% endfor %}{% endmacro %}"),
            "{% macro m(varargs=none, kwargs=none) %}{% for k in kwargs %}{{ varargs }}{% endfor %}{% endmacro %}{% set m = with_rest(m) %}"
        );
        for same in
            ["{% macro m(a) %}{{ a }} varargs {{ 'kwargs' }}{{ a.varargs }}{% endmacro %}{{ varargs }}", "{% macro m"]
        {
            assert_eq!(rewritten(same), same);
        }
    }
}
