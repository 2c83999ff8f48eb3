//! One function with its facts, as tests are looked at.

use std::rc::Rc;

use crate::ssa::{Function, FunctionId, Op, ValueId};
use crate::taint::domain::Value;
use crate::taint::frame::fact;
use crate::taint::store::Solved;

/// How far tests are followed, and how many for one refinement; what is not looked at says nothing.
pub(super) const MAX_DEPTH: usize = 12;
const MAX_TESTS: u32 = 256;

/// One function with its facts, as the refinements see it.
pub(in crate::taint) struct Scene<'a, 'p> {
    pub(super) solved: &'a mut Solved<'p>,
    pub(super) function: &'p Function,
    pub(super) facts: &'a [Value],
    pub(super) roots: Rc<[ValueId]>,
    /// How many tests may still be followed.
    pub(super) fuel: u32,
}

impl<'a, 'p> Scene<'a, 'p> {
    /// A function with these facts.
    pub(in crate::taint) fn new(solved: &'a mut Solved<'p>, id: FunctionId, facts: &'a [Value]) -> Self {
        let (function, roots) = (solved.program.function(id), solved.roots(id));
        Self { solved, function, facts, roots, fuel: MAX_TESTS }
    }
}

impl Scene<'_, '_> {
    pub(super) fn fact(&self, value: ValueId) -> &Value {
        fact(self.facts, value)
    }

    /// The value behind refinements.
    pub(super) fn root(&self, value: ValueId) -> ValueId {
        self.roots[value.0 as usize]
    }

    /// Whether a value is another one that only went through refinements and joins of them.
    pub(super) fn comes_from(&self, value: ValueId, origin: ValueId, depth: usize) -> bool {
        let root = self.root(value);
        if root == origin {
            return true;
        }
        match self.function.op(root) {
            Op::Phi(operands) | Op::Join(operands) if depth > 0 => {
                operands.iter().all(|operand| *operand == root || self.comes_from(*operand, origin, depth - 1))
            }
            _ => false,
        }
    }
}
