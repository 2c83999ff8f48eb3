//! What chat templates may write and minijinja does not read, rewritten to what it does:
//!
//! * `{% generation %}…{% endgeneration %}` (transformers' marks around what an assistant said) to `{% with %}…{% endwith %}`,
//!   a scope of its own as there;
//! * `'format' % value` to `('format' | percent_format(value))`, printf-style formatting.
//!
//! Comments and raw blocks stay as they are. Whatever else is unknown stays too, and is minijinja's error.

/// The template in minijinja's dialect.
pub(super) fn rewritten(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(start) = rest.find('{') {
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        let close = match rest.as_bytes().get(1) {
            Some(b'#') => "#}",
            Some(b'%') => "%}",
            Some(b'{') => "}}",
            _ => {
                out.push('{');
                rest = &rest[1..];
                continue;
            }
        };
        let Some(end) = end_of_tag(rest, close) else { break };
        let tag = &rest[..end];
        rest = &rest[end..];
        if close == "#}" {
            out.push_str(tag);
            continue;
        }
        let inner = &tag[2..tag.len() - 2];
        match inner.trim_matches(|c: char| c.is_whitespace() || c == '-' || c == '+') {
            "raw" => {
                let raw = end_of_raw(rest);
                out.push_str(tag);
                out.push_str(&rest[..raw]);
                rest = &rest[raw..];
            }
            "generation" => out.push_str(&tag.replacen("generation", "with", 1)),
            "endgeneration" => out.push_str(&tag.replacen("endgeneration", "endwith", 1)),
            _ => {
                out.push_str(&tag[..2]);
                out.push_str(&formatting(inner));
                out.push_str(close);
            }
        }
    }
    out.push_str(rest);
    out
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

/// Length of the string literal that a text begins with, quotes included.
fn string_length(text: &str) -> Option<usize> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == quote {
            return Some(at + 1);
        }
    }
    None
}

/// Rewrites the formatting in an expression.
fn formatting(expression: &str) -> String {
    let mut out = String::with_capacity(expression.len());
    let mut rest = expression;
    while let Some(c) = rest.chars().next() {
        let Some(literal) = string_length(rest) else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        };
        let (text, after) = rest.split_at(literal);
        let operand = after.trim_start().strip_prefix('%').map(str::trim_start);
        let Some((operand, length)) = operand.and_then(|operand| Some((operand, operand_length(operand)?))) else {
            out.push_str(text);
            rest = after;
            continue;
        };
        let value = formatting(&operand[..length]);
        out.extend(["(", text, " | percent_format(", &value, "))"]);
        rest = &operand[length..];
    }
    out
}

/// Length of the operand that an expression begins with: one value with the attributes, items, calls and filters after it,
/// which all bind closer than `%`.
fn operand_length(text: &str) -> Option<usize> {
    let mut at = match text.chars().next()? {
        '(' | '[' | '{' => bracket_length(text)?,
        '\'' | '"' => string_length(text)?,
        '-' => return operand_length(&text[1..]).map(|length| length + 1),
        _ => Some(word_length(text)).filter(|length| *length > 0)?,
    };
    loop {
        let rest = &text[at..];
        let blank = rest.len() - rest.trim_start().len();
        let rest = rest.trim_start();
        let length = match rest.chars().next() {
            Some('(' | '[') => bracket_length(rest)?,
            Some(mark @ ('.' | '|')) => {
                let word = rest[1..].trim_start();
                let length = word_length(word);
                if length == 0 {
                    return Some(at);
                }
                let _ = mark;
                rest.len() - word.len() + length
            }
            _ => return Some(at),
        };
        at += blank + length;
    }
}

fn word_length(text: &str) -> usize {
    text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len())
}

/// Length up to the bracket that closes the one that a text begins with.
fn bracket_length(text: &str) -> Option<usize> {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        let here = &text[at..];
        if let Some(length) = string_length(here) {
            at += length;
            continue;
        }
        let c = here.chars().next()?;
        at += c.len_utf8();
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_generation_become_a_scope_whatever_is_beside_them() {
        assert_eq!(rewritten("{%- generation -%}a{% endgeneration %}"), "{%- with -%}a{% endwith %}");
        for same in ["{# {% generation %} #}", "{% raw %}{% generation %}{% endraw %}", "{{ '{% generation %}' }}", "{"]
        {
            assert_eq!(rewritten(same), same);
        }
    }

    #[test]
    fn a_string_before_a_percent_sign_is_a_format() {
        for (source, wanted) in [
            ("{{ '%s' % x }}", "{{ ('%s' | percent_format(x)) }}"),
            ("{{ 'a' + '%s:%d' % (m['role'], 3) ~ b }}", "{{ 'a' + ('%s:%d' | percent_format((m['role'], 3))) ~ b }}"),
            ("{% set y = \"%s\" % m.content|trim %}", "{% set y = (\"%s\" | percent_format(m.content|trim)) %}"),
            ("{{ '%s' % ('%d' % n) }}", "{{ ('%s' | percent_format((('%d' | percent_format(n))))) }}"),
            ("{{ '%d%%' % -n.x(1)[2] + 1 }}", "{{ ('%d%%' | percent_format(-n.x(1)[2])) + 1 }}"),
        ] {
            assert_eq!(rewritten(source), wanted);
        }
        for same in [
            "{% if loop.index % 2 == 0 %}",
            "{{ x['a'] % 2 }}",
            "50 % of {{ x }} {% x",
            "{{ '\\'% s' }}",
            "{{ 'a' % }}",
        ] {
            assert_eq!(rewritten(same), same);
        }
    }
}
