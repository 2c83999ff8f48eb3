//! What an attacker may call, decided on the unit's text before anything is solved.
//!
//! Exposure is not "nothing calls it": an example call with constants says nothing about who else calls. What a unit offers
//! is exposed: public functions, methods of public classes, what is decorated, put into a table, returned or handed to
//! somebody unknown. Nested functions, lambdas and functions private by convention (PEP 8) keep the facts of their callers
//! where all of these are known.
//!
//! A function that the outside and the unit itself both enter gets a copy for the outside. What an attacker passes to the
//! copy does not come back to the unit's own calls.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use rustc_hash::{FxHashMap as HashMap, FxHashSet as HashSet};

use crate::rules::Registry;
use crate::ssa::{Argument, Cell, Function, FunctionId, Literal, Op, Passing, Program, Terminator, ValueId};

/// Functions that one value is told apart in; what may be more of them counts as handed to somebody unknown.
const MAX_HELD: usize = 16;
/// Rounds in which functions are followed through shared variables.
const MAX_ROUNDS: usize = 4;
/// Instructions in copies, as a multiple of those of the unit; beyond that the outside shares the function with the unit.
const MAX_COPIES: usize = 3;
/// How deep a constant argument is looked at, and the path of what is called.
const MAX_CONSTANT: usize = 4;
const MAX_PATH: usize = 8;

/// Decides what is exposed: fills [`Program::entries`] and makes the copies that the outside enters.
pub fn expose(program: &mut Program, registry: &Registry) {
    let uses = Uses::of(program, registry).all;
    let count = program.functions.len();
    let class_of: HashMap<FunctionId, usize> = program
        .classes
        .iter()
        .enumerate()
        .flat_map(|(class, body)| body.methods.values().chain(body.setters.values()).map(move |one| (*one, class)))
        .collect();
    let offered = offered_names(program);
    let open: Vec<bool> = (0..count)
        .map(|index| {
            let id = FunctionId(index as u32);
            let class = class_of.get(&id).map(|class| &*program.classes[*class].name);
            index > 0 && is_open(program.function(id), &uses[index], class, &offered, registry)
        })
        .collect();
    let mut children: Vec<Vec<FunctionId>> = vec![vec![]; count];
    for (index, function) in program.functions.iter().enumerate() {
        if let Some(parent) = function.parent {
            children[parent.0 as usize].push(FunctionId(index as u32));
        }
    }
    let mut left = MAX_COPIES * program.functions.iter().map(|function| 1 + function.values.len()).sum::<usize>();
    for index in (0..count).filter(|index| open[*index]) {
        let id = FunctionId(index as u32);
        // The language calls methods with such names, wherever an object is used.
        let is_protocol = class_of.contains_key(&id) && is_special(&program.function(id).name);
        if (uses[index].is_used() || is_protocol) && left > 0 {
            let copies = copy(program, id, &children, &class_of);
            let size = copies.keys().map(|one| 1 + program.function(*one).values.len()).sum();
            left = left.saturating_sub(size);
            let entered = copies.iter().filter(|(original, _)| **original == id || open[original.0 as usize]);
            program.entries.extend(entered.map(|(_, copy)| *copy));
        } else {
            program.entries.push(id);
        }
    }
}

/// Whether somebody outside of the unit may call a function with what he likes.
fn is_open(
    function: &Function,
    uses: &Use,
    class: Option<&str>,
    offered: &HashSet<Rc<str>>,
    registry: &Registry,
) -> bool {
    let at_top = function.parent == Some(FunctionId(0)) && &*function.name != "<lambda>";
    let public = match class {
        Some(class) => is_public(class) && is_public(&function.name),
        None => at_top && !function.wrapped && (is_public(&function.name) || offered.contains(&function.name)),
    };
    public
        || uses.escapes
        || function.opaque_decorators
        || !function.decorators.iter().all(|decorator| registry.keeps_callers(decorator))
        || !uses.has_known_callers()
}

/// PEP 8: a leading underscore says "internal"; `__init__` and the like are called by the language.
fn is_public(name: &str) -> bool {
    !name.starts_with('_') || is_special(name)
}

fn is_special(name: &str) -> bool {
    name.len() > 4 && name.starts_with("__") && name.ends_with("__")
}

/// Names in `__all__`.
fn offered_names(program: &Program) -> HashSet<Rc<str>> {
    let module = program.function(FunctionId(0));
    let mut names = HashSet::default();
    for instruction in &module.values {
        let Op::Store(Cell { name, .. }, listed) = &instruction.op else { continue };
        let Op::Display(_, items) = module.op(*listed) else { continue };
        if &**name == "__all__" {
            names.extend(items.iter().filter_map(|(item, _)| match module.op(*item) {
                Op::Literal(Literal::Text(name)) => Some(name.clone()),
                _ => None,
            }));
        }
    }
    names
}

/// How the unit itself uses a function.
#[derive(Clone, Debug, Default)]
struct Use {
    calls: u32,
    /// Calls by way of example: in the module's body or in a test, with constants alone.
    constant_calls: u32,
    /// Handed to something that calls it with what it is handed beside it.
    handed: bool,
    /// Goes where nobody sees who calls it.
    escapes: bool,
}

impl Use {
    fn is_used(&self) -> bool {
        self.calls > 0 || self.handed || self.escapes
    }

    /// Whether the calls that are there say with what it is called. One with constants alone is an example.
    fn has_known_callers(&self) -> bool {
        self.handed || self.calls > 1 || self.calls > self.constant_calls
    }
}

type Held = BTreeSet<FunctionId>;

/// Follows function objects from where they are made to where they are called or handed on.
struct Uses<'a> {
    program: &'a Program,
    registry: &'a Registry,
    all: Vec<Use>,
    cells: HashMap<Cell, Held>,
    /// Methods by name: any object may have them.
    methods: HashMap<Rc<str>, Held>,
    /// Dotted paths in shared variables that are bound once.
    paths: HashMap<&'a Cell, Option<&'a str>>,
    /// Whether calls in the function that is being read are examples where their arguments are constants.
    shows: bool,
}

impl<'a> Uses<'a> {
    fn of(program: &'a Program, registry: &'a Registry) -> Self {
        let mut methods: HashMap<Rc<str>, Held> = HashMap::default();
        for (name, method) in program.classes.iter().flat_map(|class| &class.methods) {
            methods.entry(name.clone()).or_default().insert(*method);
        }
        // Names that very many methods have say nothing about which one is meant: anybody may call them.
        let crowded: Vec<Held> = methods.values().filter(|held| held.len() > MAX_HELD).cloned().collect();
        methods.retain(|_, held| held.len() <= MAX_HELD);
        let mut paths: HashMap<&Cell, Option<&str>> = HashMap::default();
        for function in &program.functions {
            for instruction in &function.values {
                if let Op::Store(cell, value) = &instruction.op {
                    let path = match function.op(*value) {
                        Op::Path(path) => Some(&**path),
                        _ => None,
                    };
                    paths.entry(cell).and_modify(|old| *old = old.filter(|old| Some(*old) == path)).or_insert(path);
                }
            }
        }
        let mut uses = Self { program, registry, all: vec![], cells: HashMap::default(), methods, paths, shows: false };
        for round in 0..MAX_ROUNDS {
            uses.all = vec![Use::default(); program.functions.len()];
            let mut grew = false;
            for held in &crowded {
                uses.escape(held);
            }
            for (index, function) in program.functions.iter().enumerate() {
                uses.shows = index == 0 || shows(function);
                grew |= uses.function(function);
            }
            if !grew {
                return uses;
            }
            if round + 1 == MAX_ROUNDS {
                // Still on its way through variables: anybody may call it.
                let moving: Vec<Held> = uses.cells.values().cloned().collect();
                for held in &moving {
                    uses.escape(held);
                }
            }
        }
        uses
    }

    /// Reads a function; says whether a shared variable holds more than before.
    fn function(&mut self, function: &'a Function) -> bool {
        let mut held: HashMap<ValueId, Held> = HashMap::default();
        let mut grew = false;
        // Once more for what comes around a loop.
        for last in [false, true] {
            for (index, instruction) in function.values.iter().enumerate() {
                let now = self.made_by(function, &instruction.op, &held);
                if !now.is_empty() {
                    held.insert(ValueId(index as u32), now);
                }
            }
            if last || held.is_empty() || !function.values.iter().any(|one| matches!(one.op, Op::Phi(_) | Op::Join(_)))
            {
                break;
            }
        }
        if held.is_empty() {
            return false;
        }
        for instruction in &function.values {
            grew |= self.used_by(function, &instruction.op, &held);
        }
        let returned = function.blocks.iter().filter_map(|block| match block.terminator {
            Terminator::Return(value) => Some(value),
            _ => None,
        });
        for value in returned.chain(function.yields.iter().copied()) {
            if let Some(held) = held.get(&value) {
                self.escape(held);
            }
        }
        grew
    }

    fn made_by(&self, function: &Function, op: &Op, held: &HashMap<ValueId, Held>) -> Held {
        match op {
            Op::Function(id) => BTreeSet::from([*id]),
            // To call a class is to call its constructor.
            Op::Class(class) => self.program.method(*class, "__init__").into_iter().collect(),
            Op::Load(cell) => self.cells.get(cell).cloned().unwrap_or_default(),
            Op::Attribute(_, name) => self.methods.get(name).cloned().unwrap_or_default(),
            Op::Phi(values) | Op::Join(values) | Op::Logic(_, values) if !held.is_empty() => {
                values.iter().filter_map(|value| held.get(value)).flatten().copied().collect()
            }
            Op::Refine { value, .. } | Op::Survived { value, .. } | Op::Same(value) => {
                held.get(value).cloned().unwrap_or_default()
            }
            // `getattr(self, "name")`
            Op::Call { arguments, .. } => match arguments.get(1).map(|argument| function.op(argument.value)) {
                Some(Op::Literal(Literal::Text(name))) if self.methods.contains_key(name) => self.methods[name].clone(),
                _ => Held::new(),
            },
            _ => Held::new(),
        }
    }

    fn used_by(&mut self, function: &'a Function, op: &'a Op, held: &HashMap<ValueId, Held>) -> bool {
        match op {
            Op::Store(cell, value) => {
                let Some(more) = held.get(value) else { return false };
                let own = self.cells.entry(cell.clone()).or_default();
                let before = own.len();
                own.extend(more);
                if own.len() > MAX_HELD {
                    let many = own.clone();
                    self.escape(&many);
                }
                return self.cells.get(cell).is_some_and(|own| own.len() > before);
            }
            Op::Call { callee, arguments } => {
                if let Some(called) = held.get(callee) {
                    let constant =
                        self.shows && arguments.iter().all(|argument| is_constant_argument(function, argument));
                    for id in called {
                        let own = &mut self.all[id.0 as usize];
                        own.calls += 1;
                        own.constant_calls += u32::from(constant);
                    }
                }
                for argument in arguments {
                    let Some(handed) = held.get(&argument.value) else { continue };
                    let known = held.contains_key(callee)
                        || self.path(function, *callee, MAX_PATH).is_some_and(|path| self.registry.calls_back(&path));
                    if known {
                        for id in handed {
                            self.all[id.0 as usize].handed = true;
                        }
                    } else {
                        self.escape(handed);
                    }
                }
            }
            // What is asked about a function; names of it.
            Op::Phi(_)
            | Op::Join(_)
            | Op::Logic(..)
            | Op::Refine { .. }
            | Op::Survived { .. }
            | Op::Same(_)
            | Op::Compare(..)
            | Op::Not(_)
            | Op::Format(_)
            | Op::Attribute(..) => {}
            Op::SetAttribute(_, _, value) => {
                if let Some(held) = held.get(value) {
                    self.escape(held);
                }
            }
            _ => op.operands(|operand| {
                if let Some(held) = held.get(&operand) {
                    self.escape(held);
                }
            }),
        }
        false
    }

    fn escape(&mut self, held: &Held) {
        for id in held {
            self.all[id.0 as usize].escapes = true;
        }
    }

    /// The dotted path of what is called, as far as imports say it.
    fn path(&self, function: &Function, value: ValueId, depth: usize) -> Option<String> {
        match function.op(value) {
            _ if depth == 0 => None,
            Op::Path(path) | Op::Unbound(path) => Some(path.to_string()),
            Op::Load(cell) => self.paths.get(cell).copied().flatten().map(str::to_owned),
            Op::Refine { value, .. } | Op::Survived { value, .. } | Op::Same(value) => {
                self.path(function, *value, depth - 1)
            }
            Op::Attribute(object, name) => {
                let base = self.path(function, *object, depth - 1).unwrap_or_else(|| "?".to_owned());
                Some(format!("{base}.{name}"))
            }
            _ => None,
        }
    }
}

/// Whether a function is there to show or to test others.
fn shows(function: &Function) -> bool {
    let name = &*function.name;
    ["test", "main", "demo", "example"].iter().any(|word| name.trim_start_matches('_').starts_with(word))
}

fn is_constant_argument(function: &Function, argument: &Argument) -> bool {
    !matches!(argument.passing, Passing::Star | Passing::DoubleStar)
        && is_constant(function, argument.value, MAX_CONSTANT)
}

/// Whether a value is written out in the text.
fn is_constant(function: &Function, value: ValueId, depth: usize) -> bool {
    let op = function.op(value);
    match op {
        Op::Literal(_) => true,
        Op::Display(..) | Op::Mapping(_) | Op::Binary(..) | Op::Format(_) | Op::Same(_) if depth > 0 => {
            let mut all = true;
            op.operands(|operand| all &= is_constant(function, operand, depth - 1));
            all
        }
        _ => false,
    }
}

/// Copies a function with what is defined in it; gives the copies by original.
fn copy(
    program: &mut Program,
    id: FunctionId,
    children: &[Vec<FunctionId>],
    class_of: &HashMap<FunctionId, usize>,
) -> BTreeMap<FunctionId, FunctionId> {
    let mut inside = vec![id];
    let mut next = 0;
    while let Some(&one) = inside.get(next) {
        next += 1;
        inside.extend(&children[one.0 as usize]);
    }
    // Methods are found through their class, of which there is one: what they read stays shared.
    if inside[1..].iter().any(|one| class_of.contains_key(one)) {
        inside.truncate(1);
    }
    let first = program.functions.len() as u32;
    let copies: BTreeMap<FunctionId, FunctionId> =
        inside.iter().enumerate().map(|(i, one)| (*one, FunctionId(first + i as u32))).collect();
    let alone = inside.len() == 1 && !children[id.0 as usize].is_empty();
    for one in inside {
        let mut function = program.function(one).clone();
        for instruction in &mut function.values {
            match &mut instruction.op {
                Op::Function(inner) => *inner = copies.get(inner).copied().unwrap_or(*inner),
                Op::Load(cell) | Op::Store(cell, _) if !alone => {
                    cell.scope = copies.get(&cell.scope).copied().unwrap_or(cell.scope);
                }
                _ => {}
            }
        }
        if one != id {
            function.parent = function.parent.and_then(|parent| copies.get(&parent).copied());
        }
        program.functions.push(function);
    }
    program.functions[id.0 as usize].outer = copies.get(&id).copied();
    copies
}
