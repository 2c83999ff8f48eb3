//! Containers that a function gets as argument and changes in place: the caller sees the change.

use std::rc::Rc;

use super::store::Place;
use super::transfer::{Pass, fact};
use super::value::{Object, Value};
use crate::dataflow::Lattice;
use crate::ssa::{Function, Op, ParameterKind, Passing, ValueId};

/// By value, the parameters (as bits) whose object it may be, however changed; from the 64th on they share a bit.
pub(super) type Aliases = Rc<Vec<u64>>;

/// Follows parameters through new names and changes in place: each value gets each of the 64 bits at most once.
pub(super) fn aliases(function: &Function) -> Aliases {
    let mut found = vec![0u64; function.values.len()];
    if function.parameters.is_empty() {
        return Rc::new(found);
    }
    let mut names: Vec<(u32, u32)> = vec![];
    let mut waiting = vec![];
    for (i, instruction) in function.values.iter().enumerate() {
        match &instruction.op {
            Op::Parameter(index) => {
                found[i] = bit(*index);
                waiting.push(i as u32);
            }
            Op::Refine { value, .. }
            | Op::Survived { value, .. }
            | Op::EachElement { value, .. }
            | Op::Same(value)
            | Op::Mutated(value, _)
            | Op::InPlace(value, _)
            | Op::WithItem(value, ..) => names.push((value.0, i as u32)),
            Op::Phi(operands) | Op::Join(operands) | Op::Logic(false, operands) => {
                names.extend(operands.iter().map(|operand| (operand.0, i as u32)));
            }
            _ => {}
        }
    }
    names.sort_unstable();
    while let Some(value) = waiting.pop() {
        let bits = found[value as usize];
        let first = names.partition_point(|(of, _)| *of < value);
        for (_, name) in names[first..].iter().take_while(|(of, _)| *of == value) {
            let known = &mut found[*name as usize];
            if bits & !*known != 0 {
                *known |= bits;
                waiting.push(*name);
            }
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
    pub(super) fn changed_by(&mut self, mut known: Value, value: ValueId, call: ValueId, facts: &[Value]) -> Value {
        let Op::Call { callee, arguments } = self.function.op(call) else { return known };
        let program = self.solved.program;
        for object in &fact(facts, *callee).objects {
            let (target, skip) = match object {
                Object::Function(function) => (*function, 0),
                Object::Method(function) => (*function, 1),
                Object::Class(class) => match program.method(*class, "__init__") {
                    Some(init) => (init, 1),
                    None => continue,
                },
                _ => continue,
            };
            let parameters = &program.function(target).parameters;
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
                    && let Some(changed) = self.solved.store.read(Place::Changed(target, index as u32), self.reader)
                {
                    known.join(changed);
                }
            }
        }
        known
    }
}
