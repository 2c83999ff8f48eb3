//! Python literals as values in the closed encoding.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use real_sandbox_api::{Expr, Value};
use ruff_python_ast::{Expr as Node, Number, UnaryOp};
use ruff_text_size::Ranged as _;

use crate::python_float;

/// A literal as a value, anything else as source text cut from `source`.
pub(crate) fn expression(node: &Node, source: &str) -> Expr {
    value(node).map_or_else(|| Expr::Source(text(node, source)), Expr::Value)
}

/// The node's text, in parentheses where it spans lines: it may have relied on brackets around it.
pub(crate) fn text(node: &Node, source: &str) -> String {
    let text = &source[node.range()];
    if text.contains('\n') { format!("({text})") } else { text.to_owned() }
}

/// The value of a literal; `None` for any expression that would have to be evaluated.
pub(crate) fn value(node: &Node) -> Option<Value> {
    Some(match node {
        Node::NoneLiteral(_) => Value::None,
        Node::BooleanLiteral(literal) => Value::Bool(literal.value),
        Node::NumberLiteral(literal) => number(&literal.value, false)?,
        Node::UnaryOp(unary) if unary.op == UnaryOp::USub => match &*unary.operand {
            Node::NumberLiteral(literal) => number(&literal.value, true)?,
            _ => return None,
        },
        Node::StringLiteral(literal) => Value::Str(literal.value.to_str().to_owned()),
        Node::BytesLiteral(literal) => Value::Bytes(STANDARD.encode(literal.value.bytes().collect::<Vec<u8>>())),
        Node::List(list) => Value::List(values(&list.elts)?),
        Node::Tuple(tuple) => Value::Tuple(values(&tuple.elts)?),
        Node::Set(set) => Value::Set(values(&set.elts)?),
        Node::Dict(dict) => {
            let pair = |item: &ruff_python_ast::DictItem| Some((value(item.key.as_ref()?)?, value(&item.value)?));
            Value::Dict(dict.items.iter().map(pair).collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

fn values(nodes: &[Node]) -> Option<Vec<Value>> {
    nodes.iter().map(value).collect()
}

fn number(number: &Number, negative: bool) -> Option<Value> {
    match number {
        Number::Int(int) => {
            let digits = int.to_string();
            // Integers beyond 64 bits are kept as written, which may be hexadecimal: Python shall read those.
            let decimal = digits.bytes().all(|byte| byte.is_ascii_digit());
            let sign = if negative && digits != "0" { "-" } else { "" };
            decimal.then(|| Value::Int(format!("{sign}{digits}")))
        }
        Number::Float(float) => Some(Value::Float(python_float::repr(if negative { -float } else { *float }))),
        Number::Complex { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(source: &str) -> Expr {
        let parsed = ruff_python_parser::parse_expression(source).expect("test input parses");
        expression(parsed.expr(), source)
    }

    #[test]
    fn literals_become_values() {
        assert_eq!(of("-3"), Expr::Value(Value::Int("-3".to_owned())));
        assert_eq!(of("'a' \"b\""), Expr::Value(Value::Str("ab".to_owned())));
        assert_eq!(of("b'\\xff'"), Expr::Value(Value::Bytes("/w==".to_owned())));
        let big = "123456789012345678901234567890";
        assert_eq!(of(big), Expr::Value(Value::Int(big.to_owned())));
        let nested = Value::Dict(vec![(Value::Str("k".to_owned()), Value::List(vec![Value::None, Value::Bool(true)]))]);
        assert_eq!(of("{'k': [None, True]}"), Expr::Value(nested));
    }

    #[test]
    fn what_must_be_evaluated_stays_source() {
        for source in ["'a' * 3", "f'{x}'", "name", "[x for x in y]", "{**a}", "1 + 2j", "f(1)"] {
            assert_eq!(of(source), Expr::Source(source.to_owned()));
        }
        assert_eq!(of("f(1,\n  2)"), Expr::Source("(f(1,\n  2))".to_owned()));
    }
}
