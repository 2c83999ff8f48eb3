//! The whole program: functions are solved one by one, with what their callers pass and what they read, until nothing
//! grows. Summaries are context-insensitive: one value for a parameter, one for what is returned.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::rc::Rc;
use std::time::Instant;

use super::mutations::{Aliases, aliases};
use super::transfer::Pass;
use super::value::{Object, Value};
use crate::dataflow::{Lattice, Solution, solve};
use crate::rules::Registry;
use crate::ssa::{Cell, ClassId, Dominators, FunctionId, Op, ParameterKind, Program, ValueId};
use crate::text::Origins;
use real_detector_api::OriginKind;

/// How often a function is solved again before what it is given is widened. There is no bound beyond that: a fixpoint
/// that is cut short would miss flows, so what does not come to one in time gets no verdict ([`Expired`]).
const PATIENCE: u32 = 12;
/// The patience with programs in which much is solved again: rounds for all functions together, and for one from then on.
const SHARED_PATIENCE: (usize, usize) = (1000, 3);
const SHORT_PATIENCE: u32 = 2;

/// The analysis ran out of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expired;

/// Where an attacker's value comes in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    pub(super) function: FunctionId,
    pub(super) value: ValueId,
    pub(super) note: Rc<str>,
    /// Who chooses it.
    pub(super) kind: OriginKind,
}

/// A field: class (none where it is unknown) and name; `*` stands for all that a constructor was given.
pub(super) type Field = (Option<ClassId>, Rc<str>);

/// What the analysis knows about a program.
pub struct Solved<'p> {
    /// The program.
    pub program: &'p Program,
    /// The rules.
    pub registry: &'p Registry,
    pub(super) solutions: Vec<Option<Solution<Value>>>,
    pub(super) parameters: Vec<Vec<Value>>,
    /// None: it has not come back so far.
    pub(super) returns: Vec<Option<Value>>,
    pub(super) cells: HashMap<Cell, Value>,
    pub(super) fields: HashMap<Field, Value>,
    pub(super) origins: Vec<Origin>,
    /// Values that come from what the program does not show, with why.
    pub(super) unknown: HashMap<(FunctionId, ValueId), Rc<str>>,
    /// Names of attributes that the program sets somewhere.
    pub(super) assigned: HashSet<Rc<str>>,
    /// Functions that some call enters.
    pub(super) called: Vec<bool>,
    /// Functions that an attacker calls with what he likes.
    pub(super) exposed: Vec<bool>,
    /// Call sites by callee, for traces.
    pub(super) sites: HashMap<FunctionId, BTreeSet<(FunctionId, ValueId)>>,
    pub(super) dominators: Vec<Option<Rc<Dominators>>>,
    /// What functions make of containers that they are given, by function and parameter.
    pub(super) changes: HashMap<(FunctionId, usize), Value>,
    aliases: Vec<Option<Aliases>>,
    cell_readers: HashMap<Cell, HashSet<FunctionId>>,
    field_readers: HashMap<Rc<str>, HashSet<FunctionId>>,
    work: BTreeSet<FunctionId>,
    /// Entries that were not solved so far. They go first: what they pass on is then passed on together.
    fresh: VecDeque<FunctionId>,
    rounds: Vec<u32>,
    total_rounds: usize,
    /// Whether some function was solved too often.
    patience_lost: bool,
    deadline: Instant,
}

/// Solves a program.
///
/// # Errors
/// [`Expired`] where `deadline` passes first.
pub fn solve_program<'p>(
    program: &'p Program,
    registry: &'p Registry,
    deadline: Instant,
) -> Result<Solved<'p>, Expired> {
    let count = program.functions.len();
    let mut solved = Solved {
        program,
        registry,
        solutions: vec![None; count],
        parameters: program
            .functions
            .iter()
            .map(|function| vec![Value::default(); function.parameters.len()])
            .collect(),
        returns: vec![None; count],
        cells: HashMap::new(),
        fields: HashMap::new(),
        origins: vec![],
        unknown: HashMap::new(),
        assigned: assigned(program),
        called: vec![false; count],
        exposed: vec![false; count],
        sites: HashMap::new(),
        dominators: vec![None; count],
        changes: HashMap::new(),
        aliases: vec![None; count],
        cell_readers: HashMap::new(),
        field_readers: HashMap::new(),
        work: BTreeSet::from([FunctionId(0)]),
        fresh: VecDeque::new(),
        rounds: vec![0; count],
        total_rounds: 0,
        patience_lost: false,
        deadline,
    };
    program.entries.iter().for_each(|id| solved.expose(*id));
    solved.run()?;
    // What no call has reached, and no caller is known of, is called from outside after all.
    let idle: Vec<FunctionId> = (1..count)
        .filter(|index| !solved.called[*index] && !solved.exposed[*index] && program.functions[*index].outer.is_none())
        .map(|index| FunctionId(index as u32))
        .collect();
    idle.into_iter().for_each(|id| solved.expose(id));
    solved.run()?;
    Ok(solved)
}

/// Joins; says whether that leaves more than before. What only comes and goes with widening is no growth.
fn grow(own: &mut Value, value: &Value, tired: bool) -> bool {
    if !tired {
        return own.join(value);
    }
    let mut joined = own.clone();
    if !joined.join(value) {
        return false;
    }
    let joined = joined.widen();
    let grew = joined != *own;
    *own = joined;
    grew
}

fn assigned(program: &Program) -> HashSet<Rc<str>> {
    let all = program.functions.iter().flat_map(|function| &function.values);
    all.filter_map(|instruction| match &instruction.op {
        Op::SetAttribute(_, name, _) => Some(name.clone()),
        _ => None,
    })
    .collect()
}

impl Solved<'_> {
    fn run(&mut self) -> Result<(), Expired> {
        while let Some(id) = self.next() {
            if self.is_expired() {
                return Err(Expired);
            }
            self.rounds[id.0 as usize] += 1;
            self.total_rounds += 1;
            self.patience_lost |= self.is_tired(id);
            let program = self.program;
            let function = program.function(id);
            let mut pass = Pass { solved: self, id, function };
            let solution = solve(&mut pass, function);
            if self.is_expired() {
                return Err(Expired);
            }
            self.summarise(id, solution);
        }
        Ok(())
    }

    /// The module comes first: it binds what functions read.
    fn next(&mut self) -> Option<FunctionId> {
        if self.work.remove(&FunctionId(0)) {
            return Some(FunctionId(0));
        }
        let id = self.fresh.pop_front().or_else(|| self.work.pop_first())?;
        self.work.remove(&id);
        Some(id)
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
        self.solutions[id.0 as usize] = Some(solution);
        let tired = self.is_tired(id);
        let grew = match (&mut self.returns[id.0 as usize], returned) {
            (Some(old), Some(new)) => grow(old, &new, tired),
            (old @ None, Some(new)) => {
                *old = Some(new);
                true
            }
            (_, None) => false,
        };
        if grew {
            let callers: Vec<FunctionId> = self.sites.get(&id).into_iter().flatten().map(|site| site.0).collect();
            self.work.extend(callers);
        }
    }

    /// Lets an attacker call a function.
    fn expose(&mut self, id: FunctionId) {
        self.exposed[id.0 as usize] = true;
        self.fresh.push_back(id);
    }

    /// Whether what a function is given, and gives, is widened from now on.
    fn is_tired(&self, id: FunctionId) -> bool {
        let shared = SHARED_PATIENCE.0 + SHARED_PATIENCE.1 * self.rounds.len();
        let patience = if self.total_rounds > shared { SHORT_PATIENCE } else { PATIENCE };
        self.rounds[id.0 as usize] > patience
    }

    pub(super) fn is_expired(&self) -> bool {
        Instant::now() >= self.deadline
    }

    /// The bit of an origin.
    pub(super) fn origin(&mut self, function: FunctionId, value: ValueId, note: &str, kind: OriginKind) -> Origins {
        if kind == OriginKind::Unknown {
            self.unknown.entry((function, value)).or_insert_with(|| Rc::from(note));
            return Origins::UNKNOWN;
        }
        let found = self.origins.iter().position(|one| one.function == function && one.value == value);
        let index = found.unwrap_or_else(|| {
            self.origins.push(Origin { function, value, note: Rc::from(note), kind });
            self.origins.len() - 1
        });
        Origins::one(index)
    }

    /// Who chooses these values.
    pub(super) fn kinds(&self, origins: Origins) -> BTreeSet<OriginKind> {
        let own = self.origins.iter().enumerate().filter(|(i, _)| !origins.intersection(Origins::one(*i)).is_none());
        let mut kinds: BTreeSet<OriginKind> = own.map(|(_, origin)| origin.kind).collect();
        if !origins.intersection(Origins::UNKNOWN).is_none() {
            kinds.insert(OriginKind::Unknown);
        }
        kinds
    }

    /// Whether whoever uses the program's functions chooses all of these.
    pub(super) fn are_parameters(&self, origins: Origins) -> bool {
        self.kinds(origins).into_iter().all(|kind| kind == OriginKind::Caller)
    }

    /// Joins into a parameter.
    pub(super) fn pass_argument(&mut self, callee: FunctionId, parameter: usize, value: &Value) {
        let tired = self.is_tired(callee);
        let own = &mut self.parameters[callee.0 as usize][parameter];
        if grow(own, value, tired) {
            self.work.insert(callee);
        }
    }

    /// Joins into what a function makes of a container that it is given.
    pub(super) fn change_argument(&mut self, function: FunctionId, parameter: usize, changed: &Value) {
        let tired = self.is_tired(function);
        let own = self.changes.entry((function, parameter)).or_default();
        if grow(own, changed, tired) {
            self.work.extend(self.sites.get(&function).into_iter().flatten().map(|site| site.0));
        }
    }

    /// Which parameters the values of a function may be, computed once.
    pub(super) fn aliases(&mut self, id: FunctionId) -> Aliases {
        let program = self.program;
        self.aliases[id.0 as usize].get_or_insert_with(|| aliases(program.function(id))).clone()
    }

    /// Notes that a call enters a function.
    pub(super) fn enter(&mut self, callee: FunctionId, from: FunctionId, call: ValueId) {
        self.sites.entry(callee).or_default().insert((from, call));
        if !std::mem::replace(&mut self.called[callee.0 as usize], true) {
            self.work.insert(callee);
        }
        let function = self.program.function(callee);
        if let (Some(class), Some(own)) = (function.method_of, function.parameters.first())
            && own.kind == ParameterKind::Normal
        {
            self.pass_argument(callee, 0, &Value::object(Object::Instance(class)));
        }
    }

    pub(super) fn load_cell(&mut self, cell: &Cell, reader: FunctionId) -> Value {
        self.cell_readers.entry(cell.clone()).or_default().insert(reader);
        self.cells.get(cell).cloned().unwrap_or_default()
    }

    pub(super) fn store_cell(&mut self, cell: &Cell, value: &Value) {
        let own = self.cells.entry(cell.clone()).or_default();
        if grow(own, value, self.patience_lost) {
            self.work.extend(self.cell_readers.get(cell).into_iter().flatten());
        }
    }

    pub(super) fn load_field(&mut self, class: Option<ClassId>, name: &Rc<str>, reader: FunctionId) -> Value {
        self.field_readers.entry(name.clone()).or_default().insert(reader);
        let mut found = Value::default();
        let mut classes = vec![class];
        let mut next = 0;
        while let Some(&class) = classes.get(next) {
            next += 1;
            if let Some(value) = self.fields.get(&(class, name.clone())) {
                found.join(value);
            }
            for base in class.into_iter().flat_map(|class| &self.program.class(class).bases) {
                if !classes.contains(&Some(*base)) {
                    classes.push(Some(*base));
                }
            }
        }
        found
    }

    pub(super) fn store_field(&mut self, class: Option<ClassId>, name: &Rc<str>, value: &Value) {
        let tired = self.patience_lost;
        let own = self.fields.entry((class, name.clone())).or_default();
        if grow(own, value, tired) {
            self.work.extend(self.field_readers.get(name).into_iter().flatten());
        }
    }

    /// The dominator tree of a function, computed once.
    pub(super) fn dominators(&mut self, id: FunctionId) -> Rc<Dominators> {
        let program = self.program;
        self.dominators[id.0 as usize].get_or_insert_with(|| Rc::new(Dominators::new(program.function(id)))).clone()
    }
}
