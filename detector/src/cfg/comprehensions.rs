//! Comprehensions: loops of one round, whose variables are their own.

use std::rc::Rc;

use ruff_python_ast::{Comprehension, Expr, ExprDictComp};

use super::{Lowerer, span_of};
use crate::ssa::{Container, Op, Span, Terminator, ValueId};

impl<'a> Lowerer<'a> {
    /// `[result for … in … if …]`
    pub(super) fn comprehension(
        &mut self,
        container: Container,
        result: &'a Expr,
        generators: &'a [Comprehension],
        span: Span,
    ) -> ValueId {
        let (iterable, element, result) = self.generators(generators, span, |lowerer| lowerer.expression(result));
        self.push(Op::Comprehension { container, iterable, element, result }, span)
    }

    /// `{key: value for … in … if …}`
    pub(super) fn mapping_comprehension(&mut self, one: &'a ExprDictComp, span: Span) -> ValueId {
        let mut key = None;
        let (.., value) = self.generators(&one.generators, span, |lowerer| {
            key = one.key.as_ref().map(|key| lowerer.expression(key));
            lowerer.expression(&one.value)
        });
        self.push(Op::MappingComprehension(key.unwrap_or(value), value), span)
    }

    fn generators(
        &mut self,
        generators: &'a [Comprehension],
        span: Span,
        result: impl FnOnce(&mut Self) -> ValueId,
    ) -> (ValueId, ValueId, ValueId) {
        let opened = self.context().renames.len();
        let after = self.builder().block();
        self.builder().open();
        let mut first = None;
        for generator in generators {
            let iterable = self.expression(&generator.iter);
            let element = self.push(Op::Element(iterable), span_of(&generator.target));
            first.get_or_insert((iterable, element));
            self.declare(&generator.target);
            self.assign(&generator.target, element);
            for test in &generator.ifs {
                let (condition, tested) = self.condition(test);
                let (then, otherwise) = self.branch(condition, &tested, span);
                self.builder().enter(otherwise);
                self.builder().end(Terminator::Goto(after));
                self.builder().enter(then);
            }
        }
        let result = result(self);
        self.builder().end(Terminator::Goto(after));
        self.builder().close_at(after);
        self.builder().seal(after);
        self.builder().enter(after);
        self.context().renames.truncate(opened);
        let (iterable, element) = first.unwrap_or((result, result));
        (iterable, element, result)
    }

    /// Gives the names of a comprehension's target variables of their own.
    fn declare(&mut self, target: &Expr) {
        match target {
            Expr::Name(name) => {
                let context = self.context();
                context.fresh += 1;
                let variable: Rc<str> = Rc::from(format!("{}@{}", name.id, context.fresh));
                context.renames.push((Rc::from(name.id.as_str()), variable));
            }
            Expr::Tuple(tuple) => tuple.elts.iter().for_each(|item| self.declare(item)),
            Expr::List(list) => list.elts.iter().for_each(|item| self.declare(item)),
            Expr::Starred(starred) => self.declare(&starred.value),
            _ => {}
        }
    }
}
