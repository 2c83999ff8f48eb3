//! The whole program: functions are solved one by one, with what their callers pass and what they read, until nothing
//! grows. A summary is one value for each parameter and one for what is returned; what a short function returns is also
//! worked out for one call on its own ([`Solved::returned_to`]).

use std::rc::Rc;

use super::store::Solved;
use crate::budget::{Budget, Expired};
use crate::rules::Registry;
use crate::ssa::{FunctionId, Program};

/// Solves a program.
///
/// # Errors
/// [`Expired`] where the budget's time is over first: a fixpoint that is cut short would miss flows, so there is no verdict.
pub fn solve_program<'p>(
    program: &'p Program,
    registry: &'p Registry,
    budget: &Rc<Budget>,
) -> Result<Solved<'p>, Expired> {
    let count = program.functions.len();
    budget.add_size(program.size());
    let mut solved = Solved::new(program, registry, budget);
    solved.store.wait(FunctionId(0));
    program.entries.iter().for_each(|id| solved.expose(*id));
    solved.run()?;
    // What no call has reached, and no caller is known of, is called from outside after all.
    let is_idle =
        |index: &usize| !solved.called[*index] && !solved.exposed[*index] && program.functions[*index].outer.is_none();
    let idle: Vec<usize> = (1..count).filter(is_idle).collect();
    for index in idle {
        solved.expose(FunctionId(index as u32));
    }
    solved.run()?;
    Ok(solved)
}

impl Solved<'_> {
    fn run(&mut self) -> Result<(), Expired> {
        while let Some(id) = self.store.next() {
            self.solve(id);
            self.budget.check()?;
        }
        Ok(())
    }

    /// Lets an attacker call a function.
    fn expose(&mut self, id: FunctionId) {
        self.exposed[id.0 as usize] = true;
        self.store.wait(id);
    }
}
