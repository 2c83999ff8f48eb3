//! Containers that a function gets as argument and changes in place: the caller sees the change.

use std::rc::Rc;

use super::transfer::{Pass, fact};
use super::value::{Object, Value};
use crate::dataflow::Lattice;
use crate::ssa::{Function, Op, ParameterKind, Passing, ValueId};

/// By value, the parameters (as bits) whose object it may be, however changed; from the 64th on they share a bit.
pub(super) type Aliases = Rc<Vec<u64>>;

/// Follows parameters through new names and changes in place.
pub(super) fn aliases(function: &Function) -> Aliases {
    let mut found = vec![0u64; function.values.len()];
    let mut grew = !function.parameters.is_empty();
    while grew {
        grew = false;
        for (i, instruction) in function.values.iter().enumerate() {
            let bits = match &instruction.op {
                Op::Parameter(index) => bit(*index),
                Op::Refine { value, .. }
                | Op::Survived { value, .. }
                | Op::EachElement { value, .. }
                | Op::Same(value)
                | Op::Mutated(value, _)
                | Op::WithItem(value, ..) => found[value.0 as usize],
                Op::Phi(operands) => operands.iter().fold(0, |bits, operand| bits | found[operand.0 as usize]),
                _ => 0,
            };
            grew |= bits & !found[i] != 0;
            found[i] |= bits;
        }
    }
    Rc::new(found)
}

fn bit(parameter: usize) -> u64 {
    1 << parameter.min(63)
}

impl Pass<'_, '_> {
    /// Notes what became of a container, for the callers where it is theirs.
    pub(super) fn note_change(&mut self, container: ValueId, changed: &Value) {
        let bits = self.solved.aliases(self.id)[container.0 as usize];
        for index in (0..self.function.parameters.len()).filter(|index| bits & bit(*index) != 0) {
            self.solved.change_argument(self.id, index, changed);
        }
    }

    /// An argument after a call: with what the called functions of the program put into it.
    pub(super) fn changed_by(&self, mut known: Value, value: ValueId, call: ValueId, facts: &[Value]) -> Value {
        let Op::Call { callee, arguments } = self.function.op(call) else { return known };
        for object in &fact(facts, *callee).objects {
            let (target, skip) = match object {
                Object::Function(function) => (*function, 0),
                Object::Method(function) => (*function, 1),
                Object::Class(class) => match self.solved.program.method(*class, "__init__") {
                    Some(init) => (init, 1),
                    None => continue,
                },
                _ => continue,
            };
            let parameters = &self.solved.program.function(target).parameters;
            for (i, _) in arguments.iter().enumerate().filter(|(_, argument)| argument.value == value) {
                let index = match &arguments[i].passing {
                    Passing::Positional => Some(i + skip),
                    Passing::Keyword(name) => parameters.iter().position(|one| one.name == *name),
                    Passing::Star | Passing::DoubleStar => None,
                };
                let plain = |one: &crate::ssa::Parameter| {
                    matches!(one.kind, ParameterKind::Normal | ParameterKind::KeywordOnly)
                };
                if let Some(index) = index.filter(|index| parameters.get(*index).is_some_and(plain))
                    && let Some(changed) = self.solved.changes.get(&(target, index))
                {
                    known.join(changed);
                }
            }
        }
        known
    }
}
