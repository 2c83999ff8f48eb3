//! Constants that follow from constants: what is written out in the text and decides which way control goes.

use std::rc::Rc;

use ruff_python_ast::{CmpOp, Expr, ExprCall, ExprSlice, Operator};

use super::Lowerer;
use super::names::literal;
use crate::ssa::{FunctionId, Literal, Op, ValueId, origin};

/// Largest exponent and shift that are worked out.
const MAX_EXPONENT: i64 = 64;
/// Longest text that is put together, in bytes.
const MAX_TEXT: usize = 256;

impl Lowerer<'_> {
    /// The literal that a value is.
    pub(super) fn literal_of(&mut self, value: ValueId) -> Option<&Literal> {
        let values = &self.builder().values;
        match &values[origin(values, value).0 as usize].op {
            Op::Literal(literal) => Some(literal),
            _ => None,
        }
    }

    fn integer_of(&mut self, value: ValueId) -> Option<i64> {
        match *self.literal_of(value)? {
            Literal::Integer(integer) => Some(integer),
            Literal::Bool(truth) => Some(i64::from(truth)),
            _ => None,
        }
    }

    /// The literal that a value is, looked up through a name of the module that is bound once: `MODE = "plain"`.
    fn known_literal(&mut self, value: ValueId) -> Option<Literal> {
        let values = &self.builder().values;
        let cell = match &values[origin(values, value).0 as usize].op {
            Op::Literal(literal) => return Some(literal.clone()),
            Op::Load(cell) if cell.scope == FunctionId(0) => cell.clone(),
            _ => return None,
        };
        let bound = self.contexts.first().filter(|_| !self.shared.contains(&cell.name))?;
        literal(bound.scope.only_value(&cell.name)?)
    }

    /// The literals of a display that nothing can have changed: a tuple, or one that stands where it is looked into.
    fn known_entries(&mut self, value: ValueId, written_here: bool) -> Option<Vec<Literal>> {
        let values = &self.builder().values;
        let at = if written_here { value } else { origin(values, value) };
        let entries: Vec<ValueId> = match &values[at.0 as usize].op {
            Op::Display(kind, items) if written_here || *kind == crate::ssa::Container::Tuple => {
                items.iter().map(|(item, starred)| (!starred).then_some(*item)).collect::<Option<_>>()?
            }
            Op::Mapping(items) if written_here => items.iter().map(|(key, _)| *key).collect::<Option<_>>()?,
            _ => return None,
        };
        entries.into_iter().map(|entry| self.known_literal(entry)).collect()
    }

    /// `len` of a constant.
    pub(super) fn folded_call(&mut self, call: &ExprCall, arguments: &[ValueId]) -> Option<Literal> {
        if !call.func.is_name_expr() {
            return None;
        }
        let ([value], [written]) = (arguments, &*call.arguments.args) else { return None };
        let is_len =
            matches!(self.static_path(&call.func).as_deref(), Some("len")) && call.arguments.keywords.is_empty();
        if !is_len || written.is_starred_expr() {
            return None;
        }
        let size = match self.known_literal(*value) {
            Some(Literal::Text(text)) => text.chars().count(),
            Some(_) => return None,
            None => self.known_entries(*value, is_display(written))?.len(),
        };
        Some(Literal::Integer(size as i64))
    }

    /// `text[a:b:c]` of constants.
    pub(super) fn sliced(&mut self, value: ValueId, slice: &ExprSlice) -> Option<Literal> {
        let Literal::Text(text) = self.literal_of(value)?.clone() else { return None };
        let bound = |bound: Option<&Expr>| match bound.map(integer) {
            None => Some(None),
            Some(Some(bound)) => Some(Some(bound)),
            Some(None) => None,
        };
        let (lower, upper, step) = (
            bound(slice.lower.as_deref())?,
            bound(slice.upper.as_deref())?,
            bound(slice.step.as_deref())?.unwrap_or(1),
        );
        if text.len() > MAX_TEXT || step == 0 {
            return None;
        }
        let chars: Vec<char> = text.chars().collect();
        let size = chars.len() as i64;
        // Python reference, §6.3.3: bounds count from the end where negative, and stop at the ends.
        let (least, most) = if step > 0 { (0, size) } else { (-1, size - 1) };
        let place = |bound: i64| (if bound < 0 { bound + size } else { bound }).clamp(least, most);
        let mut at = lower.map_or(if step > 0 { least } else { most }, place);
        let end = upper.map_or(if step > 0 { most } else { least }, place);
        let mut taken = String::new();
        while (step > 0 && at < end) || (step < 0 && at > end) {
            taken.extend(usize::try_from(at).ok().and_then(|at| chars.get(at)));
            at = at.checked_add(step)?;
        }
        Some(Literal::Text(Rc::from(taken)))
    }

    /// Arithmetic of two integers, and two texts in a row.
    pub(super) fn folded(&mut self, op: Operator, left: ValueId, right: ValueId) -> Option<Literal> {
        if let (Operator::Add, Some(Literal::Text(a))) = (op, self.literal_of(left)) {
            let a = a.clone();
            let Some(Literal::Text(b)) = self.literal_of(right) else { return None };
            return (a.len() + b.len() <= MAX_TEXT).then(|| Literal::Text(Rc::from(format!("{a}{b}"))));
        }
        let (a, b) = (self.integer_of(left)?, self.integer_of(right)?);
        let result = match op {
            Operator::Add => a.checked_add(b),
            Operator::Sub => a.checked_sub(b),
            Operator::Mult => a.checked_mul(b),
            // Python rounds down, and the remainder has the divisor's sign.
            Operator::FloorDiv if b > 0 => a.checked_div_euclid(b),
            Operator::Mod if b > 0 => a.checked_rem_euclid(b),
            Operator::Pow if (0..=MAX_EXPONENT).contains(&b) => a.checked_pow(u32::try_from(b).ok()?),
            Operator::LShift if (0..MAX_EXPONENT - 1).contains(&b) => a.checked_mul(1i64.checked_shl(b as u32)?),
            Operator::RShift if (0..MAX_EXPONENT).contains(&b) => Some(a >> b),
            Operator::BitAnd => Some(a & b),
            Operator::BitOr => Some(a | b),
            Operator::BitXor => Some(a ^ b),
            _ => None,
        };
        result.map(Literal::Integer)
    }

    /// A comparison of two constants; `written` is what stands on the right.
    pub(super) fn compared(&mut self, op: CmpOp, left: ValueId, right: ValueId, written: &Expr) -> Option<Literal> {
        if matches!(op, CmpOp::In | CmpOp::NotIn) {
            let wanted = self.known_literal(left).filter(|one| *one != Literal::Number)?;
            let inside = match (&wanted, self.known_literal(right)) {
                (Literal::Text(part), Some(Literal::Text(whole))) => whole.contains(&**part),
                (_, Some(_)) => return None,
                (_, None) => {
                    let entries = self.known_entries(right, is_display(written))?;
                    // `True` is 1 and `1.0` is: only what is certain.
                    let is_text = matches!(wanted, Literal::Text(_) | Literal::None);
                    if !is_text && entries.iter().any(|one| matches!(one, Literal::Number | Literal::Bool(_))) {
                        return None;
                    }
                    entries.contains(&wanted)
                }
            };
            return Some(Literal::Bool(inside == (op == CmpOp::In)));
        }
        let truth = if let (Some(a), Some(b)) = (self.integer_of(left), self.integer_of(right)) {
            match op {
                CmpOp::Eq => a == b,
                CmpOp::NotEq => a != b,
                CmpOp::Lt => a < b,
                CmpOp::LtE => a <= b,
                CmpOp::Gt => a > b,
                CmpOp::GtE => a >= b,
                _ => return None,
            }
        } else {
            let (a, b) = (self.known_literal(left)?, self.known_literal(right)?);
            let same = match (&a, &b) {
                (Literal::Text(a), Literal::Text(b)) => a == b,
                (Literal::None, Literal::None) => true,
                (Literal::None, Literal::Text(_) | Literal::Integer(_) | Literal::Bool(_))
                | (Literal::Text(_) | Literal::Integer(_) | Literal::Bool(_), Literal::None) => false,
                _ => return None,
            };
            match op {
                CmpOp::Eq | CmpOp::Is => same,
                CmpOp::NotEq | CmpOp::IsNot => !same,
                _ => return None,
            }
        };
        Some(Literal::Bool(truth))
    }

    /// Whether a pattern matches, where both are constants.
    pub(super) fn matches(&mut self, subject: ValueId, value: ValueId) -> Option<Literal> {
        let (a, b) = (self.known_literal(subject)?, self.known_literal(value)?);
        match (&a, &b) {
            (Literal::Text(a), Literal::Text(b)) => Some(Literal::Bool(a == b)),
            (Literal::Integer(a), Literal::Integer(b)) => Some(Literal::Bool(a == b)),
            (Literal::Text(_), Literal::Integer(_)) | (Literal::Integer(_), Literal::Text(_)) => {
                Some(Literal::Bool(false))
            }
            _ => None,
        }
    }

    /// Whether a constant counts as true.
    pub(super) fn truth_of(&mut self, value: ValueId) -> Option<bool> {
        Some(match self.literal_of(value)? {
            Literal::Bool(truth) => *truth,
            Literal::Integer(integer) => *integer != 0,
            Literal::Text(text) => !text.is_empty(),
            Literal::None => false,
            Literal::Number => return None,
        })
    }

    /// The truth of a test whose constant parts decide it.
    pub(super) fn truth_within(&mut self, test: ValueId, depth: usize) -> Option<bool> {
        let depth = depth.checked_sub(1)?;
        match &self.builder().values[test.0 as usize].op {
            Op::Not(inner) => {
                let inner = *inner;
                self.part_truth(inner, depth).map(|truth| !truth)
            }
            Op::Logic(and, parts) => {
                let (and, parts) = (*and, parts.clone());
                let truths: Vec<Option<bool>> = parts.into_iter().map(|part| self.part_truth(part, depth)).collect();
                if truths.contains(&Some(!and)) {
                    return Some(!and);
                }
                truths.iter().all(Option::is_some).then_some(and)
            }
            _ => None,
        }
    }

    fn part_truth(&mut self, part: ValueId, depth: usize) -> Option<bool> {
        self.truth_of(part).or_else(|| self.truth_within(part, depth))
    }

    /// What `and` (true) or `or` (false) of constants decides, whatever the other operands are.
    pub(super) fn decided(&mut self, and: bool, values: &[ValueId]) -> Option<Literal> {
        let truths: Vec<Option<bool>> = values.iter().map(|value| self.truth_of(*value)).collect();
        if truths.contains(&Some(!and)) {
            return Some(Literal::Bool(!and));
        }
        truths.iter().all(Option::is_some).then_some(Literal::Bool(and))
    }
}

/// Whether an expression is a container that is made where it stands.
fn is_display(expression: &Expr) -> bool {
    matches!(expression, Expr::List(_) | Expr::Set(_) | Expr::Tuple(_) | Expr::Dict(_))
}

/// An integer as it is written, with its sign.
fn integer(expression: &Expr) -> Option<i64> {
    match expression {
        Expr::UnaryOp(negated) if negated.op == ruff_python_ast::UnaryOp::USub => {
            integer(&negated.operand)?.checked_neg()
        }
        expression => match literal(expression)? {
            Literal::Integer(integer) => Some(integer),
            _ => None,
        },
    }
}
