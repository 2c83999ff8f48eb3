//! The definition behind a name: refinements and joins of one value with itself give it new names only.

use rustc_hash::FxHashMap;

use super::{Instruction, Op, ValueId};

/// Names looked at, at most; beyond that a value counts as its own.
const MAX_NAMES: usize = 256;

/// The only value that `value` can be another name of; itself where there are several.
///
/// For code under construction; [`origins`] does it for all values of a function at once.
pub fn origin(values: &[Instruction], value: ValueId) -> ValueId {
    // Most names are names of one.
    let mut at = value;
    for _ in 0..MAX_NAMES {
        match behind(&values[at.0 as usize].op) {
            [] => return at,
            [one] => at = *one,
            _ => break,
        }
    }
    let mut names = vec![value];
    let mut found = None;
    let mut next = 0;
    while let Some(&name) = names.get(next) {
        next += 1;
        let behind = match behind(&values[name.0 as usize].op) {
            [] if found.is_none() => {
                found = Some(name);
                continue;
            }
            [] => return first_definition(values, value),
            behind => behind,
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

/// [`origin`] of every value, in time linear in the operands: each value finds a first definition behind it, then perhaps
/// a second, and after that nothing changes.
pub fn origins(values: &[Instruction]) -> Vec<ValueId> {
    #[derive(Clone, Copy, PartialEq)]
    enum Behind {
        Nothing,
        One(ValueId),
        Several,
    }
    let mut found = vec![Behind::Nothing; values.len()];
    // Who is another name of a value, as lists linked through `next`.
    let mut names: Vec<(ValueId, u32)> = vec![];
    let mut head = vec![u32::MAX; values.len()];
    for (i, instruction) in values.iter().enumerate() {
        let value = ValueId(i as u32);
        let behind = behind(&instruction.op);
        if behind.is_empty() {
            found[i] = Behind::One(value);
        }
        for one in behind {
            names.push((value, std::mem::replace(&mut head[one.0 as usize], names.len() as u32)));
        }
    }
    let defines = |value: &ValueId| found[value.0 as usize] != Behind::Nothing && head[value.0 as usize] != u32::MAX;
    let mut waiting: Vec<ValueId> = (0..values.len() as u32).map(ValueId).filter(defines).collect();
    while let Some(value) = waiting.pop() {
        let own = found[value.0 as usize];
        let mut at = head[value.0 as usize];
        while let Some(&(name, next)) = names.get(at as usize) {
            at = next;
            let known = &mut found[name.0 as usize];
            let joined = match (*known, own) {
                (Behind::Nothing, own) => own,
                (known, own) if known == own => known,
                _ => Behind::Several,
            };
            if *known != joined {
                *known = joined;
                waiting.push(name);
            }
        }
    }
    let mut firsts: FxHashMap<ValueId, ValueId> = FxHashMap::default();
    (0..values.len())
        .map(|i| match found[i] {
            Behind::One(definition) => definition,
            Behind::Nothing => ValueId(i as u32),
            Behind::Several => {
                // As `first_definition`, each step taken once.
                let mut chain = vec![];
                let mut at = ValueId(i as u32);
                let first = loop {
                    if let Some(first) = firsts.get(&at) {
                        break *first;
                    }
                    chain.push(at);
                    match renamed(&values[at.0 as usize].op) {
                        Some(behind) => at = behind,
                        None => break at,
                    }
                };
                firsts.extend(chain.into_iter().map(|name| (name, first)));
                first
            }
        })
        .collect()
}

/// The values that an instruction gives another name to; none where it makes a value of its own.
fn behind(op: &Op) -> &[ValueId] {
    match op {
        Op::Refine { value, .. } | Op::Survived { value, .. } | Op::EachElement { value, .. } | Op::Same(value) => {
            std::slice::from_ref(value)
        }
        Op::Phi(operands) | Op::Join(operands) => operands,
        _ => &[],
    }
}

fn renamed(op: &Op) -> Option<ValueId> {
    match op {
        Op::Refine { value, .. } | Op::Survived { value, .. } | Op::EachElement { value, .. } | Op::Same(value) => {
            Some(*value)
        }
        _ => None,
    }
}

/// The join, or other definition, that a chain of refinements starts at.
fn first_definition(values: &[Instruction], mut value: ValueId) -> ValueId {
    while let Some(behind) = renamed(&values[value.0 as usize].op) {
        value = behind;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ssa::{BlockId, Span};

    fn values(ops: Vec<Op>) -> Vec<Instruction> {
        ops.into_iter().map(|op| Instruction { op, span: Span::default(), block: BlockId(0) }).collect()
    }

    #[test]
    fn all_at_once_is_the_same_as_one_by_one() {
        let v = ValueId;
        let refine = |value| Op::Refine { value: v(value), condition: v(0), truth: true };
        let code = values(vec![
            Op::Unknown,
            Op::Unknown,
            refine(0),
            Op::Phi(vec![v(2), v(4)]),
            refine(3),
            Op::Phi(vec![v(4), v(1)]),
            refine(5),
            refine(6),
            Op::Join(vec![v(2), v(0)]),
            Op::Phi(vec![v(9)]),
            Op::Phi(vec![]),
            Op::Phi(vec![v(7), v(5)]),
        ]);
        let all = origins(&code);
        let one_by_one: Vec<ValueId> = (0..code.len() as u32).map(|value| origin(&code, v(value))).collect();
        assert_eq!(all, one_by_one);
        assert_eq!(all[4], v(0), "a loop that only tests a value does not change it");
        assert_eq!(all[7], v(5), "behind a join of two values there is the join");
    }
}
