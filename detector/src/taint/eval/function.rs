//! One function: with what all of its callers pass it, or with what one call does.

use std::rc::Rc;

use super::pass::Pass;
use crate::dataflow::{Lattice, Solution, solve};
use crate::ssa::{FunctionId, ParameterKind, ValueId};
use crate::taint::domain::Value;
use crate::taint::store::{Place, Solved};

/// How many functions may be solved within each other, each because the one around it calls it for the first time.
const MAX_DEPTH: usize = 32;

/// Instructions of the longest function that is looked at for each call on its own.
const MAX_APART: usize = 64;

impl Solved<'_> {
    /// Solves one function with what is known so far.
    pub(in crate::taint) fn solve(&mut self, id: FunctionId) {
        self.store.start(id);
        self.active.push(id);
        let program = self.program;
        let function = program.function(id);
        let graph = self.graph(id);
        let budget = self.budget.clone();
        let mut pass = Pass { solved: self, id, function, reader: id, given: None };
        let solution = solve(&mut pass, function, &graph, &budget);
        self.summarise(id, solution);
        self.active.pop();
        self.store.finish(id);
    }

    /// Solves a function that is called for the first time at once, so that its caller knows what comes back.
    pub(super) fn demand(&mut self, id: FunctionId) {
        let known = self.solutions[id.0 as usize].is_some() || self.active.contains(&id);
        if !known && self.active.len() < MAX_DEPTH && !self.budget.is_expired() {
            self.solve(id);
        }
    }

    fn summarise(&mut self, id: FunctionId, solution: Solution<Value>) {
        let function = self.program.function(id);
        let returned = if function.generator {
            let mut any = Value::default();
            for value in &function.yields {
                any.join(&solution.facts[value.0 as usize]);
            }
            // What `yield from` gives, and who reads `StopIteration.value`.
            if !solution.returned.origins().is_none() {
                any.join(&solution.returned);
            }
            Some(Value::list(any))
        } else {
            (!solution.returns.is_empty()).then(|| solution.returned.clone())
        };
        if let Some(old) = self.solutions[id.0 as usize].take() {
            self.budget.release(old.weight());
        }
        (0..function.parameters.len()).for_each(|parameter| {
            self.checks.remove(&(id, parameter));
        });
        self.solutions[id.0 as usize] = Some(Rc::new(solution));
        if let Some(returned) = returned {
            self.write(Place::Returned(id), &returned);
        }
    }

    /// What a function returns to a call that gives its parameters these values.
    ///
    /// Where what it returns to all calls together is clean, that will do. Calls within it see what those functions return
    /// to all, so the work is bounded by the length of the function and of the program.
    pub(super) fn returned_to(
        &mut self,
        callee: FunctionId,
        given: Vec<Option<Value>>,
        reader: FunctionId,
    ) -> Option<Value> {
        let all = self.returned(callee, reader)?;
        let program = self.program;
        let function = program.function(callee);
        let length = function.values.len();
        let plain = !function.generator && length <= MAX_APART && length <= self.calls_apart;
        if !plain || all.origins().is_none() || self.active.contains(&callee) {
            return Some(all);
        }
        let mut differs = false;
        for (index, value) in given.iter().enumerate() {
            match value {
                Some(value) => differs |= self.parameter(callee, index, reader) != *value,
                // A default that the function changes remembers what other calls put into it.
                None if self.store.read(Place::Changed(callee, index as u32), reader).is_some() => return Some(all),
                None => {}
            }
        }
        if !differs {
            return Some(all);
        }
        self.calls_apart -= length;
        let (graph, budget) = (self.graph(callee), self.budget.clone());
        let mut pass = Pass { solved: self, id: callee, function, reader, given: Some(given.into()) };
        let solution = solve(&mut pass, function, &graph, &budget);
        self.budget.release(solution.weight());
        Some(if solution.returns.is_empty() { all } else { solution.returned })
    }

    /// Notes that a call enters a function, and solves it where that was never done.
    pub(super) fn enter(&mut self, callee: FunctionId, from: FunctionId, call: ValueId) {
        self.sites.entry(callee).or_default().insert((from, call));
        let function = self.program.function(callee);
        if let (Some(class), Some(own)) = (function.method_of, function.parameters.first())
            && own.kind == ParameterKind::Normal
        {
            let own = self.instances(class);
            self.pass_argument(callee, 0, &own);
        }
        if !std::mem::replace(&mut self.called[callee.0 as usize], true) {
            self.store.wait(callee);
        }
        self.demand(callee);
    }
}
