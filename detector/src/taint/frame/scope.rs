//! Control dependence: which tests decide that a statement runs, and what they are about.
//!
//! A test decides over a block where one of its two edges dominates it. What a test is about is the backward slice of its
//! condition; which outcome lets pass what is listed is decided on its form (`in`, `==`, `not`, De Morgan).

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet};

use super::arguments::fact;
use crate::dataflow::Solution;
use crate::ssa::{BlockId, Dominators, Function, FunctionId, Literal, Op, Terminator, ValueId, origin, origins};
use crate::taint::domain::Value;
use crate::taint::store::Solved;

/// Values that a slice has at most.
const MAX_SLICE: usize = 400;
/// Values that many slices have.
const USUAL_SLICE: usize = 14;
/// Parts of a test, one in the other, that are told apart.
const MAX_PARTS: usize = 8;
/// Slices of one function that are remembered.
const MAX_SLICES: usize = 4096;

/// One function, with its facts and dominators.
pub(in crate::taint) struct Scope<'a, 'p> {
    pub(in crate::taint) solved: &'a Solved<'p>,
    pub(in crate::taint) function: &'p Function,
    pub(in crate::taint) solution: &'a Solution<Value>,
    dominators: OnceCell<Dominators>,
    roots: OnceCell<Rc<[ValueId]>>,
    slices: RefCell<FxHashMap<ValueId, Slice>>,
}

/// What a value is made of.
pub(in crate::taint) type Slice = Rc<FxHashSet<ValueId>>;

/// A test that decides over a block, and how it came out.
pub(in crate::taint) type Test = (ValueId, bool);

impl<'a, 'p> Scope<'a, 'p> {
    /// The scope of a function; none where control never came to it.
    pub(in crate::taint) fn new(solved: &'a Solved<'p>, id: FunctionId) -> Option<Self> {
        let solution = solved.solutions[id.0 as usize].as_ref()?;
        let function = solved.program.function(id);
        let roots = solved.known_roots(id).map_or_else(OnceCell::new, OnceCell::from);
        let (dominators, slices) = (OnceCell::new(), RefCell::default());
        Some(Self { solved, function, solution, dominators, roots, slices })
    }

    pub(in crate::taint) fn fact(&self, value: ValueId) -> &'a Value {
        fact(&self.solution.facts, value)
    }

    pub(in crate::taint) fn root(&self, value: ValueId) -> ValueId {
        self.roots.get_or_init(|| origins(&self.function.values).into())[value.0 as usize]
    }

    /// Whether the time is over: what is found from now on is not used.
    pub(in crate::taint) fn is_over(&self) -> bool {
        self.solved.budget.is_expired()
    }

    pub(in crate::taint) fn block(&self, value: ValueId) -> BlockId {
        self.function.values[value.0 as usize].block
    }

    pub(in crate::taint) fn is_reached(&self, block: BlockId) -> bool {
        self.solution.reached[block.0 as usize]
    }

    pub(in crate::taint) fn dominates(&self, over: BlockId, block: BlockId) -> bool {
        self.dominators.get_or_init(|| Dominators::new(self.function)).dominates(over, block)
    }

    /// The tests that decide that a block runs, with their outcome.
    pub(in crate::taint) fn tests(&self, block: BlockId) -> Vec<Test> {
        let mut found = vec![];
        if self.is_over() {
            return found;
        }
        for (i, code) in self.function.blocks.iter().enumerate() {
            let Terminator::Branch { condition, then, otherwise } = code.terminator else { continue };
            if !self.is_reached(BlockId(i as u32)) {
                continue;
            }
            for (edge, truth) in [(then, true), (otherwise, false)] {
                let single = self.function.blocks[edge.0 as usize].predecessors.len() == 1;
                if single && self.dominates(edge, block) {
                    found.push((condition, truth));
                }
            }
        }
        found
    }

    /// Everything in this function that a value is made of.
    pub(in crate::taint) fn slice(&self, value: ValueId) -> Slice {
        if let Some(known) = self.slices.borrow().get(&value) {
            return known.clone();
        }
        let slice = Rc::new(self.sliced(value));
        let mut slices = self.slices.borrow_mut();
        if slices.len() < MAX_SLICES {
            slices.insert(value, slice.clone());
        }
        slice
    }

    fn sliced(&self, value: ValueId) -> FxHashSet<ValueId> {
        let mut seen = FxHashSet::with_capacity_and_hasher(USUAL_SLICE, FxBuildHasher);
        seen.insert(value);
        let mut work = vec![value];
        while let Some(value) = work.pop() {
            if seen.len() > MAX_SLICE || self.is_over() {
                break;
            }
            let mut visit = |operand: ValueId| {
                if seen.insert(operand) {
                    work.push(operand);
                }
            };
            match self.function.op(value) {
                Op::Refine { value, .. } | Op::Survived { value, .. } | Op::EachElement { value, .. } => visit(*value),
                Op::Mutated(container, call) => {
                    visit(*container);
                    visit(*call);
                }
                Op::Item(container, index) => visit(self.item(*container, *index).unwrap_or(*container)),
                op => op.operands(visit),
            }
        }
        seen
    }

    /// What stands at a place of a display: `a, b = first, second`.
    pub(super) fn item(&self, container: ValueId, index: usize) -> Option<ValueId> {
        let Op::Display(_, items) = self.function.op(self.root(container)) else { return None };
        let plain = items.iter().all(|(_, spread)| !spread);
        items.get(index).filter(|_| plain).map(|(item, _)| *item)
    }

    /// The parameters, by index, that a value is made of.
    pub(in crate::taint) fn parameters_in(&self, slice: &FxHashSet<ValueId>) -> FxHashSet<usize> {
        slice
            .iter()
            .filter_map(|value| match self.function.op(*value) {
                Op::Parameter(index) => Some(*index),
                _ => None,
            })
            .collect()
    }

    /// The parameter that a value is, under whatever name.
    pub(in crate::taint) fn as_parameter(&self, value: ValueId) -> Option<usize> {
        match self.function.op(self.root(value)) {
            Op::Parameter(index) => Some(*index),
            _ => None,
        }
    }

    /// The literal text that a value is.
    pub(in crate::taint) fn as_text(&self, value: ValueId) -> Option<&'p str> {
        match self.function.op(self.root(value)) {
            Op::Literal(Literal::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// What a method is called on, and its name.
    pub(in crate::taint) fn method(&self, callee: ValueId) -> Option<(ValueId, &'p str)> {
        match self.function.op(self.root(callee)) {
            Op::Attribute(object, name) => Some((*object, name)),
            _ => None,
        }
    }

    /// What a method is called on, also where a variable of the module holds the method: `match = PATTERN.match`.
    pub(in crate::taint) fn receiver(&self, callee: ValueId) -> Option<&'a Value> {
        if let Some((object, _)) = self.method(callee) {
            return Some(self.fact(object));
        }
        let Op::Load(cell) = self.function.op(self.root(callee)) else { return None };
        let owner = self.solved.program.function(cell.scope);
        let facts = &self.solved.solutions[cell.scope.0 as usize].as_ref()?.facts;
        owner.values.iter().find_map(|instruction| match &instruction.op {
            Op::Store(stored, method) if stored == cell => match owner.op(origin(&owner.values, *method)) {
                Op::Attribute(object, _) => Some(fact(facts, *object)),
                _ => None,
            },
            _ => None,
        })
    }

    /// The name by which `getattr` looked a value up, as it is known where a block runs.
    pub(in crate::taint) fn name_of(&self, value: ValueId, block: BlockId) -> ValueId {
        let Op::Call { callee, arguments } = self.function.op(self.root(value)) else { return value };
        let looked_up = self.fact(*callee).paths().any(|path| &**path == "getattr");
        let Some(name) = arguments.get(1).filter(|_| looked_up).map(|one| one.value) else { return value };
        let known = |other: &ValueId| {
            self.root(*other) == self.root(name)
                && self.is_reached(self.block(*other))
                && self.dominates(self.block(*other), block)
                && self.fact(*other).origins().is_none()
                && !self.fact(*other).is_none()
        };
        (0..self.function.values.len() as u32).map(ValueId).find(known).unwrap_or(name)
    }

    /// What identifies where a value comes from: parameters and results of calls and loads that are no texts.
    pub(super) fn parameters_and_calls(&self, slice: &FxHashSet<ValueId>) -> FxHashSet<ValueId> {
        let is_source = |value: &&ValueId| match self.function.op(**value) {
            Op::Parameter(_) | Op::Load(_) => true,
            Op::Path(_) | Op::Unbound(_) | Op::Subscript(..) | Op::Call { .. } => {
                !self.fact(**value).origins().is_none()
            }
            _ => false,
        };
        slice.iter().filter(is_source).copied().collect()
    }

    pub(super) fn is_about(&self, value: ValueId, sources: &FxHashSet<ValueId>) -> bool {
        self.slice(value).iter().any(|one| sources.contains(one))
    }

    /// What has to be true or false for tests to come out as they did.
    pub(super) fn parts(&self, tests: &[Test]) -> Vec<Test> {
        let mut parts = vec![];
        for test in tests {
            self.parts_of(*test, &mut parts, MAX_PARTS);
        }
        parts
    }

    fn parts_of(&self, (condition, truth): Test, parts: &mut Vec<Test>, depth: usize) {
        let root = self.root(condition);
        match self.function.op(root) {
            Op::Not(inner) if depth > 0 => self.parts_of((*inner, !truth), parts, depth - 1),
            Op::Logic(and, all) if *and == truth && depth > 0 => {
                for part in all {
                    self.parts_of((*part, truth), parts, depth - 1);
                }
            }
            _ => parts.push((root, truth)),
        }
    }
}
