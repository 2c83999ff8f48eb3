//! Statements.

use std::rc::Rc;

use ruff_python_ast::{Expr, Operator, Stmt, StmtAugAssign, StmtIf, StmtImport, StmtImportFrom, StmtWith, WithItem};

use super::context::Jump;
use super::expressions::binary;
use super::{Lowerer, span_of};
use crate::ssa::{Argument, Cell, Literal, Op, Passing, Terminator, origin};

impl<'a> Lowerer<'a> {
    /// Lowers one statement.
    pub(super) fn statement(&mut self, statement: &'a Stmt) {
        if self.is_over() {
            return;
        }
        self.step();
        let span = span_of(statement);
        match statement {
            Stmt::FunctionDef(function) => {
                let (_, mut value) = self.function(function, None);
                let wrapped = self.is_wrapped(function);
                for decorator in function.decorator_list.iter().rev() {
                    if !wrapped && !self.is_defined(&decorator.expression) {
                        continue;
                    }
                    let span = span_of(&function.name);
                    let callee = self.expression(&decorator.expression);
                    let arguments = vec![Argument { passing: Passing::Positional, value }];
                    let made = self.push(Op::Call { callee, arguments }, span);
                    // What does not look like a test may be passed by.
                    value = if wrapped { made } else { self.push(Op::Logic(false, vec![value, made]), span) };
                }
                self.context().defined.insert(&function.name, function);
                self.write_name(&function.name, value, span_of(&function.name));
            }
            Stmt::ClassDef(class) => self.class(class),
            Stmt::Return(one) => {
                let value = match &one.value {
                    Some(value) => self.expression(value),
                    None => self.push(Op::Literal(Literal::None), span),
                };
                self.jump(Jump::Return, Some(value));
            }
            Stmt::Assign(assign) => {
                let mark = self.mark();
                let value = self.expression(&assign.value);
                self.mention(value, mark);
                for target in &assign.targets {
                    self.assign(target, value);
                    self.note_alias(target, &assign.value);
                }
                // `a = b = []`
                if let [first @ Expr::Name(_), others @ ..] = assign.targets.as_slice() {
                    for other in others {
                        self.note_alias(first, other);
                    }
                }
            }
            Stmt::AugAssign(assign) => self.augmented(assign),
            Stmt::AnnAssign(assign) => {
                if let Some(value) = &assign.value {
                    let mark = self.mark();
                    let made = self.expression(value);
                    self.mention(made, mark);
                    self.assign(&assign.target, made);
                    self.note_alias(&assign.target, value);
                }
            }
            Stmt::For(one) => self.for_loop(one),
            Stmt::While(one) => self.while_loop(one),
            Stmt::If(one) => self.if_statement(one),
            Stmt::With(one) => self.with_statement(one),
            Stmt::Match(one) => self.match_statement(one),
            Stmt::Raise(one) => {
                if let Some(raised) = &one.exc {
                    let raised = self.expression(raised);
                    // No variable has the name of a statement.
                    self.push(Op::Store(Cell::raised(), raised), span);
                }
                if let Some(cause) = &one.cause {
                    self.expression(cause);
                }
                self.builder().end(Terminator::Stop);
            }
            Stmt::Try(one) => self.try_statement(one),
            // `python -O` leaves assertions out, so what they say about a text protects nobody. What they say about its type
            // is what annotations say.
            Stmt::Assert(one) if !is_about_types(&one.test) => {
                self.expression(&one.test);
            }
            Stmt::Assert(one) => {
                let (condition, tested) = self.condition(&one.test);
                let (then, otherwise) = self.branch(condition, &tested, span);
                self.builder().enter(otherwise);
                if let Some(message) = &one.msg {
                    self.expression(message);
                }
                self.builder().end(Terminator::Stop);
                self.builder().enter(then);
            }
            Stmt::Import(import) => self.import(import),
            Stmt::ImportFrom(import) => self.import_from(import),
            // A call for its own sake may be a test that raises.
            Stmt::Expr(one) => {
                let outer = std::mem::replace(&mut self.context().testing, true);
                self.expression(&one.value);
                self.context().testing = outer;
            }
            Stmt::Break(_) => self.jump(Jump::Break, None),
            Stmt::Continue(_) => self.jump(Jump::Continue, None),
            Stmt::Delete(one) => {
                for target in &one.targets {
                    if let ruff_python_ast::Expr::Subscript(subscript) = target {
                        self.delete_item(subscript, span);
                    }
                }
            }
            Stmt::TypeAlias(_) | Stmt::Global(_) | Stmt::Nonlocal(_) | Stmt::Pass(_) | Stmt::IpyEscapeCommand(_) => {}
        }
    }

    fn augmented(&mut self, assign: &'a StmtAugAssign) {
        let mark = self.mark();
        let left = self.expression(&assign.target);
        let right = self.expression(&assign.value);
        let span = span_of(assign);
        let value = match self.folded(assign.op, left, right) {
            Some(literal) => self.push(Op::Literal(literal), span),
            None => self.push(Op::Binary(binary(assign.op), left, right), span),
        };
        self.mention(value, mark);
        let values = &self.builder().values;
        let of_caller = matches!(values[origin(values, left).0 as usize].op, Op::Parameter(_));
        let in_place = matches!(assign.op, Operator::Add | Operator::BitOr);
        if in_place && (of_caller || self.has_names(&assign.target)) {
            let changed = self.push(Op::InPlace(left, value), span);
            self.assign(&assign.target, value);
            self.change_names(&assign.target, left, changed);
        } else {
            self.assign(&assign.target, value);
        }
    }

    fn if_statement(&mut self, statement: &'a StmtIf) {
        let after = self.builder().block();
        self.builder().open();
        let clauses = statement.elif_else_clauses.iter().map(|clause| (clause.test.as_ref(), &*clause.body));
        for (test, body) in std::iter::once((Some(&*statement.test), &*statement.body)).chain(clauses) {
            let Some(test) = test else {
                self.body(body);
                break;
            };
            let (condition, tested) = self.condition(test);
            let (then, otherwise) = self.branch(condition, &tested, span_of(test));
            self.builder().enter(then);
            self.body(body);
            self.builder().end(Terminator::Goto(after));
            self.builder().enter(otherwise);
        }
        self.builder().end(Terminator::Goto(after));
        self.builder().close_at(after);
        self.builder().seal(after);
        self.builder().enter(after);
    }

    fn with_statement(&mut self, statement: &'a StmtWith) {
        for item in &statement.items {
            let manager = self.expression(&item.context_expr);
            if let Some(target) = &item.optional_vars {
                let entered = self.push(Op::Enter(manager), span_of(item));
                self.assign(target, entered);
            }
        }
        let swallows =
            |item: &WithItem| self.static_path(&item.context_expr).is_some_and(|path| &*path == "contextlib.suppress");
        if statement.items.iter().any(swallows) || statement.items.iter().any(|item| self.may_swallow(item)) {
            self.swallowed(&statement.body);
        } else {
            self.body(&statement.body);
        }
    }

    /// Whether a context manager is of a class of the program whose `__exit__` may say that an exception is dealt with.
    fn may_swallow(&self, item: &WithItem) -> bool {
        let Expr::Call(call) = &item.context_expr else { return false };
        let Some(class) = self.static_class(&call.func) else { return false };
        let exit = self.classes[class.0 as usize].methods.get("__exit__");
        let Some(Some(exit)) = exit.map(|exit| &self.functions[exit.0 as usize]) else { return false };
        exit.blocks.iter().any(|block| match block.terminator {
            Terminator::Return(value) => !matches!(exit.op(value), Op::Literal(Literal::None | Literal::Bool(false))),
            _ => false,
        })
    }

    fn import(&mut self, import: &'a StmtImport) {
        for alias in &import.names {
            let first = alias.name.split('.').next().unwrap_or(&alias.name);
            let (name, path) =
                alias.asname.as_ref().map_or((first, first), |name| (name.as_str(), alias.name.as_str()));
            self.bind_path(name, &Rc::from(path), span_of(alias));
        }
    }

    fn import_from(&mut self, import: &'a StmtImportFrom) {
        let dots = ".".repeat(import.level as usize);
        let module = import.module.as_ref().map_or("", |name| name.as_str());
        for alias in &import.names {
            if &alias.name == "*" {
                self.stars.push(Rc::from(format!("{dots}{module}")));
                continue;
            }
            let name = alias.asname.as_ref().unwrap_or(&alias.name).as_str();
            self.bind_path(name, &Rc::from(format!("{dots}{module}.{}", alias.name)), span_of(alias));
        }
    }

    fn bind_path(&mut self, name: &str, path: &Rc<str>, span: crate::ssa::Span) {
        let value = self.push(Op::Path(path.clone()), span);
        self.write_name(name, value, span);
        self.note_import(name, path);
    }
}

/// Whether a test only asks what kind of object something is.
fn is_about_types(test: &Expr) -> bool {
    match test {
        Expr::Call(call) => {
            matches!(&*call.func, Expr::Name(name) if matches!(name.id.as_str(), "isinstance" | "issubclass" | "callable"))
        }
        Expr::Compare(comparison) => {
            let of_type = |one: &Expr| {
                matches!(one, Expr::NoneLiteral(_))
                    || matches!(one, Expr::Call(call) if matches!(&*call.func, Expr::Name(name) if name.id.as_str() == "type"))
            };
            of_type(&comparison.left) || comparison.comparators.iter().any(of_type)
        }
        Expr::BoolOp(operation) => operation.values.iter().all(is_about_types),
        Expr::BooleanLiteral(_) => true,
        _ => false,
    }
}
