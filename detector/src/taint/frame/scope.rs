//! Control dependence: which tests decide that a statement runs, and what they are about.
//!
//! A test decides over a block where one of its two edges dominates it. What a test is about is the backward slice of its
//! condition; which outcome lets pass what is listed is decided on its form (`in`, `==`, `not`, De Morgan).

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::arguments::fact;
use crate::dataflow::Solution;
use crate::rules::Guarding;
use crate::ssa::{
    BlockId, CompareOp, Dominators, Function, FunctionId, Literal, Op, Terminator, ValueId, origin, origins,
};
use crate::taint::domain::{Object, Value};
use crate::taint::store::Solved;

/// Values that a slice has at most.
const MAX_SLICE: usize = 400;
/// Joins of ways that are looked through for what was tested on each.
const MAX_JOINS: usize = 3;
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
        let mut seen = FxHashSet::default();
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
                op => op.operands(visit),
            }
        }
        seen
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

    /// Whether a test clears a value where a block runs.
    pub(in crate::taint) fn is_cleared(&self, guarding: Guarding, value: ValueId, block: BlockId) -> bool {
        self.is_cleared_within(guarding, value, block, MAX_JOINS)
    }

    fn is_cleared_within(&self, guarding: Guarding, value: ValueId, block: BlockId, depth: usize) -> bool {
        let cleared = match guarding {
            Guarding::UrlHost => self.host_is_tested(value, block),
            Guarding::Folder => self.folder_is_tested(value, block),
            Guarding::Anything => return !self.tests(block).is_empty(),
            Guarding::Content => return self.content_is_tested(value, block),
            _ => return false,
        };
        let root = self.root(value);
        let Op::Phi(operands) = self.function.op(root) else { return cleared };
        // `if not known(url): url = "/"`: on each way it was tested, or is another.
        let ways = &self.function.blocks[self.block(root).0 as usize].predecessors;
        cleared
            || depth > 0
                && operands.len() == ways.len()
                && operands.iter().zip(ways).all(|(operand, way)| {
                    self.fact(*operand).origins().is_none()
                        || *operand != root && self.is_cleared_within(guarding, *operand, *way, depth - 1)
                })
    }

    /// Whether a test before a block compares a path with the folder that it should be in.
    fn folder_is_tested(&self, path: ValueId, block: BlockId) -> bool {
        let of = self.parameters_and_calls(&self.slice(path));
        self.tests(block).into_iter().any(|(condition, _)| self.compares_folder(condition, &of))
    }

    /// Whether what an archive holds was looked at before a block: by a test that decides over the block, or name by name.
    fn content_is_tested(&self, archive: ValueId, block: BlockId) -> bool {
        if self.tests(block).iter().any(|test| !self.is_about_kind(test.0, MAX_JOINS)) {
            return true;
        }
        let of = self.parameters_and_calls(&self.slice(archive));
        self.function.blocks.iter().any(|code| match code.terminator {
            Terminator::Branch { condition, .. } => self.compares_folder(condition, &of),
            _ => false,
        })
    }

    /// Whether a condition compares a path that is made of some values with a folder.
    fn compares_folder(&self, condition: ValueId, of: &FxHashSet<ValueId>) -> bool {
        const COMPARES: &[&str] = &["startswith", "is_relative_to", "commonpath", "commonprefix", "relative_to"];
        let compares = |value: &ValueId| match self.function.op(*value) {
            Op::Call { callee, arguments } => {
                let begins = self.method(*callee).filter(|(_, name)| *name == "startswith");
                if let (Some((text, _)), Some(start)) = (begins, arguments.first()) {
                    return self.is_constant(start.value) || self.is_resolved(text);
                }
                let named = self.fact(*callee).paths().any(|path| COMPARES.iter().any(|name| path.ends_with(name)));
                named || self.method(*callee).is_some_and(|(_, name)| COMPARES.contains(&name))
            }
            Op::Compare(CompareOp::In | CompareOp::NotIn, left, _) => {
                self.as_text(*left).is_some_and(|text| matches!(text, ".." | "/" | "../" | "\\"))
            }
            _ => false,
        };
        let slice = self.slice(condition);
        slice.iter().any(compares) && slice.iter().any(|one| of.contains(one))
    }

    /// Whether a value is written in the program as it stands.
    fn is_constant(&self, value: ValueId) -> bool {
        match self.function.op(self.root(value)) {
            Op::Literal(_) => true,
            Op::Display(_, items) => items.iter().all(|(item, _)| self.is_constant(*item)),
            _ => false,
        }
    }

    /// Whether more was done to a text than cutting and joining: `..` is still in what begins with the right folder.
    fn is_resolved(&self, text: ValueId) -> bool {
        const KEEPS: &[&str] =
            &["join", "joinpath", "strip", "lstrip", "rstrip", "decode", "encode", "get", "replace", "unquote"];
        self.slice(text).iter().any(|value| match self.function.op(*value) {
            Op::Call { callee, .. } => {
                let method = self.method(*callee).map(|(_, name)| name);
                !method.is_some_and(|name| KEEPS.contains(&name))
            }
            _ => false,
        })
    }

    /// Whether a test is about whether a file is there, which kind its name says it is, or what the caller asks for.
    fn is_about_kind(&self, condition: ValueId, depth: usize) -> bool {
        const KIND: &[&str] = &[
            "exists",
            "lexists",
            "isfile",
            "isdir",
            "is_file",
            "is_dir",
            "is_tarfile",
            "is_zipfile",
            "endswith",
            "isinstance",
        ];
        match self.function.op(self.root(condition)) {
            Op::Not(inner) if depth > 0 => self.is_about_kind(*inner, depth - 1),
            Op::Logic(_, parts) if depth > 0 => parts.iter().all(|part| self.is_about_kind(*part, depth - 1)),
            Op::Call { callee, .. } => {
                let method = self.method(*callee).is_some_and(|(_, name)| KIND.contains(&name));
                method || self.fact(*callee).paths().any(|path| KIND.contains(&path.rsplit('.').next().unwrap_or(path)))
            }
            Op::Compare(CompareOp::Is | CompareOp::IsNot, ..) | Op::Parameter(_) => true,
            Op::Compare(CompareOp::Equal | CompareOp::NotEqual, left, right) => {
                self.as_text(*left).is_some() || self.as_text(*right).is_some()
            }
            _ => false,
        }
    }

    /// Whether the tests before a block let only listed hosts of a URL pass.
    pub(in crate::taint) fn host_is_tested(&self, url: ValueId, block: BlockId) -> bool {
        let of = self.parameters_and_calls(&self.slice(url));
        self.tests(block).into_iter().any(|test| self.lets_listed_host_pass(test, &of, 8))
            || self.function.values.iter().any(|instruction| match &instruction.op {
                Op::Survived { value, call } => {
                    self.dominates(instruction.block, block)
                        && self.is_about(*value, &of)
                        && self.calls_validator(*call)
                }
                _ => false,
            })
    }

    /// What identifies where a value comes from: parameters and results of calls and loads that are no texts.
    fn parameters_and_calls(&self, slice: &FxHashSet<ValueId>) -> FxHashSet<ValueId> {
        let is_source = |value: &&ValueId| match self.function.op(**value) {
            Op::Parameter(_) | Op::Load(_) => true,
            Op::Path(_) | Op::Unbound(_) | Op::Subscript(..) | Op::Call { .. } => {
                !self.fact(**value).origins().is_none()
            }
            _ => false,
        };
        slice.iter().filter(is_source).copied().collect()
    }

    fn is_about(&self, value: ValueId, sources: &FxHashSet<ValueId>) -> bool {
        self.slice(value).iter().any(|one| sources.contains(one))
    }

    fn lets_listed_host_pass(&self, (condition, truth): Test, of: &FxHashSet<ValueId>, depth: usize) -> bool {
        if depth == 0 {
            return false;
        }
        // What always comes out the same is no test, nor is it one that there is a URL.
        let known = self.fact(condition);
        let fixed = known.text.literals().is_some() && known.truth() != (true, true);
        if fixed || of.contains(&self.root(condition)) {
            return false;
        }
        let next = |condition: ValueId, truth: bool| self.lets_listed_host_pass((condition, truth), of, depth - 1);
        match self.function.op(self.root(condition)) {
            Op::Not(inner) => next(*inner, !truth),
            // All parts came out like that, or any of them may have decided.
            Op::Logic(and, parts) if *and == truth => parts.iter().any(|part| next(*part, truth)),
            Op::Logic(_, parts) => parts.iter().all(|part| next(*part, truth)),
            Op::Compare(op, left, right) => {
                let passes = matches!(
                    (op, truth),
                    (CompareOp::In | CompareOp::Equal | CompareOp::Is, true)
                        | (CompareOp::NotIn | CompareOp::NotEqual | CompareOp::IsNot, false)
                );
                let constant = |side: ValueId| matches!(self.function.op(self.root(side)), Op::Literal(Literal::None));
                let empty = |side: ValueId| self.as_text(side) == Some("");
                // The same of both sides: `host == host`.
                let made_of = |side: ValueId| -> FxHashSet<ValueId> {
                    self.slice(side).iter().filter(|one| of.contains(one)).copied().collect()
                };
                let (left_of, right_of) = (made_of(*left), made_of(*right));
                passes
                    && (left_of.is_empty() || left_of != right_of)
                    && !constant(*right)
                    && ((self.is_host(*left, of)
                        && (!empty(*right) || matches!(op, CompareOp::Equal | CompareOp::NotEqual)))
                        || self.is_host(*right, of) && matches!(op, CompareOp::Equal | CompareOp::NotEqual)
                        || self.is_whole(*left, of))
            }
            // `not netloc`: the URL is relative.
            Op::Attribute(..) | Op::Call { .. } if !truth && self.is_host(condition, of) => true,
            Op::Call { callee, arguments } => {
                let about = |value: ValueId| self.is_about(value, of);
                if let Some((object, name)) = self.method(*callee)
                    && matches!(name, "startswith" | "endswith")
                {
                    let host = self.is_host(object, of);
                    let start = arguments.first().is_some_and(|one| self.is_beginning_of_url(one.value));
                    return truth && (host || name == "startswith" && about(object) && start);
                }
                let asks = self.fact(*callee).objects.iter().any(|object| match object {
                    Object::Function(_) | Object::Method(_) => true,
                    Object::Path(path) => {
                        let name = path.rsplit('.').next().unwrap_or(path);
                        !matches!(name, "isinstance" | "len" | "bool" | "hasattr" | "str" | "search" | "match")
                            || matches!(name, "search" | "match") && path.starts_with("re.")
                    }
                    _ => false,
                });
                // A listed host within another one is another one.
                let within = arguments.iter().any(|one| match self.function.op(self.root(one.value)) {
                    Op::Comprehension { result, .. } => match self.function.op(self.root(*result)) {
                        Op::Compare(CompareOp::In, _, host) => self.is_host(*host, of) || self.is_whole(*host, of),
                        _ => false,
                    },
                    _ => false,
                });
                asks && !within && arguments.iter().any(|one| about(one.value))
            }
            _ => false,
        }
    }

    /// Whether a constant fixes the host of the URLs that start with it.
    fn is_beginning_of_url(&self, value: ValueId) -> bool {
        let fixed = |text: &str| text.split_once("://").is_some_and(|(_, rest)| rest.contains('/'));
        let known = self.fact(value);
        match (known.text.literals(), &known.items) {
            (Some(literals), None) => literals.iter().all(|text| fixed(text)),
            // A list or name of allowed beginnings.
            _ => known.origins().is_none(),
        }
    }

    /// Whether a value is the host of a URL from one of these sources.
    fn is_host(&self, value: ValueId, of: &FxHashSet<ValueId>) -> bool {
        let slice = self.slice(value);
        let parts = |value: &ValueId| {
            matches!(self.function.op(*value), Op::Attribute(_, name)
                if matches!(&**name, "hostname" | "netloc" | "host" | "scheme_and_host" | "domain"))
                || matches!(self.function.op(*value), Op::Subscript(_, key) if self.is_second(*key))
                || matches!(self.function.op(*value), Op::Item(_, 1))
        };
        slice.iter().any(parts) && slice.iter().any(|one| of.contains(one))
    }

    fn is_second(&self, key: ValueId) -> bool {
        matches!(self.function.op(self.root(key)), Op::Literal(Literal::Integer(1)))
    }

    /// Whether a value is the text from one of these sources itself.
    fn is_whole(&self, value: ValueId, of: &FxHashSet<ValueId>) -> bool {
        of.contains(&self.root(value))
    }

    /// Whether a call enters a function of the program that may raise by a test.
    fn calls_validator(&self, call: ValueId) -> bool {
        let Op::Call { callee, .. } = self.function.op(call) else { return false };
        self.fact(*callee).objects.iter().any(|object| match object {
            Object::Function(target) | Object::Method(target) => {
                let target = self.solved.program.function(*target);
                let stops = target.blocks.iter().any(|block| block.terminator == Terminator::Stop);
                let tests = target.blocks.iter().any(|block| matches!(block.terminator, Terminator::Branch { .. }));
                stops && tests
            }
            _ => false,
        })
    }
}
