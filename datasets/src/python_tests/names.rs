//! Names that statements bind and use.

use std::collections::BTreeSet;

use ruff_python_ast::visitor::{Visitor, walk_expr, walk_parameter, walk_stmt};
use ruff_python_ast::{Expr, ExprContext, Parameter, Stmt};

/// Python's built-in functions and constants; exceptions are told by their names.
const BUILTINS: &str = "abs aiter all anext any ascii bin bool breakpoint bytearray bytes callable chr classmethod compile complex \
    delattr dict dir divmod enumerate eval exec filter float format frozenset getattr globals hasattr hash hex id input int \
    isinstance issubclass iter len list locals map max memoryview min next object oct open ord pow print property range repr \
    reversed round set setattr slice sorted staticmethod str sum super tuple type vars zip NotImplemented Ellipsis __import__ \
    Exception BaseException StopIteration KeyboardInterrupt GeneratorExit SystemExit";

/// Whether Python itself has this name.
pub(super) fn is_builtin(name: &str) -> bool {
    BUILTINS.split_whitespace().any(|known| known == name) || name.ends_with("Error") || name.ends_with("Warning")
}

/// Names that a statement binds where it stands; `*` where it binds whatever a module has.
pub(super) fn bound_by(statement: &Stmt) -> Vec<String> {
    match statement {
        Stmt::FunctionDef(function) => vec![function.name.to_string()],
        Stmt::ClassDef(class) => vec![class.name.to_string()],
        Stmt::Import(import) => {
            let name = |alias: &ruff_python_ast::Alias| match &alias.asname {
                Some(name) => name.to_string(),
                None => alias.name.split('.').next().unwrap_or_default().to_owned(),
            };
            import.names.iter().map(name).collect()
        }
        Stmt::ImportFrom(import) => {
            import.names.iter().map(|alias| alias.asname.as_ref().unwrap_or(&alias.name).to_string()).collect()
        }
        other => {
            let mut seen = Seen::default();
            seen.visit_stmt(other);
            seen.bound.into_iter().collect()
        }
    }
}

/// Names that a statement uses, without those that it binds for itself within.
pub(super) fn used_by(statement: &Stmt) -> Vec<String> {
    let mut seen = Seen::default();
    seen.visit_stmt(statement);
    seen.used.into_iter().filter(|name| !seen.inner.contains(name)).collect()
}

/// Names that an expression uses, likewise.
pub(super) fn used_in(expression: &Expr) -> BTreeSet<String> {
    let mut seen = Seen::default();
    seen.visit_expr(expression);
    seen.used.into_iter().filter(|name| !seen.bound.contains(name) && !seen.inner.contains(name)).collect()
}

#[derive(Default)]
struct Seen {
    used: BTreeSet<String>,
    bound: BTreeSet<String>,
    /// Parameters.
    inner: BTreeSet<String>,
}

impl<'a> Visitor<'a> for Seen {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        if matches!(statement, Stmt::FunctionDef(_) | Stmt::ClassDef(_) | Stmt::Import(_) | Stmt::ImportFrom(_)) {
            self.bound.extend(bound_by(statement));
        }
        walk_stmt(self, statement);
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        if let Expr::Name(name) = expression {
            let names = if name.ctx == ExprContext::Load { &mut self.used } else { &mut self.bound };
            names.insert(name.id.to_string());
        }
        walk_expr(self, expression);
    }

    fn visit_parameter(&mut self, parameter: &'a Parameter) {
        self.inner.insert(parameter.name.to_string());
        walk_parameter(self, parameter);
    }
}
