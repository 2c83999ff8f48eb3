//! The program's own validators: what a function finds out about its arguments.

use std::rc::Rc;

use super::scene::Scene;
use crate::dataflow::{Lattice, Solution};
use crate::ssa::{FunctionId, Op, ParameterKind, Passing, Terminator, ValueId};
use crate::taint::domain::{Value, View};
use crate::taint::frame::fact;
use crate::taint::store::Checks;

/// Most tests of one parameter, and most `return`s, that are looked at in a function that checks its arguments.
const MAX_CHECKS: usize = 64;
const MAX_RETURNS: usize = 64;

impl Scene<'_, '_> {
    /// What a function of the program has found out about an argument where it returns (with this truth).
    pub(super) fn validated(
        &mut self,
        known: Value,
        value: ValueId,
        call: ValueId,
        (id, bound): (FunctionId, bool),
        truth: Option<bool>,
        depth: usize,
    ) -> Value {
        let Op::Call { arguments, .. } = self.function.op(call) else { return known };
        let program = self.solved.program;
        let function = program.function(id);
        let skip = usize::from(bound && function.method_of.is_some());
        let mut parameter = None;
        for (i, argument) in arguments.iter().enumerate() {
            let index = match &argument.passing {
                Passing::Positional => Some(i + skip),
                Passing::Keyword(name) => function.parameters.iter().position(|one| one.name == *name),
                Passing::Star | Passing::DoubleStar => None,
            };
            let index = index.filter(|index| {
                function
                    .parameters
                    .get(*index)
                    .is_some_and(|one| matches!(one.kind, ParameterKind::Normal | ParameterKind::KeywordOnly))
            });
            if let Some(index) = index
                && self.view(argument.value, value).is_some_and(View::is_plain)
            {
                parameter = Some(index);
            }
        }
        match parameter {
            Some(parameter) => self.found_by(known, id, parameter, truth, depth),
            None => known,
        }
    }

    /// What a function of the program finds out about what it is given as a parameter.
    pub(super) fn found_by(
        &mut self,
        known: Value,
        id: FunctionId,
        parameter: usize,
        truth: Option<bool>,
        depth: usize,
    ) -> Value {
        let function = self.solved.program.function(id);
        let Some(solution) = self.solved.solutions[id.0 as usize].clone() else { return known };
        let Some(checks) = self.checks(id, parameter, &solution) else { return known };
        let root = checks.parameter;
        let depth = depth.saturating_sub(3);
        let (roots, fuel) = (self.solved.roots(id), self.fuel);
        let mut inner = Scene { solved: self.solved, function, facts: &solution.facts, roots, fuel };
        let mut result = Value::default();
        for (returned, refinements) in &checks.returns {
            if let Some(truth) = truth {
                let (yes, no) = match function.op(*returned) {
                    Op::Literal(_) => fact(&solution.facts, *returned).truth(),
                    _ => (true, true),
                };
                if !(if truth { yes } else { no }) {
                    continue;
                }
            }
            let mut here = known.clone();
            for refinement in refinements {
                here = match function.op(*refinement) {
                    Op::Refine { condition, truth, .. } => inner.constrain(here, root, *condition, *truth, depth),
                    Op::Survived { call, .. } => inner.after_call(here, root, *call, None, depth),
                    Op::EachElement { element, last, .. } => inner.every_element(here, root, (*element, *last)),
                    _ => here,
                };
            }
            if let Some(truth) = truth {
                here = inner.constrain(here, root, *returned, truth, depth);
            }
            result.join(&here);
        }
        self.fuel = inner.fuel;
        if result.is_none() { known } else { result }
    }

    /// The refinements of a parameter that hold where a function returns; the same for all calls of it.
    fn checks(&mut self, id: FunctionId, parameter: usize, solution: &Solution<Value>) -> Option<Rc<Checks>> {
        if let Some(known) = self.solved.checks.get(&(id, parameter)) {
            return known.clone();
        }
        let function = self.solved.program.function(id);
        // What yields has not begun when it is called.
        if function.generator {
            return None;
        }
        let is_parameter = |value: &ValueId| matches!(function.op(*value), Op::Parameter(index) if *index == parameter);
        let root = (0..function.values.len() as u32).map(ValueId).find(is_parameter);
        let checks = root.and_then(|root| {
            let dominators = self.solved.dominators(id);
            let roots = self.solved.roots(id);
            let scene = Scene { solved: self.solved, function, facts: &solution.facts, roots, fuel: 0 };
            let about = |value: ValueId| match *function.op(value) {
                Op::Refine { value, .. } | Op::Survived { value, .. } => {
                    scene.view(value, root).is_some_and(View::is_plain)
                }
                Op::EachElement { value, .. } => scene.view(value, root).is_some(),
                _ => false,
            };
            let block_of = |value: ValueId| function.values[value.0 as usize].block;
            let all = (0..function.values.len() as u32).map(ValueId);
            let found: Vec<ValueId> = all
                .filter(|value| solution.reached[block_of(*value).0 as usize] && about(*value))
                .take(MAX_CHECKS)
                .collect();
            let mut returns = vec![];
            for (block, code) in function.blocks.iter().enumerate() {
                let Terminator::Return(returned) = code.terminator else { continue };
                if solution.reached[block] {
                    let block = crate::ssa::BlockId(block as u32);
                    let holds = |value: &ValueId| dominators.dominates(block_of(*value), block);
                    returns.push((returned, found.iter().copied().filter(holds).collect()));
                }
            }
            (returns.len() <= MAX_RETURNS).then(|| Rc::new(Checks { parameter: root, returns }))
        });
        self.solved.checks.insert((id, parameter), checks.clone());
        checks
    }
}
