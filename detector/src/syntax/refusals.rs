//! What CPython's parser lets pass and its compiler refuses: `return` outside a function, a name used before it is declared
//! `global`, two patterns that bind other names, and their like. A program with one of them does not run at all.
//!
//! Most rules are ruff's; this is the scopes that they ask for, and the rules that ruff leaves to others.

use std::cell::RefCell;

use ruff_python_ast::visitor::{Visitor, walk_expr, walk_pattern, walk_stmt};
use ruff_python_ast::{
    Comprehension, ExceptHandler, Expr, Identifier, Keyword, ModModule, Number, Pattern, PythonVersion, Stmt, StmtTry,
};
use ruff_python_parser::semantic_errors::{
    LazyImportContext, SemanticSyntaxChecker, SemanticSyntaxContext, SemanticSyntaxError,
};
use ruff_text_size::{Ranged, TextRange, TextSize};

use super::bindings::Bindings;

/// Where rules of versions differ, a program that some version runs is let pass.
const VERSION: PythonVersion = PythonVersion::PY313;
/// `CO_MAXBLOCKS`: loops, `with` and `try` inside each other in one function.
const MAX_BLOCKS: usize = 20;
/// Default of `sys.set_int_max_str_digits`.
const MAX_DIGITS: usize = 4300;

/// The first place that is refused, and why.
pub(super) fn first(code: &str, module: &ModModule) -> Option<(TextSize, String)> {
    let mut walker = Walker {
        checker: SemanticSyntaxChecker::new(),
        context: Context { code, scopes: Vec::new(), annotations_are_text: false, first: RefCell::new(None) },
    };
    walker.context.annotations_are_text = module.body.iter().any(is_future_annotations);
    walker.inside(Scope::new(Kind::Module, Bindings::of_body(&module.body)), |walker| {
        walker.visit_body(&module.body);
    });
    walker.context.first.into_inner()
}

fn is_future_annotations(statement: &Stmt) -> bool {
    matches!(statement, Stmt::ImportFrom(import) if import.module.as_deref() == Some("__future__")
        && import.names.iter().any(|alias| alias.name.as_str() == "annotations"))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Module,
    Class,
    Function { is_async: bool },
    Lambda,
    Comprehension,
    Generator,
}

struct Scope<'a> {
    kind: Kind,
    bindings: Bindings<'a>,
    /// Loops around the place.
    loops: usize,
    /// Loops, `with` and `try` around it.
    blocks: usize,
    /// In an `except*`: how many loops are around that.
    group: Option<usize>,
}

impl<'a> Scope<'a> {
    fn new(kind: Kind, bindings: Bindings<'a>) -> Self {
        Self { kind, bindings, loops: 0, blocks: 0, group: None }
    }
}

struct Context<'a> {
    code: &'a str,
    scopes: Vec<Scope<'a>>,
    annotations_are_text: bool,
    first: RefCell<Option<(TextSize, String)>>,
}

impl Context<'_> {
    fn refuse(&self, at: TextSize, why: impl FnOnce() -> String) {
        let mut first = self.first.borrow_mut();
        if first.as_ref().is_none_or(|(place, _)| at < *place) {
            *first = Some((at, why()));
        }
    }

    fn last(&self) -> Option<&Scope<'_>> {
        self.scopes.last()
    }

    fn kind(&self) -> Kind {
        self.last().map_or(Kind::Module, |scope| scope.kind)
    }

    /// The innermost kind of scope for which `decide` has an answer.
    fn nearest(&self, decide: impl Fn(Kind) -> Option<bool>) -> bool {
        self.scopes.iter().rev().find_map(|scope| decide(scope.kind)).unwrap_or(false)
    }
}

impl SemanticSyntaxContext for Context<'_> {
    fn future_annotations_or_stub(&self) -> bool {
        self.annotations_are_text
    }

    fn lazy_import_context(&self) -> Option<LazyImportContext> {
        None
    }

    fn python_version(&self) -> PythonVersion {
        VERSION
    }

    fn source(&self) -> &str {
        self.code
    }

    fn global(&self, name: &str) -> Option<TextRange> {
        self.last()?.bindings.globals.get(name).copied()
    }

    fn has_nonlocal_binding(&self, name: &str) -> bool {
        self.scopes
            .iter()
            .rev()
            .skip(1)
            .find_map(|scope| match scope.kind {
                Kind::Function { .. } | Kind::Lambda => scope.bindings.offers(name),
                // What methods know their class by.
                Kind::Class => (name == "__class__").then_some(true),
                Kind::Module | Kind::Comprehension | Kind::Generator => None,
            })
            .unwrap_or(false)
    }

    fn in_async_context(&self) -> bool {
        self.nearest(|kind| match kind {
            Kind::Function { is_async } => Some(is_async),
            Kind::Module | Kind::Class | Kind::Lambda => Some(false),
            Kind::Comprehension | Kind::Generator => None,
        })
    }

    fn in_await_allowed_context(&self) -> bool {
        self.nearest(|kind| match kind {
            Kind::Function { .. } | Kind::Lambda => Some(true),
            Kind::Class => Some(false),
            Kind::Module | Kind::Comprehension | Kind::Generator => None,
        })
    }

    fn in_yield_allowed_context(&self) -> bool {
        matches!(self.kind(), Kind::Function { .. } | Kind::Lambda)
    }

    fn in_sync_comprehension(&self) -> bool {
        matches!(self.kind(), Kind::Comprehension | Kind::Generator)
    }

    fn in_class_body_comprehension(&self) -> bool {
        self.nearest(|kind| match kind {
            Kind::Class => Some(true),
            Kind::Function { .. } | Kind::Lambda => Some(false),
            Kind::Module | Kind::Comprehension | Kind::Generator => None,
        })
    }

    fn in_module_scope(&self) -> bool {
        self.kind() == Kind::Module
    }

    fn in_function_scope(&self) -> bool {
        matches!(self.kind(), Kind::Function { .. })
    }

    fn in_generator_context(&self) -> bool {
        self.kind() == Kind::Generator
    }

    fn in_notebook(&self) -> bool {
        false
    }

    fn report_semantic_error(&self, error: SemanticSyntaxError) {
        self.refuse(error.range.start(), || error.to_string());
    }

    fn in_loop_context(&self) -> bool {
        self.last().is_some_and(|scope| scope.loops > 0)
    }

    fn is_bound_parameter(&self, name: &str) -> bool {
        self.last().is_some_and(|scope| scope.bindings.parameters.contains(&name))
    }
}

struct Walker<'a> {
    checker: SemanticSyntaxChecker,
    context: Context<'a>,
}

impl<'a> Walker<'a> {
    fn inside(&mut self, scope: Scope<'a>, work: impl FnOnce(&mut Self)) {
        self.context.scopes.push(scope);
        work(self);
        self.context.scopes.pop();
    }

    /// Visits what is inside some blocks, and loops, of the scope.
    fn within(&mut self, at: TextSize, blocks: usize, loops: usize, work: impl FnOnce(&mut Self)) {
        if let Some(scope) = self.context.scopes.last_mut() {
            scope.blocks += blocks;
            scope.loops += loops;
            if scope.blocks > MAX_BLOCKS {
                self.context.refuse(at, || "too many statically nested blocks".to_owned());
            }
        }
        work(self);
        if let Some(scope) = self.context.scopes.last_mut() {
            scope.blocks -= blocks;
            scope.loops -= loops;
        }
    }

    fn try_statement(&mut self, statement: &'a StmtTry) {
        let StmtTry { body, handlers, orelse, finalbody, is_star, range, .. } = statement;
        let (caught, last) = (usize::from(!handlers.is_empty()), usize::from(!finalbody.is_empty()));
        self.within(range.start(), last, 0, |walker| {
            walker.within(range.start(), caught, 0, |walker| walker.visit_body(body));
            for handler in handlers {
                let before = walker.context.last().map(|scope| (scope.loops, scope.group));
                if *is_star && let Some(scope) = walker.context.scopes.last_mut() {
                    scope.group = Some(scope.loops);
                }
                walker.within(handler.start(), 2, 0, |walker| walker.visit_except_handler(handler));
                if let (Some(scope), Some((_, group))) = (walker.context.scopes.last_mut(), before) {
                    scope.group = group;
                }
            }
            walker.visit_body(orelse);
        });
        self.within(range.start(), last, 0, |walker| walker.visit_body(finalbody));
        let bare = handlers.iter().rev().skip(1).find(|handler| {
            let ExceptHandler::ExceptHandler(one) = handler;
            one.type_.is_none()
        });
        if let Some(bare) = bare {
            self.context.refuse(bare.start(), || "default 'except:' must be last".to_owned());
        }
    }

    fn comprehension(&mut self, kind: Kind, generators: &'a [Comprehension], results: &[&'a Expr]) {
        // Only the first iterable belongs to the scope outside.
        if let Some(first) = generators.first() {
            self.visit_expr(&first.iter);
        }
        self.inside(Scope::new(kind, Bindings::default()), |walker| {
            for (index, generator) in generators.iter().enumerate() {
                walker.visit_expr(&generator.target);
                if index > 0 {
                    walker.visit_expr(&generator.iter);
                }
                generator.ifs.iter().for_each(|test| walker.visit_expr(test));
            }
            for result in results {
                walker.visit_expr(result);
            }
        });
    }

    /// What ruff's checker leaves to others.
    fn refusals(&self, statement: &Stmt) {
        let Some(scope) = self.context.last() else { return };
        let bindings = &scope.bindings;
        let leaves_group = |loops: bool| scope.group.is_some_and(|around| !loops || scope.loops == around);
        match statement {
            Stmt::Global(global) => {
                for name in &global.names {
                    let early = bindings.bound.get(name.as_str()).copied().flatten();
                    if early.is_some_and(|early| early < global.start()) {
                        self.context
                            .refuse(name.start(), || format!("name '{name}' is assigned to before global declaration"));
                    }
                    if bindings.nonlocals.contains_key(name.as_str()) {
                        self.context.refuse(name.start(), || format!("name '{name}' is nonlocal and global"));
                    }
                }
            }
            Stmt::Nonlocal(nonlocal) => {
                for name in &nonlocal.names {
                    let early = bindings.bound.get(name.as_str()).copied().flatten();
                    if early.is_some_and(|early| early < nonlocal.start()) {
                        self.context.refuse(name.start(), || {
                            format!("name '{name}' is assigned to before nonlocal declaration")
                        });
                    }
                }
            }
            Stmt::AnnAssign(assignment) => {
                if let Expr::Name(name) = &*assignment.target
                    && bindings.nonlocals.contains_key(name.id.as_str())
                {
                    self.context.refuse(name.start(), || format!("annotated name '{}' can't be nonlocal", name.id));
                }
            }
            Stmt::Expr(one) if one.value.is_starred_expr() => {
                self.context.refuse(statement.start(), || "can't use starred expression here".to_owned());
            }
            Stmt::Return(_) if leaves_group(false) => self.out_of_group(statement),
            Stmt::Break(_) | Stmt::Continue(_) if leaves_group(true) => self.out_of_group(statement),
            _ => {}
        }
    }

    fn debug(&self, name: &Identifier) {
        if name.as_str() == "__debug__" {
            self.context.refuse(name.start(), || "cannot assign to __debug__".to_owned());
        }
    }

    fn out_of_group(&self, statement: &Stmt) {
        let why = "'break', 'continue' and 'return' cannot appear in an 'except*' block";
        self.context.refuse(statement.start(), || why.to_owned());
    }
}

impl<'a> Visitor<'a> for Walker<'a> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        self.checker.visit_stmt(statement, &self.context);
        self.refusals(statement);
        match statement {
            Stmt::FunctionDef(function) => {
                function.decorator_list.iter().for_each(|decorator| self.visit_decorator(decorator));
                function.type_params.iter().for_each(|parameters| self.visit_type_params(parameters));
                self.visit_parameters(&function.parameters);
                function.returns.iter().for_each(|returns| self.visit_annotation(returns));
                let bindings = Bindings::of_body(&function.body).with_parameters(&function.parameters);
                let kind = Kind::Function { is_async: function.is_async };
                self.inside(Scope::new(kind, bindings), |walker| walker.visit_body(&function.body));
            }
            Stmt::ClassDef(class) => {
                class.decorator_list.iter().for_each(|decorator| self.visit_decorator(decorator));
                class.type_params.iter().for_each(|parameters| self.visit_type_params(parameters));
                class.arguments.iter().for_each(|arguments| self.visit_arguments(arguments));
                let bindings = Bindings::of_body(&class.body);
                self.inside(Scope::new(Kind::Class, bindings), |walker| walker.visit_body(&class.body));
            }
            Stmt::For(one) => {
                self.visit_expr(&one.target);
                self.visit_expr(&one.iter);
                self.within(one.start(), 1, 1, |walker| walker.visit_body(&one.body));
                self.visit_body(&one.orelse);
            }
            Stmt::While(one) => {
                self.visit_expr(&one.test);
                self.within(one.start(), 1, 1, |walker| walker.visit_body(&one.body));
                self.visit_body(&one.orelse);
            }
            Stmt::With(one) => {
                one.items.iter().for_each(|item| self.visit_with_item(item));
                self.within(one.start(), one.items.len(), 0, |walker| walker.visit_body(&one.body));
            }
            Stmt::Try(one) => self.try_statement(one),
            _ => walk_stmt(self, statement),
        }
    }

    fn visit_keyword(&mut self, keyword: &'a Keyword) {
        keyword.arg.iter().for_each(|name| self.debug(name));
        self.visit_expr(&keyword.value);
    }

    fn visit_pattern(&mut self, pattern: &'a Pattern) {
        let values: &[Expr] = match pattern {
            Pattern::MatchValue(one) => std::slice::from_ref(&*one.value),
            Pattern::MatchMapping(one) => &one.keys,
            _ => &[],
        };
        if let Some(value) = values.iter().find(|value| value.is_f_string_expr() || value.is_t_string_expr()) {
            let why = "patterns may only match literals and attribute lookups";
            self.context.refuse(value.start(), || why.to_owned());
        }
        walk_pattern(self, pattern);
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        self.checker.visit_expr(expression, &self.context);
        match expression {
            Expr::Name(name) => {
                let declared = self.context.last().and_then(|scope| scope.bindings.nonlocals.get(name.id.as_str()));
                if declared.is_some_and(|declared| name.start() < declared.start()) {
                    self.context
                        .refuse(name.start(), || format!("name '{}' is used prior to nonlocal declaration", name.id));
                }
            }
            Expr::Attribute(attribute) => {
                if attribute.ctx.is_store() {
                    self.debug(&attribute.attr);
                }
                walk_expr(self, expression);
            }
            Expr::NumberLiteral(number) if matches!(number.value, Number::Int(_)) => {
                let text = &self.context.code[number.range()];
                let digits = text.bytes().filter(u8::is_ascii_digit).count();
                if digits > MAX_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_') {
                    self.context.refuse(number.start(), || {
                        format!("a decimal number of {digits} digits; at most {MAX_DIGITS} are converted")
                    });
                }
            }
            Expr::Lambda(lambda) => {
                lambda.parameters.iter().for_each(|parameters| self.visit_parameters(parameters));
                let mut bindings = Bindings::of_expression(&lambda.body);
                if let Some(parameters) = &lambda.parameters {
                    bindings = bindings.with_parameters(parameters);
                }
                self.inside(Scope::new(Kind::Lambda, bindings), |walker| walker.visit_expr(&lambda.body));
            }
            Expr::ListComp(one) => self.comprehension(Kind::Comprehension, &one.generators, &[&one.elt]),
            Expr::SetComp(one) => self.comprehension(Kind::Comprehension, &one.generators, &[&one.elt]),
            Expr::DictComp(one) => {
                let results: Vec<&Expr> = one.key.iter().chain([&one.value]).map(|result| &**result).collect();
                self.comprehension(Kind::Comprehension, &one.generators, &results);
            }
            Expr::Generator(one) => self.comprehension(Kind::Generator, &one.generators, &[&one.elt]),
            _ => walk_expr(self, expression),
        }
    }
}
