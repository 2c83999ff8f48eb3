//! Tables of inputs and results with a loop over both, as EvalPlus writes them.

use ruff_python_ast::{Expr as Node, Stmt};
use ruff_text_size::Ranged as _;

use super::assertion::number;

/// A table of inputs and results.
pub(super) struct Table<'a> {
    inputs: &'a [Node],
    results: &'a [Node],
    statements: [&'a Stmt; 3],
    /// What the inputs are given to, where the loop names it.
    pub(super) callee: Option<&'a str>,
    /// What floats may differ by.
    pub(super) tolerance: f64,
}

impl<'a> Table<'a> {
    /// Inputs beside their results.
    pub(super) fn rows(&self) -> impl Iterator<Item = (&'a Node, &'a Node)> {
        self.inputs.iter().zip(self.results)
    }

    /// Whether a statement is part of the table.
    pub(super) fn has(&self, statement: &Stmt) -> bool {
        self.statements.iter().any(|own| own.range() == statement.range())
    }
}

/// The table among these statements: `inputs = […]`, `results = […]` of one length, and
/// `for i, (inp, exp) in enumerate(zip(inputs, results)): assertion(f(*inp), exp, 0)`. `alias` is what `f` is called in a
/// function that is given it.
pub(super) fn find<'a>(body: &'a [Stmt], alias: Option<&str>) -> Option<Table<'a>> {
    let list = |wanted: &Node| {
        let Node::Name(wanted) = wanted else { return None };
        body.iter().find_map(|statement| {
            let Stmt::Assign(assign) = statement else { return None };
            let named = matches!(&assign.targets[..], [Node::Name(name)] if name.id == wanted.id);
            match &*assign.value {
                Node::List(list) if named => Some((statement, &list.elts[..])),
                _ => None,
            }
        })
    };
    body.iter().find_map(|statement| {
        let Stmt::For(cycle) = statement else { return None };
        let zip = match &*cycle.iter {
            Node::Call(call) if is_name(&call.func, "enumerate") => call.arguments.args.first()?,
            other => other,
        };
        let Node::Call(zip) = zip else { return None };
        let [inputs, results] = &zip.arguments.args[..] else { return None };
        let ((first, inputs), (second, results)) = (list(inputs)?, list(results)?);
        if !is_name(&zip.func, "zip") || inputs.len() != results.len() {
            return None;
        }
        let [only] = &cycle.body[..] else { return None };
        let (call, tolerance) = match only {
            // assertion(f(*inp), exp, tolerance)
            Stmt::Expr(expression) => {
                let Node::Call(call) = &*expression.value else { return None };
                let args = &call.arguments.args;
                // Whether tolerances are what this name says is known of this name alone.
                if !is_name(&call.func, "assertion") || !(2..=3).contains(&args.len()) || !args[1].is_name_expr() {
                    return None;
                }
                (&args[0], args.get(2).map_or(Some(0.0), number)?)
            }
            Stmt::Assert(assertion) => match &*assertion.test {
                Node::Compare(compare) if matches!(&*compare.ops, [ruff_python_ast::CmpOp::Eq]) => {
                    if !compare.comparators[0].is_name_expr() {
                        return None;
                    }
                    (&*compare.left, 0.0)
                }
                _ => return None,
            },
            _ => return None,
        };
        let Node::Call(call) = call else { return None };
        let ([Node::Starred(_)], Node::Name(callee)) = (&call.arguments.args[..], &*call.func) else { return None };
        let callee = Some(callee.id.as_str()).filter(|name| Some(*name) != alias);
        Some(Table { inputs, results, statements: [first, second, statement], callee, tolerance })
    })
}

fn is_name(node: &Node, wanted: &str) -> bool {
    matches!(node, Node::Name(name) if name.id.as_str() == wanted)
}
