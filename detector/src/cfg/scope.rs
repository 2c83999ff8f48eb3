//! Which names a scope binds, found before its code is lowered: in Python a name that is bound anywhere in a function is
//! local everywhere in it.

use std::collections::BTreeSet;
use std::rc::Rc;

use ruff_python_ast::visitor::{Visitor, walk_except_handler, walk_expr, walk_pattern, walk_stmt};
use ruff_python_ast::{
    Comprehension, ExceptHandler, Expr, ExprCall, ExprContext, ModModule, Number, Parameters, Pattern, Stmt,
};
use rustc_hash::{FxHashMap as HashMap, FxHashSet as HashSet};

use crate::syntax::captured;

/// Methods that change what they are called on.
pub(super) const MUTATORS: &[&str] = &[
    "add",
    "add_argument",
    "add_option",
    "append",
    "appendleft",
    "clear",
    "extend",
    "extendleft",
    "feed",
    "insert",
    "put",
    "put_nowait",
    "read_dict",
    "read_string",
    "remove",
    "reverse",
    "set",
    "setdefault",
    "sort",
    "update",
    "write",
    "writelines",
];

/// Whether a call of a method changes what it is called on: of those that take something out, by a place that is written.
pub(super) fn mutates(method: &str, call: &ExprCall) -> bool {
    let by_place = || match &*call.arguments.args {
        [] => true,
        [Expr::NumberLiteral(place)] => matches!(place.value, Number::Int(_)),
        _ => false,
    };
    MUTATORS.contains(&method) || method == "pop" && by_place()
}

/// Bindings of one function, class or module body.
#[derive(Debug, Default)]
pub(super) struct Scope<'a> {
    /// Names bound here, with how often.
    pub(super) bound: HashMap<Rc<str>, u32>,
    /// Names declared `global`.
    pub(super) globals: HashSet<Rc<str>>,
    /// Names declared `nonlocal`.
    pub(super) nonlocals: HashSet<Rc<str>>,
    /// Values of plain `name = value` bindings.
    pub(super) values: HashMap<Rc<str>, &'a Expr>,
    /// Names of containers that are changed in place.
    pub(super) changed: BTreeSet<Rc<str>>,
    /// Whether functions are defined inside, which may read its variables.
    pub(super) has_inner: bool,
    /// Whether it yields.
    pub(super) yields: bool,
}

impl<'a> Scope<'a> {
    /// Reads the statements of a body, without those of inner functions.
    pub(super) fn of_body(body: &'a [Stmt]) -> Self {
        let mut scope = Self::default();
        for statement in body {
            scope.visit_stmt(statement);
        }
        scope
    }

    /// Reads the body of a lambda.
    pub(super) fn of_expression(body: &'a Expr) -> Self {
        let mut scope = Self::default();
        scope.visit_expr(body);
        scope
    }

    /// Adds parameters.
    pub(super) fn with_parameters(mut self, parameters: &'a Parameters) -> Self {
        for parameter in parameters {
            self.bind(parameter.name().as_str());
        }
        self
    }

    /// Whether a name is a variable of this scope itself.
    pub(super) fn owns(&self, name: &str) -> bool {
        self.own(name).is_some()
    }

    /// The name of a variable of this scope itself.
    pub(super) fn own(&self, name: &str) -> Option<&Rc<str>> {
        let (own, _) = self.bound.get_key_value(name)?;
        (!self.globals.contains(name) && !self.nonlocals.contains(name)).then_some(own)
    }

    /// The expression of a name that is bound exactly once, by an assignment.
    pub(super) fn only_value(&self, name: &str) -> Option<&'a Expr> {
        (self.bound.get(name) == Some(&1)).then(|| self.values.get(name).copied()).flatten()
    }

    /// Notes that what a name stands for is changed in place.
    fn change(&mut self, container: &Expr) {
        if let Expr::Name(name) = container {
            self.changed.insert(Rc::from(name.id.as_str()));
        }
    }

    fn bind(&mut self, name: &str) {
        match self.bound.get_mut(name) {
            Some(times) => *times += 1,
            None => _ = self.bound.insert(Rc::from(name), 1),
        }
    }
}

impl<'a> Visitor<'a> for Scope<'a> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::FunctionDef(function) => {
                self.bind(&function.name);
                self.has_inner = true;
                // Defaults and decorators belong to this scope.
                for decorator in &function.decorator_list {
                    self.visit_expr(&decorator.expression);
                }
                for default in function.parameters.iter_non_variadic_params().filter_map(|one| one.default()) {
                    self.visit_expr(default);
                }
            }
            Stmt::ClassDef(class) => {
                self.bind(&class.name);
                self.has_inner = true;
            }
            Stmt::Global(names) => self.globals.extend(names.names.iter().map(|name| Rc::from(name.as_str()))),
            Stmt::Nonlocal(names) => self.nonlocals.extend(names.names.iter().map(|name| Rc::from(name.as_str()))),
            Stmt::Import(import) => {
                for alias in &import.names {
                    let name = alias.asname.as_ref().unwrap_or(&alias.name).as_str();
                    self.bind(name.split('.').next().unwrap_or(name));
                }
            }
            Stmt::ImportFrom(import) => {
                for alias in import.names.iter().filter(|alias| &alias.name != "*") {
                    self.bind(alias.asname.as_ref().unwrap_or(&alias.name));
                }
            }
            Stmt::Assign(assign) => {
                if let [Expr::Name(name)] = assign.targets.as_slice() {
                    self.values.insert(Rc::from(name.id.as_str()), &assign.value);
                }
                walk_stmt(self, statement);
            }
            Stmt::AnnAssign(assign) => {
                if let (Expr::Name(name), Some(value)) = (&*assign.target, &assign.value) {
                    self.values.insert(Rc::from(name.id.as_str()), value);
                }
                walk_stmt(self, statement);
            }
            _ => walk_stmt(self, statement),
        }
    }

    fn visit_except_handler(&mut self, handler: &'a ExceptHandler) {
        let ExceptHandler::ExceptHandler(inner) = handler;
        inner.name.iter().for_each(|name| self.bind(name));
        walk_except_handler(self, handler);
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        match expression {
            Expr::Name(name) if name.ctx != ExprContext::Load => self.bind(&name.id),
            Expr::Subscript(subscript) if subscript.ctx != ExprContext::Load => {
                self.change(&subscript.value);
                walk_expr(self, expression);
            }
            Expr::Call(call) => {
                if let Expr::Attribute(method) = &*call.func
                    && mutates(&method.attr, call)
                {
                    self.change(&method.value);
                }
                walk_expr(self, expression);
            }
            Expr::Lambda(_) => self.has_inner = true,
            Expr::Yield(_) | Expr::YieldFrom(_) => {
                self.yields = true;
                walk_expr(self, expression);
            }
            // A comprehension's variables are its own; a walrus inside binds here.
            _ => walk_expr(self, expression),
        }
    }

    fn visit_comprehension(&mut self, comprehension: &'a Comprehension) {
        self.visit_expr(&comprehension.iter);
        comprehension.ifs.iter().for_each(|test| self.visit_expr(test));
    }

    fn visit_pattern(&mut self, pattern: &'a Pattern) {
        if let Some(name) = captured(pattern) {
            self.bind(name);
        }
        walk_pattern(self, pattern);
    }
}

/// Names that some function of the program declares `global` or `nonlocal`: several functions write them.
pub(super) fn shared_names(module: &ModModule) -> HashSet<Rc<str>> {
    struct Finder(HashSet<Rc<str>>);
    impl<'a> Visitor<'a> for Finder {
        fn visit_stmt(&mut self, statement: &'a Stmt) {
            let names = match statement {
                Stmt::Global(names) => names.names.as_slice(),
                Stmt::Nonlocal(names) => names.names.as_slice(),
                _ => &[],
            };
            self.0.extend(names.iter().map(|name| Rc::from(name.as_str())));
            walk_stmt(self, statement);
        }

        fn visit_expr(&mut self, _: &'a Expr) {}
    }
    let mut finder = Finder(HashSet::default());
    module.body.iter().for_each(|statement| finder.visit_stmt(statement));
    finder.0
}
