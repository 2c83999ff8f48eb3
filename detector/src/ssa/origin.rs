//! The definition behind a name: refinements and joins of one value with itself give it new names only.

use super::{Instruction, Op, ValueId};

/// Names looked at, at most; beyond that a value counts as its own.
const MAX_NAMES: usize = 256;

/// The only value that `value` can be another name of; itself where there are several.
pub fn origin(values: &[Instruction], value: ValueId) -> ValueId {
    let mut names = vec![value];
    let mut found = None;
    let mut next = 0;
    while let Some(&name) = names.get(next) {
        next += 1;
        let behind: &[ValueId] = match &values[name.0 as usize].op {
            Op::Refine { value, .. } | Op::Survived { value, .. } | Op::EachElement { value, .. } | Op::Same(value) => {
                std::slice::from_ref(value)
            }
            Op::Phi(operands) if !operands.is_empty() => operands,
            _ if found.is_none() => {
                found = Some(name);
                continue;
            }
            _ => return first_definition(values, value),
        };
        if names.len() > MAX_NAMES {
            return first_definition(values, value);
        }
        for one in behind {
            if !names.contains(one) {
                names.push(*one);
            }
        }
    }
    found.unwrap_or(value)
}

/// The join, or other definition, that a chain of refinements starts at.
fn first_definition(values: &[Instruction], mut value: ValueId) -> ValueId {
    while let Op::Refine { value: behind, .. }
    | Op::Survived { value: behind, .. }
    | Op::EachElement { value: behind, .. }
    | Op::Same(behind) = values[value.0 as usize].op
    {
        value = behind;
    }
    value
}
