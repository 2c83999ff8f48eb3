//! Functions and lambdas.

use std::rc::Rc;

use ruff_python_ast::{Decorator, Expr, ExprLambda, Parameters, Stmt, StmtFunctionDef};

use super::scope::Scope;
use super::{Context, Header, Lowerer, span, span_of};
use crate::dotted::last;
use crate::ssa::{ClassId, FunctionId, Op, Parameter, ParameterKind, Route, Terminator, ValueId};
use ruff_text_size::Ranged;

/// Methods of applications and routers that make a function answer requests.
const ROUTES: &[&str] =
    &["route", "get", "post", "put", "patch", "delete", "head", "options", "websocket", "api_route"];

/// Types of options after which an argument is no text of whoever gives it.
const LIMITS: &[&str] =
    &["Choice", "INT", "FLOAT", "BOOL", "UUID", "IntRange", "FloatRange", "DateTime", "int", "float", "bool"];

fn route(decorator: &Expr) -> Option<Route> {
    let call = decorator.as_call_expr()?;
    let method = &call.func.as_attribute_expr()?.attr;
    let pattern = call.arguments.args.first()?.as_string_literal_expr()?;
    let known = ROUTES.contains(&method.as_str());
    known.then(|| Route { method: Rc::from(method.as_str()), pattern: Rc::from(pattern.value.to_str()) })
}

/// Whether a function only gives a function that is defined in it and that has an `if`.
fn gives_a_tester(function: &StmtFunctionDef) -> bool {
    let Some(Stmt::Return(returned)) = function.body.last() else { return false };
    let Some(Expr::Name(name)) = returned.value.as_deref() else { return false };
    function.body.iter().any(|one| {
        matches!(one, Stmt::FunctionDef(inner)
            if inner.name.id == name.id && inner.body.iter().any(|one| matches!(one, Stmt::If(_))))
    })
}

impl<'a> Lowerer<'a> {
    /// `def`: lowers the body and makes the function object.
    pub(super) fn function(&mut self, function: &'a StmtFunctionDef, class: Option<ClassId>) -> (FunctionId, ValueId) {
        let decorators: Vec<Rc<str>> =
            function.decorator_list.iter().filter_map(|decorator| self.static_path(&decorator.expression)).collect();
        for decorator in &function.decorator_list {
            self.expression(&decorator.expression);
        }
        let wrapped = class.is_none() && self.is_wrapped(function);
        let is_static = decorators.iter().any(|path| &**path == "staticmethod");
        let mut parameters = self.parameters(Some(&function.parameters));
        for name in function.decorator_list.iter().filter_map(|decorator| self.limited(&decorator.expression)) {
            parameters.iter_mut().filter(|one| *one.name == *name).for_each(|one| one.limited = true);
        }
        let header = Header {
            name: Rc::from(function.name.as_str()),
            parent: self.contexts.last().map(|context| context.id),
            method_of: class.filter(|_| !is_static),
            parameters,
            routes: function.decorator_list.iter().filter_map(|decorator| route(&decorator.expression)).collect(),
            opaque_decorators: !wrapped && decorators.len() < function.decorator_list.len(),
            wrapped,
            decorators,
            span: span(function.name.range()),
        };
        let scope = Scope::of_body(&function.body).with_parameters(&function.parameters);
        let id = self.nested(header, scope, |lowerer| lowerer.body(&function.body));
        (id, self.push(Op::Function(id), span_of(function)))
    }

    /// The parameter that a decorator declares to be a number or one of a list (library `click`).
    fn limited(&self, decorator: &Expr) -> Option<String> {
        let call = decorator.as_call_expr()?;
        let declares = call.func.as_attribute_expr().map(|method| method.attr.as_str());
        let declares = declares.or_else(|| call.func.as_name_expr().map(|name| name.id.as_str()))?;
        if !matches!(declares, "option" | "argument") {
            return None;
        }
        let keyword = |name: &str| call.arguments.keywords.iter().find(|one| one.arg.as_deref() == Some(name));
        let is_true = |name: &str| {
            keyword(name).is_some_and(|one| matches!(&one.value, Expr::BooleanLiteral(literal) if literal.value))
        };
        let is_limited = |kind: &Expr| {
            let path = self.static_path(kind);
            path.is_some_and(|path| LIMITS.contains(&last(&path)))
        };
        if !is_true("is_flag") && !is_true("count") && !keyword("type").is_some_and(|one| is_limited(&one.value)) {
            return None;
        }
        let texts = call.arguments.args.iter().filter_map(|one| Some(one.as_string_literal_expr()?.value.to_str()));
        let texts: Vec<&str> = texts.collect();
        let long = || texts.iter().find(|text| text.starts_with("--"));
        let own = texts.iter().find(|text| !text.starts_with('-')).or_else(long)?;
        Some(own.trim_start_matches('-').replace('-', "_").to_lowercase())
    }

    /// Whether all decorators of a function are functions of the program that give another one in its place, which tests
    /// what it is called with before it goes on to this one.
    pub(super) fn is_wrapped(&self, function: &StmtFunctionDef) -> bool {
        let tests = |decorator: &Decorator| {
            let Expr::Name(name) = &decorator.expression else { return false };
            let defined = self.contexts.iter().rev().find_map(|context| context.defined.get(name.id.as_str()));
            defined.is_some_and(|defined| gives_a_tester(defined))
        };
        !function.decorator_list.is_empty() && function.decorator_list.iter().all(tests)
    }

    /// Whether an expression is the name of a function of the unit that stands before.
    pub(super) fn is_defined(&self, expression: &Expr) -> bool {
        let Expr::Name(name) = expression else { return false };
        self.contexts.iter().any(|context| context.defined.contains_key(name.id.as_str()))
    }

    /// `lambda`: a function whose body is one `return`.
    pub(super) fn lambda(&mut self, lambda: &'a ExprLambda) -> ValueId {
        let parameters = self.parameters(lambda.parameters.as_deref());
        let header = Header {
            name: Rc::from("<lambda>"),
            parent: self.contexts.last().map(|context| context.id),
            parameters,
            span: span_of(lambda),
            ..Header::default()
        };
        let mut scope = Scope::of_expression(&lambda.body);
        if let Some(parameters) = &lambda.parameters {
            scope = scope.with_parameters(parameters);
        }
        let id = self.nested(header, scope, |lowerer| {
            let value = lowerer.expression(&lambda.body);
            lowerer.builder().end(Terminator::Return(value));
        });
        self.push(Op::Function(id), span_of(lambda))
    }

    fn nested(&mut self, header: Header, scope: Scope<'a>, body: impl FnOnce(&mut Self)) -> FunctionId {
        let id = self.reserve();
        let mut context = Context::new(id, scope);
        for parameter in &header.parameters {
            if context.scope.bound.get(&parameter.name) == Some(&1) {
                context.roots.insert(parameter.name.clone());
            }
        }
        self.contexts.push(context);
        let entry = self.builder().block();
        self.builder().seal(entry);
        self.builder().enter(entry);
        for (i, parameter) in header.parameters.iter().enumerate() {
            let value = self.push(Op::Parameter(i), parameter.span);
            self.write_name(&parameter.name, value, parameter.span);
        }
        let first = self.builder().block();
        self.builder().end(Terminator::Goto(first));
        self.builder().seal(first);
        self.builder().enter(first);
        body(self);
        self.finish(header);
        id
    }

    fn parameters(&mut self, parameters: Option<&'a Parameters>) -> Vec<Parameter> {
        let Some(parameters) = parameters else { return vec![] };
        let normal = parameters.posonlyargs.iter().chain(&parameters.args).map(|one| (one, ParameterKind::Normal));
        let keyword = parameters.kwonlyargs.iter().map(|one| (one, ParameterKind::KeywordOnly));
        let mut found = vec![];
        for (one, kind) in normal {
            found.push(self.parameter(&one.parameter, one.default(), kind));
        }
        if let Some(one) = &parameters.vararg {
            found.push(self.parameter(one, None, ParameterKind::Star));
        }
        for (one, kind) in keyword {
            found.push(self.parameter(&one.parameter, one.default(), kind));
        }
        if let Some(one) = &parameters.kwarg {
            found.push(self.parameter(one, None, ParameterKind::DoubleStar));
        }
        found
    }

    fn parameter(
        &mut self,
        parameter: &'a ruff_python_ast::Parameter,
        default: Option<&'a ruff_python_ast::Expr>,
        kind: ParameterKind,
    ) -> Parameter {
        Parameter {
            name: Rc::from(parameter.name.as_str()),
            kind,
            limited: false,
            declared: self.declared(parameter.annotation(), default),
            made_by_default: default.is_some_and(|default| self.is_made_by(default)),
            default: default.map(|value| self.expression(value)),
            class: parameter.annotation().and_then(|annotation| self.static_class(annotation)),
            annotation: parameter.annotation().and_then(|annotation| self.static_path(annotation)),
            span: span_of(parameter),
        }
    }

    /// The statements of a body.
    pub(super) fn body(&mut self, body: &'a [Stmt]) {
        for statement in body {
            self.statement(statement);
        }
    }
}
