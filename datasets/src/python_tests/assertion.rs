//! What one assertion asks of the program.

use std::collections::{BTreeMap, BTreeSet};

use real_sandbox_api::{Expected, Expr, Value};
use ruff_python_ast::{CmpOp, Expr as Node, ExprCall, Stmt};

use super::names::{is_builtin, used_in};
use crate::python_literal::{expression, text};

/// What one assertion asks of the program.
#[derive(Debug)]
pub(super) enum Asserted {
    /// A call with arguments, and what comes of it.
    Call { entry: String, args: Vec<Expr>, kwargs: BTreeMap<String, Expr>, expected: Expected },
    /// Something else that has to hold: an expression that gives a truth.
    Predicate(String),
}

/// Where an assertion stands.
pub(super) struct Scope<'a> {
    pub(super) source: &'a str,
    /// What the parameter of `check` stands for.
    pub(super) entry: Option<&'a str>,
    /// Names that are there without the program.
    pub(super) known: &'a BTreeSet<String>,
    /// Names that the function around the assertion binds.
    pub(super) local: &'a BTreeSet<String>,
}

/// Reads `assert …` and `with pytest.raises(…): …`; nothing where it is neither.
pub(super) fn read(statement: &Stmt, alias: Option<&str>, scope: &Scope<'_>) -> Option<Asserted> {
    match statement {
        Stmt::Assert(assertion) => {
            Some(comparison(&assertion.test, alias, scope).unwrap_or_else(|| predicate(&assertion.test, alias, scope)))
        }
        Stmt::With(with) => {
            let [item] = &with.items[..] else { return None };
            let Node::Call(raises) = &item.context_expr else { return None };
            let is_raises = matches!(&*raises.func, Node::Attribute(attribute) if attribute.attr.as_str() == "raises")
                || matches!(&*raises.func, Node::Name(name) if name.id.as_str() == "raises");
            let [Stmt::Expr(body)] = &with.body[..] else { return None };
            let call =
                called(&body.value, alias, scope).filter(|_| is_raises && raises.arguments.keywords.is_empty())?;
            let [class] = &raises.arguments.args[..] else { return None };
            let names = match class {
                Node::Tuple(tuple) => tuple.elts.iter().map(|element| text(element, scope.source)).collect(),
                single => vec![text(single, scope.source)],
            };
            let plain = |name: &String| name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.'));
            names.iter().all(plain).then(|| call.asserted(Expected::Raises(names)))
        }
        _ => None,
    }
}

/// `f(…) == value`, `value == f(…)`, `f(…) is None`, `f(…) is True`.
fn comparison(test: &Node, alias: Option<&str>, scope: &Scope<'_>) -> Option<Asserted> {
    let Node::Compare(compare) = test else { return None };
    let (&[operator], [right]) = (&*compare.ops, &*compare.comparators) else { return None };
    if !matches!(operator, CmpOp::Eq | CmpOp::Is) {
        return None;
    }
    let (call, other) = match called(&compare.left, alias, scope) {
        Some(call) => (call, right),
        None => (called(right, alias, scope)?, &*compare.left),
    };
    let is_constant = matches!(other, Node::NoneLiteral(_) | Node::BooleanLiteral(_));
    // What `is` says of other values depends on the interpreter.
    if (operator == CmpOp::Is && !is_constant) || !is_free(other, alias, scope) {
        return None;
    }
    Some(call.asserted(Expected::Returns(expression(other, scope.source))))
}

struct Called {
    entry: String,
    args: Vec<Expr>,
    kwargs: BTreeMap<String, Expr>,
}

impl Called {
    fn asserted(self, expected: Expected) -> Asserted {
        Asserted::Call { entry: self.entry, args: self.args, kwargs: self.kwargs, expected }
    }
}

/// A call of the program whose arguments can be made without it.
fn called(node: &Node, alias: Option<&str>, scope: &Scope<'_>) -> Option<Called> {
    let Node::Call(ExprCall { func, arguments, .. }) = node else { return None };
    let entry = match &**func {
        Node::Name(name) if Some(name.id.as_str()) == alias => scope.entry?.to_owned(),
        Node::Name(_) | Node::Attribute(_) => {
            let names = used_in(func);
            let of_the_program =
                |name: &String| !is_builtin(name) && !scope.known.contains(name) && !scope.local.contains(name);
            if names.is_empty() || !names.iter().all(of_the_program) {
                return None;
            }
            text(func, scope.source)
        }
        _ => return None,
    };
    let mut kwargs = BTreeMap::new();
    for keyword in &arguments.keywords {
        let name = keyword.arg.as_ref()?.to_string();
        kwargs.insert(name, argument(&keyword.value, alias, scope)?);
    }
    let args = arguments.args.iter().map(|node| argument(node, alias, scope)).collect::<Option<Vec<_>>>()?;
    Some(Called { entry, args, kwargs })
}

fn argument(node: &Node, alias: Option<&str>, scope: &Scope<'_>) -> Option<Expr> {
    (!node.is_starred_expr() && is_free(node, alias, scope)).then(|| expression(node, scope.source))
}

/// Whether an expression can be evaluated without the program and without what is bound around it.
fn is_free(node: &Node, alias: Option<&str>, scope: &Scope<'_>) -> bool {
    used_in(node).iter().all(|name| {
        let local = scope.local.contains(name) || Some(name.as_str()) == alias;
        !local && (is_builtin(name) || scope.known.contains(name))
    })
}

fn predicate(test: &Node, alias: Option<&str>, scope: &Scope<'_>) -> Asserted {
    let holds = format!("bool({})", text(test, scope.source));
    Asserted::Predicate(match (alias, scope.entry) {
        (Some(alias), Some(entry)) => format!("(lambda {alias}: {holds})({entry})"),
        _ => holds,
    })
}

/// The value of a number; nothing for anything else.
pub(super) fn number(node: &Node) -> Option<f64> {
    match crate::python_literal::value(node)? {
        Value::Int(text) | Value::Float(text) => text.parse().ok(),
        _ => None,
    }
}
