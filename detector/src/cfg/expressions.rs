//! Expressions.

use std::rc::Rc;

use ruff_python_ast::{
    BoolOp, CmpOp, Expr, ExprCall, ExprCompare, ExprFString, FStringPart, InterpolatedStringElement, Operator, UnaryOp,
};

use super::names::literal;
use super::scope::mutates;
use super::{Lowerer, span_of};
use crate::ssa::{Argument, BinaryOp, CompareOp, Container, Literal, Op, Passing, Piece, Span, Terminator, ValueId};

/// Deepest test whose parts are constants that is worked out.
const MAX_TESTS: usize = 8;

impl<'a> Lowerer<'a> {
    /// Lowers an expression to the value it makes.
    pub(super) fn expression(&mut self, expression: &'a Expr) -> ValueId {
        let span = span_of(expression);
        if self.is_over() {
            return self.push(Op::Unknown, span);
        }
        if let Some(literal) = literal(expression) {
            return self.push(Op::Literal(literal), span);
        }
        match expression {
            Expr::Name(name) => self.read_name(&name.id, span),
            Expr::Named(named) => {
                let mark = self.mark();
                let value = self.expression(&named.value);
                self.mention(value, mark);
                self.assign(&named.target, value);
                self.expression(&named.target)
            }
            Expr::BoolOp(operation) => {
                let and = operation.op == BoolOp::And;
                let values: Vec<ValueId> = operation.values.iter().map(|value| self.expression(value)).collect();
                self.push(Op::Logic(and, values), span)
            }
            Expr::BinOp(operation) => self.binary_chain(operation, span),
            Expr::UnaryOp(operation) => {
                let value = self.expression(&operation.operand);
                match operation.op {
                    UnaryOp::Not => match self.truth_of(value) {
                        Some(truth) => self.push(Op::Literal(Literal::Bool(!truth)), span),
                        None => self.push(Op::Not(value), span),
                    },
                    UnaryOp::UAdd | UnaryOp::USub | UnaryOp::Invert => {
                        let negated = match self.builder().values[value.0 as usize].op {
                            Op::Literal(Literal::Integer(number)) if operation.op == UnaryOp::USub => {
                                number.checked_neg()
                            }
                            _ => None,
                        };
                        match negated {
                            Some(number) => self.push(Op::Literal(Literal::Integer(number)), span),
                            None => self.push(Op::Binary(BinaryOp::Arithmetic, value, value), span),
                        }
                    }
                }
            }
            Expr::Lambda(lambda) => self.lambda(lambda),
            Expr::If(choice) => {
                self.builder().open();
                let (condition, tested) = self.condition(&choice.test);
                let (then, otherwise) = self.branch(condition, &tested, span);
                let after = self.builder().block();
                self.builder().enter(then);
                let yes = self.expression(&choice.body);
                self.builder().end(Terminator::Goto(after));
                self.builder().enter(otherwise);
                let no = self.expression(&choice.orelse);
                self.builder().end(Terminator::Goto(after));
                self.builder().close_at(after);
                self.builder().seal(after);
                self.builder().enter(after);
                self.join(vec![yes, no], span)
            }
            Expr::Dict(dict) => {
                let items = dict
                    .items
                    .iter()
                    .map(|item| (item.key.as_ref().map(|key| self.expression(key)), self.expression(&item.value)))
                    .collect();
                self.push(Op::Mapping(items), span)
            }
            Expr::Set(set) => self.display(Container::Set, &set.elts, span),
            Expr::List(list) => self.display(Container::List, &list.elts, span),
            Expr::Tuple(tuple) => self.display(Container::Tuple, &tuple.elts, span),
            Expr::ListComp(one) => self.comprehension(Container::List, &one.elt, &one.generators, span),
            Expr::SetComp(one) => self.comprehension(Container::Set, &one.elt, &one.generators, span),
            Expr::Generator(one) => self.comprehension(Container::Generator, &one.elt, &one.generators, span),
            Expr::DictComp(one) => self.mapping_comprehension(one, span),
            Expr::Await(one) => {
                let value = self.expression(&one.value);
                self.push(Op::Same(value), span)
            }
            Expr::Yield(one) => {
                if let Some(value) = &one.value {
                    let value = self.expression(value);
                    self.context().yields.push(value);
                }
                self.push(Op::Unknown, span)
            }
            Expr::YieldFrom(one) => {
                let value = self.expression(&one.value);
                let element = self.push(Op::Element(value), span);
                self.context().yields.push(element);
                element
            }
            Expr::Compare(comparison) => self.comparison(comparison, span),
            Expr::Call(call) => match self.read_place(expression) {
                Some(value) => value,
                None => self.call(call),
            },
            Expr::FString(text) => {
                let pieces = self.pieces(text);
                self.push(Op::Format(pieces), span)
            }
            Expr::TString(text) => {
                // A template is not a string: its placeholders stay apart until something formats it.
                let values = text
                    .value
                    .elements()
                    .filter_map(InterpolatedStringElement::as_interpolation)
                    .map(|one| &*one.expression)
                    .collect::<Vec<_>>();
                let items = values.into_iter().map(|value| (self.expression(value), false)).collect();
                self.push(Op::Display(Container::Tuple, items), span)
            }
            Expr::Attribute(attribute) => {
                if let Some(value) = self.read_place(expression) {
                    return value;
                }
                let value = self.expression(&attribute.value);
                self.push(Op::Attribute(value, Rc::from(attribute.attr.as_str())), span)
            }
            Expr::Subscript(subscript) => {
                if let Some(value) = self.read_place(expression) {
                    return value;
                }
                let value = self.expression(&subscript.value);
                if let Expr::Slice(slice) = &*subscript.slice {
                    return match self.sliced(value, slice) {
                        Some(literal) => self.push(Op::Literal(literal), span),
                        None => self.push(Op::Slice(value, slice.lower.is_none() && slice.step.is_none()), span),
                    };
                }
                let index = self.expression(&subscript.slice);
                self.push(Op::Subscript(value, index), span)
            }
            Expr::Starred(starred) => self.expression(&starred.value),
            Expr::Slice(slice) => {
                for part in [&slice.lower, &slice.upper, &slice.step].into_iter().flatten() {
                    self.expression(part);
                }
                self.push(Op::Literal(Literal::None), span)
            }
            _ => self.push(Op::Unknown, span),
        }
    }

    /// A φ of the values that the predecessors of the current block bring.
    pub(super) fn join(&mut self, values: Vec<ValueId>, span: Span) -> ValueId {
        let builder = self.builder();
        let here = builder.here();
        let phi = builder.push(Op::Phi(values), span);
        let block = &mut builder.blocks[here.0 as usize];
        block.instructions.pop();
        block.phis.push(phi);
        phi
    }

    /// Lowers a test; says which variables it tests.
    pub(super) fn condition(&mut self, test: &'a Expr) -> (ValueId, Vec<(Rc<str>, ValueId)>) {
        let mark = self.mark();
        let outer = std::mem::replace(&mut self.context().testing, true);
        let mut condition = self.expression(test);
        if let Some(truth) = self.truth_within(condition, MAX_TESTS) {
            condition = self.push(Op::Literal(Literal::Bool(truth)), span_of(test));
        }
        self.context().testing = outer;
        let tested = self.mentioned(mark);
        (condition, tested)
    }

    /// Left-nested chains (`a + b + …`) are as deep as they are long, so they are lowered in a loop.
    fn binary_chain(&mut self, outer: &'a ruff_python_ast::ExprBinOp, span: Span) -> ValueId {
        let mut chain = vec![(outer, span)];
        let mut leftmost = &*outer.left;
        while let Expr::BinOp(inner) = leftmost {
            chain.push((inner, span_of(inner)));
            leftmost = &inner.left;
        }
        let mut value = self.expression(leftmost);
        for (operation, span) in chain.into_iter().rev() {
            let right = self.expression(&operation.right);
            value = match self.folded(operation.op, value, right) {
                Some(literal) => self.push(Op::Literal(literal), span),
                None => self.push(Op::Binary(binary(operation.op), value, right), span),
            };
        }
        value
    }

    fn display(&mut self, container: Container, items: &'a [Expr], span: Span) -> ValueId {
        let items = items.iter().map(|item| (self.expression(item), item.is_starred_expr())).collect();
        self.push(Op::Display(container, items), span)
    }

    fn comparison(&mut self, comparison: &'a ExprCompare, span: Span) -> ValueId {
        let mut left = self.expression(&comparison.left);
        let mut parts = vec![];
        for (op, written) in comparison.ops.iter().zip(&comparison.comparators) {
            let right = self.expression(written);
            if let Some(literal) = self.compared(*op, left, right, written) {
                parts.push(self.push(Op::Literal(literal), span));
                left = right;
                continue;
            }
            let op = match op {
                CmpOp::Eq => CompareOp::Equal,
                CmpOp::NotEq => CompareOp::NotEqual,
                CmpOp::In => CompareOp::In,
                CmpOp::NotIn => CompareOp::NotIn,
                CmpOp::Is => CompareOp::Is,
                CmpOp::IsNot => CompareOp::IsNot,
                CmpOp::Lt | CmpOp::LtE | CmpOp::Gt | CmpOp::GtE => CompareOp::Order,
            };
            parts.push(self.push(Op::Compare(op, left, right), span));
            left = right;
        }
        match parts.as_slice() {
            [one] => *one,
            // `1 < 5 < 3`
            _ => match self.decided(true, &parts) {
                Some(literal) => self.push(Op::Literal(literal), span),
                None => self.push(Op::Logic(true, parts), span),
            },
        }
    }

    fn call(&mut self, call: &'a ExprCall) -> ValueId {
        let span = span_of(call);
        let mark = self.mark();
        let path = self.static_path(&call.func);
        if let Some(class) = path.as_deref().and_then(|path| self.named_tuple(call, path)) {
            return class;
        }
        let never_returns = path.is_some_and(|path| (self.never_returns)(&path));
        // A method is no place of its own: what `text.isdigit()` says, it says about `text`.
        let method = call.func.as_attribute_expr();
        let receiver = method.map(|method| self.expression(&method.value));
        let callee = match (method, receiver) {
            (Some(method), Some(receiver)) => {
                self.push(Op::Attribute(receiver, Rc::from(method.attr.as_str())), span_of(&*call.func))
            }
            _ => self.expression(&call.func),
        };
        let behind = match &*call.func {
            Expr::Name(name) => self.method_behind(&name.id, callee),
            _ => None,
        };
        let callee = behind.map_or(callee, |(_, callee)| callee);
        let mut arguments = vec![];
        for argument in &call.arguments.args {
            let passing = if argument.is_starred_expr() { Passing::Star } else { Passing::Positional };
            arguments.push(Argument { passing, value: self.expression(argument) });
        }
        for keyword in &call.arguments.keywords {
            let passing =
                keyword.arg.as_ref().map_or(Passing::DoubleStar, |name| Passing::Keyword(Rc::from(name.as_str())));
            arguments.push(Argument { passing, value: self.expression(&keyword.value) });
        }
        let tested: Vec<ValueId> = arguments.iter().map(|argument| argument.value).collect();
        if let Some(literal) = self.folded_call(call, &tested) {
            return self.push(Op::Literal(literal), span);
        }
        let result = self.push(Op::Call { callee, arguments }, span);
        if let (Some(method), Some(receiver)) = (method, receiver)
            && mutates(&method.attr, call)
        {
            let changed = self.push(Op::Mutated(receiver, result), span);
            self.change(&method.value, receiver, changed);
        }
        if let Some((method, _)) = behind {
            let receiver = self.expression(&method.value);
            let changed = self.push(Op::Mutated(receiver, result), span);
            self.change(&method.value, receiver, changed);
        }
        if never_returns {
            self.builder().end(Terminator::Stop);
            return self.push(Op::Unknown, span);
        }
        self.survive(call, result, &tested, mark, span);
        self.reload(call, span);
        result
    }

    /// `int(x)` that comes back says something about `x`.
    fn survive(&mut self, call: &'a ExprCall, result: ValueId, tested: &[ValueId], mark: usize, span: Span) {
        for (argument, value) in call.arguments.args.iter().zip(tested) {
            let variable = match argument {
                Expr::Name(_) | Expr::Attribute(_) | Expr::Subscript(_) => self.context().reads[mark..]
                    .iter()
                    .rev()
                    .find(|(_, read)| read == value)
                    .map(|(variable, _)| variable.clone()),
                _ => None,
            };
            if let Some(variable) = variable
                && self.builder().read(&variable) == *value
            {
                let survived = self.push(Op::Survived { value: *value, call: result }, span);
                self.builder().write(&variable, survived);
                // A function of the program may have changed it, for whoever else sees the variable.
                if let (Expr::Name(name), None) = (argument, self.static_path(&call.func)) {
                    self.store_name(&name.id, survived, span);
                }
            }
        }
    }

    fn pieces(&mut self, text: &'a ExprFString) -> Vec<Piece> {
        let mut pieces = vec![];
        for part in &text.value {
            match part {
                FStringPart::Literal(literal) => pieces.push(Piece::Text(Rc::from(&*literal.value))),
                FStringPart::FString(inner) => {
                    for element in &inner.elements {
                        self.piece(element, &mut pieces);
                    }
                }
            }
        }
        pieces
    }

    fn piece(&mut self, element: &'a InterpolatedStringElement, pieces: &mut Vec<Piece>) {
        match element {
            InterpolatedStringElement::Literal(literal) => pieces.push(Piece::Text(Rc::from(&*literal.value))),
            InterpolatedStringElement::Interpolation(one) => {
                if let Some(debug) = &one.debug_text {
                    pieces.push(Piece::Text(Rc::from(format!("{}{}", debug.leading(), debug.trailing()))));
                }
                let value = self.expression(&one.expression);
                let mut spec = String::new();
                let mut chosen = vec![];
                for part in one.format_spec.iter().flat_map(|spec| spec.elements.iter()) {
                    match part {
                        InterpolatedStringElement::Literal(literal) => spec.push_str(&literal.value),
                        InterpolatedStringElement::Interpolation(inner) => {
                            chosen.push(self.expression(&inner.expression));
                        }
                    }
                }
                let repr = matches!(
                    one.conversion,
                    ruff_python_ast::ConversionFlag::Repr | ruff_python_ast::ConversionFlag::Ascii
                );
                pieces.push(Piece::Value { value, repr, spec: Rc::from(spec) });
                // A format may be more than a width: dates write it out as it stands.
                pieces.extend(chosen.into_iter().map(|value| Piece::Value { value, repr: false, spec: Rc::from("") }));
            }
        }
    }
}

/// The operator, as far as strings care.
pub(super) fn binary(op: Operator) -> BinaryOp {
    match op {
        Operator::Add => BinaryOp::Add,
        Operator::Mod => BinaryOp::Modulo,
        Operator::Mult => BinaryOp::Multiply,
        Operator::BitOr | Operator::BitXor => BinaryOp::SetLike,
        Operator::BitAnd => BinaryOp::Intersection,
        Operator::Sub => BinaryOp::Difference,
        Operator::Div
        | Operator::FloorDiv
        | Operator::Pow
        | Operator::LShift
        | Operator::RShift
        | Operator::MatMult => BinaryOp::Arithmetic,
    }
}
