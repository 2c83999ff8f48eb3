//! Binding of targets, and of containers that were changed in place.

use std::rc::Rc;

use ruff_python_ast::{Expr, ExprSubscript};

use super::{Lowerer, span_of};
use crate::ssa::{Argument, Literal, Op, Passing, Span, ValueId};

impl<'a> Lowerer<'a> {
    /// `target = value`
    pub(super) fn assign(&mut self, target: &'a Expr, value: ValueId) {
        let span = span_of(target);
        match target {
            Expr::Name(name) => self.write_name(&name.id, value, span),
            Expr::Tuple(tuple) => self.unpack(&tuple.elts, value),
            Expr::List(list) => self.unpack(&list.elts, value),
            Expr::Starred(starred) => self.assign(&starred.value, value),
            Expr::Attribute(attribute) => {
                let object = self.expression(&attribute.value);
                self.push(Op::SetAttribute(object, Rc::from(attribute.attr.as_str()), value), span);
                self.rebind_place(target, value);
            }
            Expr::Subscript(subscript) if subscript.slice.is_slice_expr() => {
                self.replace_slice(subscript, value, span);
            }
            Expr::Subscript(subscript) => {
                let container = self.expression(&subscript.value);
                let key = self.expression(&subscript.slice);
                let changed = self.push(Op::WithItem(container, Some(key), value), span);
                self.change(&subscript.value, container, changed);
                self.rebind_place(target, value);
            }
            _ => {}
        }
    }

    /// `container[:] = values` is what the values are; a part of it may be any of both.
    fn replace_slice(&mut self, subscript: &'a ExprSubscript, values: ValueId, span: Span) {
        let container = self.expression(&subscript.value);
        if is_whole(&subscript.slice) {
            let copy = self.push(Op::Slice(values, true), span);
            self.change(&subscript.value, container, copy);
        } else {
            self.expression(&subscript.slice);
            let given = vec![Argument { passing: Passing::Positional, value: values }];
            self.change_by("extend", &subscript.value, container, given, span);
        }
    }

    /// `del container[key]` is the method that Python calls for it, `del container[:]` empties it.
    pub(super) fn delete_item(&mut self, subscript: &'a ExprSubscript, span: Span) {
        let container = self.expression(&subscript.value);
        if is_whole(&subscript.slice) {
            self.change_by("clear", &subscript.value, container, vec![], span);
            return;
        }
        let key = self.expression(&subscript.slice);
        let callee = self.push(Op::Attribute(container, Rc::from("__delitem__")), span);
        let arguments = vec![Argument { passing: Passing::Positional, value: key }];
        let call = self.push(Op::Call { callee, arguments }, span);
        // What stands behind an entry of a list moves up.
        if !matches!(self.builder().values[key.0 as usize].op, Op::Literal(Literal::Text(_))) {
            let changed = self.push(Op::Mutated(container, call), span);
            self.change(&subscript.value, container, changed);
        }
    }

    /// A container after one of its methods has changed it.
    fn change_by(&mut self, method: &str, written: &'a Expr, container: ValueId, arguments: Vec<Argument>, span: Span) {
        let callee = self.push(Op::Attribute(container, Rc::from(method)), span);
        let call = self.push(Op::Call { callee, arguments }, span);
        let changed = self.push(Op::Mutated(container, call), span);
        self.change(written, container, changed);
    }

    fn unpack(&mut self, targets: &'a [Expr], value: ValueId) {
        let star = targets.iter().position(Expr::is_starred_expr);
        for (i, target) in targets.iter().enumerate() {
            let op = match star {
                Some(star) if i == star => Op::Rest(value),
                Some(star) if i > star => Op::Element(value),
                _ => Op::Item(value, i),
            };
            let item = self.push(op, span_of(target));
            self.assign(target, item);
        }
    }

    /// Gives a container that was changed in place its new value, wherever it was read from.
    pub(super) fn assign_back(&mut self, container: &'a Expr, changed: ValueId) {
        let span = span_of(container);
        match container {
            Expr::Name(name) => {
                self.write_name(&name.id, changed, span);
            }
            Expr::Attribute(attribute) => {
                let object = self.expression(&attribute.value);
                self.push(Op::SetAttribute(object, Rc::from(attribute.attr.as_str()), changed), span);
                self.rebind_place(container, changed);
            }
            Expr::Subscript(subscript) if !subscript.slice.is_slice_expr() => {
                let outer = self.expression(&subscript.value);
                let key = self.expression(&subscript.slice);
                let outer_changed = self.push(Op::WithItem(outer, Some(key), changed), span);
                self.change(&subscript.value, outer, outer_changed);
                self.rebind_place(container, changed);
            }
            Expr::Call(call) => self.change_entry(call, changed),
            _ => {}
        }
    }

    fn rebind_place(&mut self, target: &Expr, value: ValueId) {
        if !target.is_name_expr()
            && let Some(variable) = self.place(target)
        {
            self.builder().write(&variable, value);
        }
    }
}

/// Whether a slice is all of it: `[:]`.
fn is_whole(slice: &Expr) -> bool {
    matches!(slice, Expr::Slice(slice) if slice.lower.is_none() && slice.upper.is_none() && slice.step.is_none())
}
