//! What a program tells the type checker not to look at. mypy's verdict honours it; a reward must not.
//!
//! `Any` is told as well, but is no suppression: it is a type, and often the right one.

use real_detector_api::{Unchecked, UncheckedKind};
use ruff_python_ast::token::TokenKind;
use ruff_python_ast::visitor::{Visitor, walk_expr, walk_stmt};
use ruff_python_ast::{Expr, Stmt, StmtIf, UnaryOp};
use ruff_python_parser::parse_module;
use ruff_text_size::{Ranged, TextSize};

use crate::analysis::on_large_stack;
use crate::syntax::{Positions, check_depth};

/// Names that mypy takes for true and Python for false.
const ONLY_TRUE_FOR_CHECKERS: [&str; 2] = ["TYPE_CHECKING", "MYPY"];

/// All such places, by line. None where the text is not Python, or nests too deep to be looked at.
pub fn unchecked(code: &str) -> Vec<Unchecked> {
    // Most programs have none of the words, and need not be parsed again.
    let words = ["ignore", "mypy", "no_type_check", "TYPE_CHECKING", "MYPY", "Any"];
    if check_depth(code).is_err() || !words.iter().any(|word| code.contains(word)) {
        return vec![];
    }
    on_large_stack(|| find(code)).unwrap_or_default()
}

fn find(code: &str) -> Vec<Unchecked> {
    let Ok(parsed) = parse_module(code) else { return vec![] };
    let mut finder = Finder { positions: Positions::new(code), found: vec![] };
    for token in parsed.tokens().iter().filter(|token| token.kind() == TokenKind::Comment) {
        let text = code[token.range()].trim_start_matches('#').trim_start();
        if is_directive(text) {
            finder.add(token.start(), UncheckedKind::Comment);
        }
    }
    parsed.syntax().body.iter().for_each(|statement| finder.visit_stmt(statement));
    finder.found.sort_by_key(|one| (one.line, one.kind));
    finder.found.dedup();
    finder.found
}

/// `type: ignore` (PEP 484) and `mypy: …`, as mypy reads them.
fn is_directive(comment: &str) -> bool {
    let after = |name: &str| comment.strip_prefix(name).map(str::trim_start).and_then(|rest| rest.strip_prefix(':'));
    after("mypy").is_some() || after("type").is_some_and(|rest| rest.trim_start().starts_with("ignore"))
}

struct Finder<'a> {
    positions: Positions<'a>,
    found: Vec<Unchecked>,
}

impl Finder<'_> {
    fn add(&mut self, at: TextSize, kind: UncheckedKind) {
        self.found.push(Unchecked { line: self.positions.at(at.to_usize()).line, kind });
    }

    /// A branch that is there at run time and not for the checker.
    fn hidden_branches(&mut self, statement: &StmtIf) {
        let holds = said_to_checkers(&statement.test);
        if holds == Some(false) {
            self.add(statement.start(), UncheckedKind::Branch);
        }
        let others = statement.elif_else_clauses.iter().filter(|clause| {
            holds == Some(true) || clause.test.as_ref().is_some_and(|test| said_to_checkers(test) == Some(false))
        });
        let starts: Vec<TextSize> = others.map(Ranged::start).collect();
        starts.into_iter().for_each(|start| self.add(start, UncheckedKind::Branch));
    }
}

/// What mypy takes a test of `TYPE_CHECKING` for.
fn said_to_checkers(test: &Expr) -> Option<bool> {
    match test {
        Expr::Name(name) => ONLY_TRUE_FOR_CHECKERS.contains(&name.id.as_str()).then_some(true),
        Expr::Attribute(attribute) => ONLY_TRUE_FOR_CHECKERS.contains(&attribute.attr.as_str()).then_some(true),
        Expr::UnaryOp(operation) if operation.op == UnaryOp::Not => {
            said_to_checkers(&operation.operand).map(|truth| !truth)
        }
        Expr::BoolOp(operation) => {
            let wanted = operation.op.is_or();
            operation.values.iter().filter_map(said_to_checkers).find(|truth| *truth == wanted)
        }
        _ => None,
    }
}

fn is_called(expression: &Expr, wanted: &str) -> bool {
    match expression {
        Expr::Name(name) => name.id == wanted,
        Expr::Attribute(attribute) => &attribute.attr == wanted,
        Expr::Call(call) => is_called(&call.func, wanted),
        _ => false,
    }
}

impl<'a> Visitor<'a> for Finder<'_> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::If(one) => self.hidden_branches(one),
            Stmt::FunctionDef(function) => {
                for decorator in &function.decorator_list {
                    if is_called(&decorator.expression, "no_type_check") {
                        self.add(decorator.start(), UncheckedKind::Decorator);
                    }
                }
            }
            Stmt::ClassDef(class) => {
                for decorator in &class.decorator_list {
                    if is_called(&decorator.expression, "no_type_check") {
                        self.add(decorator.start(), UncheckedKind::Decorator);
                    }
                }
            }
            _ => {}
        }
        walk_stmt(self, statement);
    }

    fn visit_annotation(&mut self, annotation: &'a Expr) {
        self.visit_expr(annotation);
        let mut any = Anys(false);
        any.visit_expr(annotation);
        if any.0 {
            self.add(annotation.start(), UncheckedKind::Any);
        }
    }
}

struct Anys(bool);

impl<'a> Visitor<'a> for Anys {
    fn visit_expr(&mut self, expression: &'a Expr) {
        self.0 |= is_called(expression, "Any");
        walk_expr(self, expression);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(code: &str) -> Vec<UncheckedKind> {
        unchecked(code).into_iter().map(|one| one.kind).collect()
    }

    #[test]
    fn comments_that_switch_checks_off_are_told() {
        for code in [
            "# mypy: ignore-errors\nx = 1\n",
            "#mypy:disable-error-code=\"assignment\"\nx = 1\n",
            "x: int = ''  # type: ignore\n",
            "x: int = ''  # type:ignore[assignment]\n",
        ] {
            assert_eq!(kinds(code), [UncheckedKind::Comment], "{code}");
        }
    }

    #[test]
    fn what_only_looks_like_a_suppression_is_none() {
        for code in
            ["x = '# type: ignore'\n", "# the type: ignored\nx = 1\n", "x = []  # type: list[int]\n", "# noqa\n"]
        {
            assert_eq!(kinds(code), [], "{code}");
        }
    }

    #[test]
    fn branches_that_checkers_do_not_see_are_told() {
        for code in [
            "from typing import TYPE_CHECKING\nif not TYPE_CHECKING:\n    x = 1\n",
            "import typing\nif typing.TYPE_CHECKING:\n    pass\nelse:\n    x = 1\n",
            "import typing as t\nif not t.TYPE_CHECKING or False:\n    pass\nelif not t.TYPE_CHECKING:\n    x = 1\n",
        ] {
            assert_eq!(kinds(code), [UncheckedKind::Branch], "{code}");
        }
        assert_eq!(kinds("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import os\n"), []);
    }

    #[test]
    fn decorators_and_any_are_told_apart() {
        let code = "from typing import Any, no_type_check\n@no_type_check\ndef f(x: Any) -> list[Any]:\n    return x\n";
        assert_eq!(kinds(code), [UncheckedKind::Decorator, UncheckedKind::Any]);
    }
}
