//! What the analysis knows about a program, by function and place.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use rustc_hash::{FxHashMap as HashMap, FxHashSet as HashSet};

use super::heap::{Aliases, aliases};
use super::origins::OriginTable;
use super::summaries::{Place, Store};
use crate::budget::Budget;
use crate::dataflow::{Graph, Lattice, Solution};
use crate::dotted::last;
use crate::few::Few;
use crate::rules::{Effect, Guard, Registry};
use crate::ssa::{Cell, ClassId, Dominators, Function, FunctionId, Op, Program, ValueId, origin, origins as roots_of};
use crate::taint::domain::{Object, Value};
use crate::text::Origins;
use real_detector_api::OriginKind;

/// Most classes of which an object may be that a method is called on.
const MAX_HEIRS: usize = 8;

/// Instructions that are looked at for one call on its own, for each instruction and operand of the program and for the
/// smallest one.
const CALLS_APART: (usize, usize) = (2, 1_000);

/// What the analysis knows about a program.
pub struct Solved<'p> {
    /// The program.
    pub program: &'p Program,
    /// The rules.
    pub registry: &'p Registry,
    pub(in crate::taint) solutions: Vec<Option<Rc<Solution<Value>>>>,
    pub(in crate::taint) store: Store,
    pub(in crate::taint) origins: OriginTable,
    /// Names of attributes that the program sets somewhere.
    pub(in crate::taint) assigned: HashSet<Rc<str>>,
    /// Those of them that are set on what is not made in the program: members of modules and their classes.
    pub(in crate::taint) replaced: HashSet<Rc<str>>,
    /// Those that are set on other objects than classes; found out where somebody asks.
    on_objects: OnceCell<HashSet<Rc<str>>>,
    /// Whether the program puts names somewhere that its text does not show; found out where somebody asks.
    rebinds: OnceCell<bool>,
    /// Classes that the program itself makes objects of, or may.
    pub(in crate::taint) constructed: HashSet<ClassId>,
    /// By class: those that name it as a base class.
    made_from: Vec<Vec<ClassId>>,
    /// Objects that methods of a class may be called on.
    heirs: HashMap<ClassId, Few<Object>>,
    /// Functions that some call enters.
    pub(in crate::taint) called: Vec<bool>,
    /// Functions that an attacker calls with what he likes.
    pub(in crate::taint) exposed: Vec<bool>,
    /// Call sites by callee, for traces.
    pub(in crate::taint) sites: HashMap<FunctionId, BTreeSet<(FunctionId, ValueId)>>,
    pub(in crate::taint) budget: Rc<Budget>,
    /// What functions find out about their arguments, by function and parameter, as long as their solutions stand.
    pub(in crate::taint) checks: HashMap<(FunctionId, usize), Option<Rc<Checks>>>,
    parts: Vec<Parts>,
    /// Instructions that may still be looked at for one call on its own.
    pub(in crate::taint) calls_apart: usize,
    /// Functions that are being solved, outermost first.
    pub(in crate::taint) active: Vec<FunctionId>,
}

/// What follows from the code of a function alone, made when it is asked for.
#[derive(Clone, Default)]
struct Parts {
    graph: Option<Rc<Graph>>,
    dominators: Option<Rc<Dominators>>,
    aliases: Option<Aliases>,
    roots: Option<Rc<[ValueId]>>,
}

/// What a function has found out about one of its parameters where it returns.
#[derive(Debug)]
pub(in crate::taint) struct Checks {
    pub(in crate::taint) parameter: ValueId,
    /// By `return` that control reaches: what is returned, and the refinements of the parameter on every way there.
    pub(in crate::taint) returns: Vec<(ValueId, Vec<ValueId>)>,
}

impl<'p> Solved<'p> {
    /// What is known before anything was looked at.
    pub(in crate::taint) fn new(program: &'p Program, registry: &'p Registry, budget: &Rc<Budget>) -> Self {
        let count = program.functions.len();
        Self {
            program,
            registry,
            solutions: vec![None; count],
            store: Store::new(count, budget.clone()),
            origins: OriginTable::default(),
            assigned: assigned(program, |_| true),
            replaced: assigned(program, |object| {
                matches!(object, Op::Path(_) | Op::Unbound(_) | Op::Load(_) | Op::Attribute(..))
            }),
            on_objects: OnceCell::new(),
            rebinds: OnceCell::new(),
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
        }
    }
}

impl Solved<'_> {
    /// Joins into a place what the function that is being solved found.
    pub(in crate::taint) fn write(&mut self, place: Place, value: &Value) {
        let writer = self.active.last().copied().unwrap_or(FunctionId(0));
        self.store.write(place, value, writer);
    }

    /// Joins into a parameter.
    pub(in crate::taint) fn pass_argument(&mut self, callee: FunctionId, parameter: usize, value: &Value) {
        self.write(Place::Parameter(callee, parameter as u32), value);
    }

    /// What a function is given as a parameter.
    pub(in crate::taint) fn parameter(&mut self, function: FunctionId, parameter: usize, reader: FunctionId) -> Value {
        self.store.read(Place::Parameter(function, parameter as u32), reader).cloned().unwrap_or_default()
    }

    /// What a function returns, for one that calls it; none where it has not come back so far.
    pub(in crate::taint) fn returned(&mut self, callee: FunctionId, reader: FunctionId) -> Option<Value> {
        self.store.read(Place::Returned(callee), reader).cloned()
    }

    /// Joins into what a function makes of a container that it is given.
    pub(in crate::taint) fn change_argument(&mut self, function: FunctionId, parameter: usize, changed: &Value) {
        self.write(Place::Changed(function, parameter as u32), changed);
    }

    /// The objects that a method of a class may be called on: those of the class, and of those that are made from it.
    pub(in crate::taint) fn instances(&mut self, class: ClassId) -> Value {
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

    pub(in crate::taint) fn load_cell(&mut self, cell: &Cell, reader: FunctionId) -> Value {
        self.store.read(Place::Variable(cell.clone()), reader).cloned().unwrap_or_default()
    }

    pub(in crate::taint) fn store_cell(&mut self, cell: &Cell, value: &Value) {
        self.write(Place::Variable(cell.clone()), value);
    }

    pub(in crate::taint) fn load_field(&mut self, class: Option<ClassId>, name: &Rc<str>, reader: FunctionId) -> Value {
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

    pub(in crate::taint) fn store_field(&mut self, class: Option<ClassId>, name: &Rc<str>, value: &Value) {
        self.write(Place::Field(class, name.clone()), value);
    }

    /// What the engine needs to know about the code of a function.
    pub(in crate::taint) fn graph(&mut self, id: FunctionId) -> Rc<Graph> {
        let program = self.program;
        self.parts[id.0 as usize].graph.get_or_insert_with(|| Rc::new(Graph::new(program.function(id)))).clone()
    }

    /// Which parameters the values of a function may be.
    pub(in crate::taint) fn aliases(&mut self, id: FunctionId) -> Aliases {
        let program = self.program;
        self.parts[id.0 as usize].aliases.get_or_insert_with(|| aliases(program.function(id))).clone()
    }

    /// The dominator tree of a function.
    pub(in crate::taint) fn dominators(&mut self, id: FunctionId) -> Rc<Dominators> {
        let program = self.program;
        let parts = &mut self.parts[id.0 as usize];
        parts.dominators.get_or_insert_with(|| Rc::new(Dominators::new(program.function(id)))).clone()
    }

    /// By value of a function, the definition that it is another name of, where somebody has asked for that.
    pub(in crate::taint) fn known_roots(&self, id: FunctionId) -> Option<Rc<[ValueId]>> {
        self.parts[id.0 as usize].roots.clone()
    }

    /// By value of a function, the definition that it is another name of.
    pub(in crate::taint) fn roots(&mut self, id: FunctionId) -> Rc<[ValueId]> {
        let program = self.program;
        self.parts[id.0 as usize].roots.get_or_insert_with(|| roots_of(&program.function(id).values).into()).clone()
    }

    /// What a call returns, where a model says so; not by a name alone that means what the program likes.
    pub(in crate::taint) fn effect(&self, path: &str) -> Option<Effect> {
        let (effect, by_name) = self.registry.known(path).effect?;
        (!by_name || !self.is_own_name(path)).then_some(effect)
    }

    /// What a call says about its argument by its name alone, where that means what it says.
    pub(in crate::taint) fn guard_by_name(&self, path: &str, truth: Option<bool>) -> Option<&Guard> {
        self.registry.guard_by_name(path, truth).filter(|_| !self.is_own_name(path))
    }

    /// Whether the program decides what a name stands for that it does not show.
    fn is_own_name(&self, path: &str) -> bool {
        self.assigned.contains(last(path)) || self.rebinds()
    }

    /// Whether the program puts names somewhere that its text does not show.
    pub(in crate::taint) fn rebinds(&self) -> bool {
        *self.rebinds.get_or_init(|| rebinds(self.program))
    }

    /// The bit of what somebody outside chooses, but for parameters.
    pub(in crate::taint) fn source(
        &mut self,
        function: FunctionId,
        value: ValueId,
        note: &str,
        kind: OriginKind,
    ) -> Origins {
        self.origins.source((function, value), note, kind)
    }
}

impl Solved<'_> {
    /// Whether the program sets an attribute of this name on an object, or may by a name that its text does not show.
    pub(in crate::taint) fn set_on_objects(&self, name: &str) -> bool {
        let on_objects = || assigned(self.program, |object| !matches!(object, Op::Class(_)));
        self.on_objects.get_or_init(on_objects).contains(name) || self.rebinds()
    }
}

/// Names of attributes that are set on an object that is made in such a way.
fn assigned(program: &Program, is_meant: impl Fn(&Op) -> bool) -> HashSet<Rc<str>> {
    let mut found = HashSet::default();
    for function in &program.functions {
        for instruction in &function.values {
            if let Op::SetAttribute(object, name, _) = &instruction.op
                && is_meant(function.op(origin(&function.values, *object)))
            {
                found.insert(name.clone());
            }
        }
    }
    found
}

/// By these a name gets a meaning that no definition or import shows: namespaces as dictionaries, and code from texts.
const NAMESPACES: [&str; 9] =
    ["globals", "locals", "vars", "setattr", "exec", "builtins", "__builtins__", "sys.modules", "types.ModuleType"];
/// The same as attributes of any object.
const NAMESPACE_ATTRIBUTES: [&str; 6] =
    ["__dict__", "__globals__", "__builtins__", "__setattr__", "__getattr__", "__getattribute__"];

fn rebinds(program: &Program) -> bool {
    let looks_up = |function: &Function| matches!(&*function.name, "__getattr__" | "__getattribute__");
    if program.functions.iter().any(looks_up) {
        return true;
    }
    let mut all = program.functions.iter().flat_map(|function| &function.values);
    all.any(|instruction| match &instruction.op {
        Op::Path(path) | Op::Unbound(path) => NAMESPACES.contains(&&**path) || path.starts_with("builtins."),
        Op::Attribute(_, name) | Op::SetAttribute(_, name, _) => NAMESPACE_ATTRIBUTES.contains(&&**name),
        _ => false,
    })
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
