//! Constants that follow from constants: what is written out in the text and decides which way control goes.

use ruff_python_ast::{CmpOp, Operator};

use super::Lowerer;
use crate::ssa::{Literal, Op, ValueId, origin};

/// Largest exponent and shift that are worked out.
const MAX_EXPONENT: i64 = 64;

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

    /// Arithmetic of two integers.
    pub(super) fn folded(&mut self, op: Operator, left: ValueId, right: ValueId) -> Option<Literal> {
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

    /// A comparison of two constants.
    pub(super) fn compared(&mut self, op: CmpOp, left: ValueId, right: ValueId) -> Option<Literal> {
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
            let a = self.literal_of(left)?.clone();
            let b = self.literal_of(right)?;
            let same = match (&a, b) {
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

    /// What `and` (true) or `or` (false) of constants decides, whatever the other operands are.
    pub(super) fn decided(&mut self, and: bool, values: &[ValueId]) -> Option<Literal> {
        let truths: Vec<Option<bool>> = values.iter().map(|value| self.truth_of(*value)).collect();
        if truths.contains(&Some(!and)) {
            return Some(Literal::Bool(!and));
        }
        truths.iter().all(Option::is_some).then_some(Literal::Bool(and))
    }
}
