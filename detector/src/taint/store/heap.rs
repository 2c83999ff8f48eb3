//! Which parameters the values of a function may be: containers that it gets as argument and changes in place.

use std::rc::Rc;

use crate::ssa::{Function, Op};

/// By value, the parameters (as bits) whose object it may be, however changed; from the 64th on they share a bit.
pub(in crate::taint) type Aliases = Rc<Vec<u64>>;

/// Follows parameters through new names and changes in place: each value gets each of the 64 bits at most once.
pub(in crate::taint) fn aliases(function: &Function) -> Aliases {
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

pub(in crate::taint) fn bit(parameter: usize) -> u64 {
    1 << parameter.min(63)
}
