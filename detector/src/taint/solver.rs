//! The whole program: functions are solved one by one, with what their callers pass and what they read, until nothing
//! grows. A summary is one value for each parameter and one for what is returned; what a short function returns is also
//! worked out for one call on its own ([`Solved::returned_to`]).

use std::collections::BTreeSet;
use std::rc::Rc;

use rustc_hash::{FxHashMap as HashMap, FxHashSet as HashSet};

use super::guards::Checks;
use super::mutations::{Aliases, aliases};
use super::origins::OriginTable;
use super::store::{Place, Store};
use super::transfer::Pass;
use super::value::{Object, Value};
use crate::budget::{Budget, Expired};
use crate::dataflow::{Graph, Lattice, Solution, solve};
use crate::few::Few;
use crate::rules::Registry;
use crate::ssa::{Cell, ClassId, Dominators, FunctionId, Op, ParameterKind, Program, ValueId, origins as roots_of};
use crate::text::Origins;
use real_detector_api::OriginKind;

/// How many functions may be solved within each other, each because the one around it calls it for the first time.
const MAX_DEPTH: usize = 32;

/// Most classes of which an object may be that a method is called on.
const MAX_HEIRS: usize = 8;

/// Instructions of the longest function that is looked at for each call on its own; and how many are looked at in that way,
/// for each instruction and operand of the program and for the smallest one.
const MAX_APART: usize = 64;
const CALLS_APART: (usize, usize) = (2, 1_000);

/// What the analysis knows about a program.
pub struct Solved<'p> {
    /// The program.
    pub program: &'p Program,
    /// The rules.
    pub registry: &'p Registry,
    pub(super) solutions: Vec<Option<Rc<Solution<Value>>>>,
    pub(super) store: Store,
    pub(super) origins: OriginTable,
    /// Names of attributes that the program sets somewhere.
    pub(super) assigned: HashSet<Rc<str>>,
    /// Classes that the program itself makes objects of, or may.
    pub(super) constructed: HashSet<ClassId>,
    /// By class: those that name it as a base class.
    made_from: Vec<Vec<ClassId>>,
    /// Objects that methods of a class may be called on.
    heirs: HashMap<ClassId, Few<Object>>,
    /// Functions that some call enters.
    pub(super) called: Vec<bool>,
    /// Functions that an attacker calls with what he likes.
    pub(super) exposed: Vec<bool>,
    /// Call sites by callee, for traces.
    pub(super) sites: HashMap<FunctionId, BTreeSet<(FunctionId, ValueId)>>,
    pub(super) budget: Rc<Budget>,
    /// What functions find out about their arguments, by function and parameter, as long as their solutions stand.
    pub(super) checks: HashMap<(FunctionId, usize), Option<Rc<Checks>>>,
    parts: Vec<Parts>,
    /// Instructions that may still be looked at for one call on its own.
    calls_apart: usize,
    /// Functions that are being solved, outermost first.
    active: Vec<FunctionId>,
}

/// What follows from the code of a function alone, made when it is asked for.
#[derive(Clone, Default)]
struct Parts {
    graph: Option<Rc<Graph>>,
    dominators: Option<Rc<Dominators>>,
    aliases: Option<Aliases>,
    roots: Option<Rc<[ValueId]>>,
}

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
    let mut solved = Solved {
        program,
        registry,
        solutions: vec![None; count],
        store: Store::new(count, budget.clone()),
        origins: OriginTable::default(),
        assigned: assigned(program),
        constructed: constructed(program),
        made_from: made_from(program),
        heirs: HashMap::default(),
        called: vec![false; count],
        exposed: vec![false; count],
        sites: HashMap::default(),
        budget: budget.clone(),
        checks: HashMap::default(),
        parts: vec![Parts::default(); count],
        calls_apart: CALLS_APART.1 + CALLS_APART.0 * program.size(),
        active: vec![],
    };
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

fn assigned(program: &Program) -> HashSet<Rc<str>> {
    let all = program.functions.iter().flat_map(|function| &function.values);
    all.filter_map(|instruction| match &instruction.op {
        Op::SetAttribute(_, name, _) => Some(name.clone()),
        _ => None,
    })
    .collect()
}

fn made_from(program: &Program) -> Vec<Vec<ClassId>> {
    let mut made: Vec<Vec<ClassId>> = vec![vec![]; program.classes.len()];
    for (index, class) in program.classes.iter().enumerate() {
        for base in &class.bases {
            if made[base.0 as usize].len() < MAX_HEIRS {
                made[base.0 as usize].push(ClassId(index as u32));
            }
        }
    }
    made
}

fn constructed(program: &Program) -> HashSet<ClassId> {
    let mut found = HashSet::default();
    if program.classes.is_empty() {
        return found;
    }
    let mut names: HashMap<&Cell, ClassId> = HashMap::default();
    let all = || program.functions.iter().flat_map(|function| function.values.iter().map(move |one| (function, one)));
    for (function, instruction) in all() {
        if let Op::Store(cell, value) = &instruction.op
            && let Op::Class(class) = function.op(*value)
        {
            names.insert(cell, *class);
        }
    }
    for (function, instruction) in all() {
        match &instruction.op {
            Op::Load(cell) => found.extend(names.get(cell)),
            Op::Call { callee, .. } => {
                if let Op::Class(class) = function.op(*callee) {
                    found.insert(*class);
                }
            }
            _ => {}
        }
    }
    found
}

impl Solved<'_> {
    fn run(&mut self) -> Result<(), Expired> {
        while let Some(id) = self.store.next() {
            self.solve(id);
            self.budget.check()?;
        }
        Ok(())
    }

    /// Solves one function with what is known so far.
    fn solve(&mut self, id: FunctionId) {
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

    /// Lets an attacker call a function.
    fn expose(&mut self, id: FunctionId) {
        self.exposed[id.0 as usize] = true;
        self.store.wait(id);
    }

    /// Joins into a place what the function that is being solved found.
    fn write(&mut self, place: Place, value: &Value) {
        let writer = self.active.last().copied().unwrap_or(FunctionId(0));
        self.store.write(place, value, writer);
    }

    /// Joins into a parameter.
    pub(super) fn pass_argument(&mut self, callee: FunctionId, parameter: usize, value: &Value) {
        self.write(Place::Parameter(callee, parameter as u32), value);
    }

    /// What a function is given as a parameter.
    pub(super) fn parameter(&mut self, function: FunctionId, parameter: usize, reader: FunctionId) -> Value {
        self.store.read(Place::Parameter(function, parameter as u32), reader).cloned().unwrap_or_default()
    }

    /// What a function returns, for one that calls it; none where it has not come back so far.
    pub(super) fn returned(&mut self, callee: FunctionId, reader: FunctionId) -> Option<Value> {
        self.store.read(Place::Returned(callee), reader).cloned()
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

    /// Joins into what a function makes of a container that it is given.
    pub(super) fn change_argument(&mut self, function: FunctionId, parameter: usize, changed: &Value) {
        self.write(Place::Changed(function, parameter as u32), changed);
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

    /// The objects that a method of a class may be called on: those of the class, and of those that are made from it.
    pub(super) fn instances(&mut self, class: ClassId) -> Value {
        let made_from = &self.made_from;
        let objects = self.heirs.entry(class).or_insert_with(|| {
            let mut heirs = vec![class];
            let mut next = 0;
            while let Some(&one) = heirs.get(next) {
                next += 1;
                for heir in &made_from[one.0 as usize] {
                    if heirs.len() < MAX_HEIRS && !heirs.contains(heir) {
                        heirs.push(*heir);
                    }
                }
            }
            heirs.into_iter().map(Object::Instance).collect()
        });
        Value { objects: objects.clone(), ..Value::default() }
    }

    pub(super) fn load_cell(&mut self, cell: &Cell, reader: FunctionId) -> Value {
        self.store.read(Place::Variable(cell.clone()), reader).cloned().unwrap_or_default()
    }

    pub(super) fn store_cell(&mut self, cell: &Cell, value: &Value) {
        self.write(Place::Variable(cell.clone()), value);
    }

    pub(super) fn load_field(&mut self, class: Option<ClassId>, name: &Rc<str>, reader: FunctionId) -> Value {
        let Some(own) = class else {
            return self.store.read(Place::Field(None, name.clone()), reader).cloned().unwrap_or_default();
        };
        let mut found = Value::default();
        let program = self.program;
        for class in program.ancestors(own) {
            if let Some(value) = self.store.read(Place::Field(Some(class), name.clone()), reader) {
                found.join(value);
            }
        }
        found
    }

    pub(super) fn store_field(&mut self, class: Option<ClassId>, name: &Rc<str>, value: &Value) {
        self.write(Place::Field(class, name.clone()), value);
    }

    /// What the engine needs to know about the code of a function.
    fn graph(&mut self, id: FunctionId) -> Rc<Graph> {
        let program = self.program;
        self.parts[id.0 as usize].graph.get_or_insert_with(|| Rc::new(Graph::new(program.function(id)))).clone()
    }

    /// Which parameters the values of a function may be.
    pub(super) fn aliases(&mut self, id: FunctionId) -> Aliases {
        let program = self.program;
        self.parts[id.0 as usize].aliases.get_or_insert_with(|| aliases(program.function(id))).clone()
    }

    /// The dominator tree of a function.
    pub(super) fn dominators(&mut self, id: FunctionId) -> Rc<Dominators> {
        let program = self.program;
        let parts = &mut self.parts[id.0 as usize];
        parts.dominators.get_or_insert_with(|| Rc::new(Dominators::new(program.function(id)))).clone()
    }

    /// By value of a function, the definition that it is another name of.
    pub(super) fn roots(&mut self, id: FunctionId) -> Rc<[ValueId]> {
        let program = self.program;
        self.parts[id.0 as usize].roots.get_or_insert_with(|| roots_of(&program.function(id).values).into()).clone()
    }

    /// The bit of what somebody outside chooses, but for parameters.
    pub(super) fn source(&mut self, function: FunctionId, value: ValueId, note: &str, kind: OriginKind) -> Origins {
        self.origins.source((function, value), note, kind)
    }
}
