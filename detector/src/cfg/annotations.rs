//! What annotations let pass where somebody enforces them: `FastAPI` of a handler's parameters, pydantic of a model's fields.

use std::rc::Rc;

use ruff_python_ast::{Expr, ExprCall, Operator, Stmt};

use super::Lowerer;
use crate::dotted::last;
use crate::ssa::Declared;

/// Types whose values are made anew from the text: numbers, dates, identifiers.
const MADE: &[&str] = &[
    "int",
    "float",
    "bool",
    "complex",
    "Decimal",
    "UUID",
    "UUID1",
    "UUID3",
    "UUID4",
    "UUID5",
    "date",
    "datetime",
    "time",
    "timedelta",
    "PositiveInt",
    "NegativeInt",
    "NonNegativeInt",
    "NonPositiveInt",
    "PositiveFloat",
    "NegativeFloat",
    "NonNegativeFloat",
    "StrictInt",
    "StrictFloat",
    "StrictBool",
    "conint",
    "confloat",
    "condecimal",
    "condate",
];
/// Annotations within annotations that are looked into.
const MAX_DEPTH: usize = 8;

impl Lowerer<'_> {
    /// What an annotation and a default (`Query(pattern="^[a-z]+$")`) let pass.
    pub(super) fn declared(&self, annotation: Option<&Expr>, default: Option<&Expr>) -> Declared {
        match annotation.map_or(Declared::Anything, |annotation| self.annotated(annotation, MAX_DEPTH)) {
            Declared::Anything => default.map_or(Declared::Anything, pattern),
            declared => declared,
        }
    }

    /// Whether a default names the function of the unit that makes what fills a parameter.
    pub(super) fn is_made_by(&self, default: &Expr) -> bool {
        let call = default.as_call_expr().filter(|call| call.arguments.args.is_empty() || self.is_defined_first(call));
        call.and_then(|call| self.static_path(&call.func))
            .is_some_and(|path| matches!(last(&path), "Depends" | "Security"))
    }

    fn is_defined_first(&self, call: &ExprCall) -> bool {
        call.arguments.args.first().is_some_and(|function| self.is_defined(function))
    }

    /// What annotated fields of a class let pass.
    pub(super) fn declared_fields(&self, body: &[Stmt]) -> Vec<(Rc<str>, Declared)> {
        let field = |statement: &Stmt| {
            let assign = statement.as_ann_assign_stmt()?;
            let name = assign.target.as_name_expr()?;
            let declared = self.declared(Some(&assign.annotation), assign.value.as_deref());
            (declared != Declared::Anything).then(|| (Rc::from(name.id.as_str()), declared))
        };
        body.iter().filter_map(field).collect()
    }

    fn annotated(&self, annotation: &Expr, depth: usize) -> Declared {
        let Some(depth) = depth.checked_sub(1) else { return Declared::Anything };
        match annotation {
            Expr::NoneLiteral(_) => Declared::Made,
            Expr::Name(_) | Expr::Attribute(_) if self.is_made(annotation) => Declared::Made,
            Expr::Call(call) if self.is_made(&call.func) => Declared::Made,
            Expr::Call(_) => pattern(annotation),
            Expr::BinOp(either) if either.op == Operator::BitOr => {
                self.annotated(&either.left, depth).or(self.annotated(&either.right, depth))
            }
            Expr::Subscript(of) => {
                let name = self.static_path(&of.value);
                let parts = match &*of.slice {
                    Expr::Tuple(parts) => &parts.elts[..],
                    one => std::slice::from_ref(one),
                };
                match name.as_deref().map(last) {
                    Some("Literal") => Declared::Made,
                    Some("Optional") => self.annotated(&of.slice, depth),
                    Some("Union") => {
                        let all = parts.iter().map(|part| self.annotated(part, depth));
                        all.reduce(Declared::or).unwrap_or(Declared::Anything)
                    }
                    Some("Annotated") => {
                        let mut all = parts.iter().take(1).map(|part| self.annotated(part, depth));
                        let rest = || parts.iter().skip(1).map(pattern);
                        let first = all.next().filter(|first| *first != Declared::Anything);
                        first.or_else(|| rest().find(|one| *one != Declared::Anything)).unwrap_or(Declared::Anything)
                    }
                    _ => Declared::Anything,
                }
            }
            _ => Declared::Anything,
        }
    }

    fn is_made(&self, annotation: &Expr) -> bool {
        match self.static_class(annotation) {
            Some(class) => self.classes[class.0 as usize].foreign_bases.iter().any(|base| last(base).ends_with("Enum")),
            None => self.static_path(annotation).is_some_and(|path| MADE.contains(&last(&path))),
        }
    }
}

/// The regular expression of `Field(pattern="…")`, `Query(regex="…")`, `constr(pattern="…")`.
fn pattern(value: &Expr) -> Declared {
    let of_call = |call: &ExprCall| {
        let keywords = &call.arguments.keywords;
        let named = |name: &str| matches!(name, "pattern" | "regex");
        let given = keywords.iter().find(|one| one.arg.as_deref().is_some_and(named))?;
        Some(Declared::Matching(Rc::from(given.value.as_string_literal_expr()?.value.to_str())))
    };
    value.as_call_expr().and_then(of_call).unwrap_or_default()
}
