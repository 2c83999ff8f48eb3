//! Names that a scope binds and declares, as far as CPython's refusals depend on them.

use ruff_python_ast::visitor::{Visitor, walk_except_handler, walk_expr, walk_pattern, walk_stmt};
use ruff_python_ast::{Comprehension, ExceptHandler, Expr, Identifier, Parameters, Pattern, Stmt};
use ruff_text_size::{Ranged, TextRange, TextSize};
use rustc_hash::FxHashMap;

use super::captured;

/// What is known of a scope before its statements are looked at.
#[derive(Default)]
pub(super) struct Bindings<'a> {
    /// Names bound here, with the first `def x`, `class x`, `except E as x` or pattern where there is one. Plain names are
    /// expressions, which are looked at in any case, and an import may well stand before the declaration.
    pub(super) bound: FxHashMap<&'a str, Option<TextSize>>,
    pub(super) parameters: Vec<&'a str>,
    /// Names declared `global`, with the last declaration: use before any of them is refused.
    pub(super) globals: FxHashMap<&'a str, TextRange>,
    /// Names declared `nonlocal`, likewise.
    pub(super) nonlocals: FxHashMap<&'a str, TextRange>,
}

impl<'a> Bindings<'a> {
    pub(super) fn of_body(body: &'a [Stmt]) -> Self {
        let mut bindings = Self::default();
        bindings.visit_body(body);
        bindings
    }

    pub(super) fn of_expression(expression: &'a Expr) -> Self {
        let mut bindings = Self::default();
        bindings.visit_expr(expression);
        bindings
    }

    pub(super) fn with_parameters(mut self, parameters: &'a Parameters) -> Self {
        self.parameters = parameters.iter().map(|parameter| parameter.name().as_str()).collect();
        self
    }

    /// Whether an inner function may declare a name `nonlocal`; `None` where it is not known here.
    pub(super) fn offers(&self, name: &str) -> Option<bool> {
        if self.globals.contains_key(name) {
            return Some(false);
        }
        let has =
            self.parameters.contains(&name) || self.bound.contains_key(name) && !self.nonlocals.contains_key(name);
        has.then_some(true)
    }

    fn bind(&mut self, name: &'a Identifier) {
        let first = self.bound.entry(name.as_str()).or_default();
        *first = Some(first.map_or(name.start(), |first| first.min(name.start())));
    }
}

impl<'a> Visitor<'a> for Bindings<'a> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::FunctionDef(function) => {
                self.bind(&function.name);
                function.decorator_list.iter().for_each(|decorator| self.visit_decorator(decorator));
                return self.visit_parameters(&function.parameters);
            }
            Stmt::ClassDef(class) => {
                self.bind(&class.name);
                class.decorator_list.iter().for_each(|decorator| self.visit_decorator(decorator));
                return class.arguments.iter().for_each(|arguments| self.visit_arguments(arguments));
            }
            Stmt::Import(import) => {
                for alias in &import.names {
                    let whole = alias.asname.as_ref().unwrap_or(&alias.name).as_str();
                    self.bound.entry(whole.split('.').next().unwrap_or(whole)).or_default();
                }
            }
            Stmt::ImportFrom(import) => {
                for alias in &import.names {
                    self.bound.entry(alias.asname.as_ref().unwrap_or(&alias.name).as_str()).or_default();
                }
            }
            Stmt::Global(global) => {
                self.globals.extend(global.names.iter().map(|name| (name.as_str(), global.range)));
            }
            Stmt::Nonlocal(nonlocal) => {
                self.nonlocals.extend(nonlocal.names.iter().map(|name| (name.as_str(), nonlocal.range)));
            }
            _ => {}
        }
        walk_stmt(self, statement);
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        match expression {
            Expr::Name(name) if !name.ctx.is_load() => _ = self.bound.entry(&name.id).or_default(),
            Expr::Lambda(lambda) => {
                return lambda.parameters.iter().for_each(|parameters| self.visit_parameters(parameters));
            }
            _ => {}
        }
        walk_expr(self, expression);
    }

    fn visit_comprehension(&mut self, comprehension: &'a Comprehension) {
        // Targets are the comprehension's own; what `:=` binds inside is the scope's.
        self.visit_expr(&comprehension.iter);
        comprehension.ifs.iter().for_each(|test| self.visit_expr(test));
    }

    fn visit_except_handler(&mut self, handler: &'a ExceptHandler) {
        let ExceptHandler::ExceptHandler(one) = handler;
        one.name.iter().for_each(|name| self.bind(name));
        walk_except_handler(self, handler);
    }

    fn visit_pattern(&mut self, pattern: &'a Pattern) {
        if let Some(name) = captured(pattern) {
            self.bind(name);
        }
        walk_pattern(self, pattern);
    }
}
