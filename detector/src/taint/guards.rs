//! What a test says about a value: refinements evaluated on SSA.
//!
//! A refinement narrows the characters a string may have, or replaces an attacker's value by the constants it was found
//! equal to. Tests are followed through `not`, `and`/`or` (De Morgan), comparisons, library predicates, `all`/`any` over a
//! comprehension, loops that every element passed, and through the program's own validators.

use std::rc::Rc;

use super::calls::Arguments;
use super::narrow::{each, equal_to, has_plain_flags, matched, member_of, narrowed, without};
use super::origins::OriginTable;
use super::solver::Solved;
use super::transfer::{Pass, fact};
use super::trees::Naming;
use super::value::{Object, Value};
use crate::dataflow::{Lattice, Solution};
use crate::rules::{Guard, Of};
use crate::ssa::{BinaryOp, CompareOp, Function, FunctionId, Op, ParameterKind, Passing, Terminator, ValueId};
use crate::text::{CharSet, Origins, Pattern};

/// How far tests are followed, and how many for one refinement; what is not looked at says nothing.
const MAX_DEPTH: usize = 12;
const MAX_TESTS: u32 = 256;
/// Most tests of one parameter, and most `return`s, that are looked at in a function that checks its arguments.
const MAX_CHECKS: usize = 64;
const MAX_RETURNS: usize = 64;

/// A test made on a changed copy of a value.
#[derive(Clone, Copy, Default)]
pub(super) struct View {
    /// Characters that the value may have beyond those of the copy (`strip`, `replace`).
    pub(super) extra: CharSet,
    /// Whether the copy lost the case.
    pub(super) case: bool,
}

impl View {
    pub(super) fn widen(self, chars: CharSet) -> CharSet {
        let chars = if self.case { chars.any_case() } else { chars };
        chars.union(self.extra)
    }

    pub(super) fn is_plain(self) -> bool {
        !self.case && self.extra.is_empty()
    }
}

/// One function with its facts, as the refinements see it.
pub(super) struct Scene<'a, 'p> {
    pub(super) solved: &'a mut Solved<'p>,
    pub(super) function: &'p Function,
    facts: &'a [Value],
    roots: Rc<[ValueId]>,
    /// How many tests may still be followed.
    fuel: u32,
}

/// What a function has found out about one of its parameters where it returns.
#[derive(Debug)]
pub(super) struct Checks {
    parameter: ValueId,
    /// By `return` that control reaches: what is returned, and the refinements of the parameter on every way there.
    returns: Vec<(ValueId, Vec<ValueId>)>,
}

impl<'p> Pass<'_, 'p> {
    fn scene<'a>(&'a mut self, facts: &'a [Value]) -> Scene<'a, 'p> {
        let roots = self.solved.roots(self.id);
        Scene { solved: self.solved, function: self.function, facts, roots, fuel: MAX_TESTS }
    }

    /// `value` where `condition` came out as `truth`.
    pub(super) fn refine(&mut self, value: ValueId, condition: ValueId, truth: bool, facts: &[Value]) -> Value {
        let known = fact(facts, value).clone();
        let mut scene = self.scene(facts);
        scene.constrain(known, value, condition, truth, MAX_DEPTH)
    }

    /// `value` after a call on it came back.
    pub(super) fn survived(&mut self, value: ValueId, call: ValueId, facts: &[Value]) -> Value {
        let known = fact(facts, value).clone();
        let mut scene = self.scene(facts);
        let known = scene.after_call(known, value, call, None, MAX_DEPTH);
        self.changed_by(known, value, call, facts)
    }

    /// What is left of a value that a function found to be true, which is handed over to be asked.
    pub(super) fn passed_by(&mut self, known: Value, predicate: &Value) -> Value {
        self.scene(&[]).passed(known, predicate)
    }

    /// `value` after each of its elements has come through a loop body as `last`.
    pub(super) fn each_element(&mut self, value: ValueId, element: ValueId, last: ValueId, facts: &[Value]) -> Value {
        let known = fact(facts, value).clone();
        self.scene(facts).every_element(known, value, (element, last))
    }
}

impl Scene<'_, '_> {
    pub(super) fn fact(&self, value: ValueId) -> &Value {
        fact(self.facts, value)
    }

    /// `value` after a loop in which each `element` has come to the end of the body as `last`.
    fn every_element(&self, known: Value, value: ValueId, (element, last): (ValueId, ValueId)) -> Value {
        let Op::Element(iterable) = self.function.op(element) else { return known };
        if !self.comes_from(last, element, MAX_DEPTH) {
            return known;
        }
        self.all_like(known, value, *iterable, self.fact(last))
    }

    /// `value` where every element of `iterable` is like `element`.
    fn all_like(&self, known: Value, value: ValueId, iterable: ValueId, element: &Value) -> Value {
        if let Some(view) = self.view(iterable, value) {
            return each(known, element, view);
        }
        if self.lists_nodes_of(iterable, value) { self.inspected(known, element) } else { known }
    }

    fn constrain(&mut self, known: Value, value: ValueId, condition: ValueId, truth: bool, depth: usize) -> Value {
        if depth == 0 || self.fuel == 0 {
            return known;
        }
        self.fuel -= 1;
        match self.function.op(condition) {
            Op::Not(inner) => self.constrain(known, value, *inner, !truth, depth - 1),
            Op::Same(inner) | Op::Refine { value: inner, .. } | Op::Survived { value: inner, .. } => {
                self.constrain(known, value, *inner, truth, depth - 1)
            }
            Op::Phi(operands) | Op::Join(operands) => match operands.as_slice() {
                [first, rest @ ..] if rest.iter().all(|other| other == first || *other == condition) => {
                    self.constrain(known, value, *first, truth, depth - 1)
                }
                _ => known,
            },
            Op::Logic(and, parts) if *and == truth => {
                parts.iter().fold(known, |known, part| self.constrain(known, value, *part, truth, depth - 1))
            }
            Op::Logic(_, parts) => {
                // One of them decided; which, is not known. The ones before it came out the other way.
                let mut joined = Value::default();
                let mut so_far = known;
                for part in parts {
                    if self.fuel == 0 {
                        joined.join(&so_far);
                        break;
                    }
                    joined.join(&self.constrain(so_far.clone(), value, *part, truth, depth - 1));
                    so_far = self.constrain(so_far, value, *part, !truth, depth - 1);
                }
                joined
            }
            Op::Compare(op, left, right) => self.compared(known, value, (*op, *left, *right), truth, depth),
            // `set(value) - ALLOWED` is empty.
            Op::Binary(BinaryOp::Difference, left, right) if !truth => self.subset(known, value, *left, *right),
            Op::Comprehension { iterable, element, result, .. } if !truth => {
                self.none_left(known, value, (*iterable, *element, *result), depth)
            }
            Op::Call { .. } => self.after_call(known, value, condition, Some(truth), depth),
            _ => known,
        }
    }

    fn compared(
        &mut self,
        mut known: Value,
        value: ValueId,
        (op, left, right): (CompareOp, ValueId, ValueId),
        truth: bool,
        depth: usize,
    ) -> Value {
        let constant =
            |objects: &Value, object: &Object| objects.objects.len() == 1 && objects.objects.contains(object);
        let is_equal = match op {
            CompareOp::Equal | CompareOp::Is => Some(truth),
            CompareOp::NotEqual | CompareOp::IsNot => Some(!truth),
            _ => None,
        };
        if let Some(equal) = is_equal {
            for (a, b) in [(left, right), (right, left)] {
                let other = self.fact(b).clone();
                for (object, stands_for) in
                    [(Object::Nothing, false), (Object::Truth(false), false), (Object::Truth(true), true)]
                {
                    if constant(&other, &object) && matches!(self.function.op(b), Op::Literal(_)) {
                        return self.constrain(known, value, a, stands_for == equal, depth - 1);
                    }
                }
                if let Some(naming) = self.names_class_of(a, value) {
                    return self.solved.registry.trees.narrowed(known, &other, naming, equal);
                }
                if equal && let Some(view) = self.view(a, value) {
                    return equal_to(known, &other, view);
                }
                if equal {
                    known = self.told(known, value, a, &other);
                }
            }
            return known;
        }
        let inside = match op {
            CompareOp::In => truth,
            CompareOp::NotIn => !truth,
            // `set(x) <= ALLOWED`
            CompareOp::Order if truth => return self.subset(known, value, left, right),
            _ => return known,
        };
        if let Some(naming) = self.names_class_of(left, value) {
            return self.solved.registry.trees.narrowed(known, self.fact(right), naming, inside);
        }
        if inside {
            let mut container = self.fact(right).clone();
            if container.paths().any(|path| self.solved.registry.is_everything(path)) {
                return known;
            }
            if self.is_policy(right, left) {
                container = Value::any(Origins::NONE);
            }
            return match self.view(left, value) {
                Some(view) => member_of(known, &container, view),
                None => self.told(known, value, left, &container),
            };
        }
        if let Some(view) = self.view(right, value) {
            let missing = self.fact(left).text.literals().map(|literals| match literals.as_slice() {
                [one] if one.chars().count() == 1 => CharSet::of(one),
                _ => CharSet::NONE,
            });
            let missing = missing.unwrap_or_default().difference(view.extra);
            return without(known, missing);
        }
        known
    }

    /// Whether a container is what the caller of a function allows: a parameter of its own, beside the one that is tested.
    /// Were both an attacker's, the test would have no meaning.
    fn is_policy(&self, container: ValueId, tested: ValueId) -> bool {
        let (root, origins) = (self.root(container), self.fact(container).origins());
        matches!(self.function.op(root), Op::Parameter(_))
            && self.root(tested) != root
            && self.fact(tested).origins().intersection(origins).is_none()
            && OriginTable::are_parameters(origins)
    }

    fn subset(&mut self, known: Value, value: ValueId, left: ValueId, right: ValueId) -> Value {
        let Some(view) = self.view(left, value).filter(|view| view.is_plain()) else { return known };
        let allowed = self.fact(right).clone();
        let Some(items) = &allowed.items else { return known };
        if allowed.origins().is_none() { each(known, items.keys.as_ref().unwrap_or(&items.any), view) } else { known }
    }

    /// `[x for x in value if test(x)]` is empty: no element passes the test.
    fn none_left(
        &mut self,
        known: Value,
        value: ValueId,
        (iterable, element, result): (ValueId, ValueId, ValueId),
        depth: usize,
    ) -> Value {
        // With one test alone; of several, any may have failed.
        let Op::Refine { value: tested, condition, truth } = *self.function.op(result) else { return known };
        if tested != element || self.view(iterable, value).is_none() {
            return known;
        }
        let one = self.fact(element).clone();
        let left = self.constrain(one, element, condition, !truth, depth - 1);
        self.all_like(known, value, iterable, &left)
    }

    /// What a call says about `value`: that it came back, and where given that its result was `truth`.
    fn after_call(&mut self, known: Value, value: ValueId, call: ValueId, truth: Option<bool>, depth: usize) -> Value {
        let Op::Call { callee, arguments } = self.function.op(call) else { return known };
        if depth == 0 {
            return known;
        }
        let targets = self.fact(*callee).objects.clone();
        let receiver = match self.function.op(*callee) {
            Op::Attribute(object, _) => Some(*object),
            _ => None,
        };
        let first = arguments.first().filter(|one| one.passing == Passing::Positional).map(|one| one.value);
        let second = arguments.get(1).filter(|one| one.passing == Passing::Positional).map(|one| one.value);
        let plain = has_plain_flags(&Arguments::new(arguments, self.facts), 2);
        // More than one callee: only what all of them say holds.
        let mut result: Option<Value> = None;
        for object in &targets {
            let said = match object {
                Object::Path(path) => match (&**path, first) {
                    ("all" | "any", Some(first)) if truth == Some(&**path == "all") => {
                        self.quantified(known.clone(), value, first, &**path == "all", depth)
                    }
                    ("isinstance", Some(first)) => match (self.view(first, value), second, truth) {
                        (Some(view), Some(second), Some(truth)) if view.is_plain() => {
                            self.instance(known.clone(), second, truth)
                        }
                        _ => known.clone(),
                    },
                    ("bool", Some(first)) => match truth {
                        Some(truth) => self.constrain(known.clone(), value, first, truth, depth - 1),
                        None => known.clone(),
                    },
                    (path, Some(first)) if truth == Some(false) && path.ends_with(".difference") => match receiver {
                        Some(receiver) => self.subset(known.clone(), value, receiver, first),
                        None => known.clone(),
                    },
                    (path, Some(first)) if truth == Some(true) && path.ends_with(".issubset") => match receiver {
                        Some(receiver) => self.subset(known.clone(), value, receiver, first),
                        None => known.clone(),
                    },
                    _ => {
                        match self.solved.registry.guard(path).copied().filter(|guard| guard.matches.is_none() || plain)
                        {
                            Some(guard) => self.guarded(known.clone(), value, &guard, (receiver, first, second), truth),
                            None => known.clone(),
                        }
                    }
                },
                Object::Function(function) | Object::Method(function) => {
                    let bound = matches!(object, Object::Method(_));
                    self.validated(known.clone(), value, call, (*function, bound), truth, depth)
                }
                _ => continue,
            };
            match &mut result {
                Some(result) => {
                    result.join(&said);
                }
                None => result = Some(said),
            }
        }
        result.unwrap_or(known)
    }

    fn guarded(
        &mut self,
        known: Value,
        value: ValueId,
        guard: &Guard,
        (receiver, first, second): (Option<ValueId>, Option<ValueId>, Option<ValueId>),
        truth: Option<bool>,
    ) -> Value {
        if let Some(matching) = guard.matches {
            let (pattern, subject) = match guard.of {
                Of::Argument => (first, second),
                Of::Receiver => (receiver, first),
            };
            let (Some(pattern), Some(subject)) = (pattern, subject) else { return known };
            let Some(view) = self.view(subject, value) else { return known };
            let pattern = self.fact(pattern).text.as_literal().and_then(Pattern::parse);
            return match (pattern, truth) {
                (Some(pattern), Some(truth)) => matched(known, &pattern, matching, truth, view),
                _ => known,
            };
        }
        let subject = match guard.of {
            Of::Argument => first,
            Of::Receiver => receiver,
        };
        let holds = truth == Some(true) || guard.by_returning;
        match (subject.and_then(|subject| self.view(subject, value)), guard.keeps) {
            (Some(view), _) if holds && guard.number && view.is_plain() => Value::number(known.origins()),
            (Some(view), Some(keeps)) if holds => narrowed(known, view.widen(keeps)),
            _ => known,
        }
    }

    /// `all(test(c) for c in value)`, `not any(test(c) for c in value)`, `not any(c in value for c in "…")`
    fn quantified(&mut self, known: Value, value: ValueId, argument: ValueId, truth: bool, depth: usize) -> Value {
        let Op::Comprehension { iterable, element, result, .. } = *self.function.op(argument) else {
            return self.all_mapped(known, value, argument, truth);
        };
        if self.view(iterable, value).is_some() || self.lists_nodes_of(iterable, value) {
            let one = self.fact(element).clone();
            let passed = self.constrain(one, element, result, truth, depth - 1);
            return self.all_like(known, value, iterable, &passed);
        }
        if truth {
            return known;
        }
        // None of a list of constants occurs in the value.
        let Op::Compare(CompareOp::In, needle, haystack) = *self.function.op(result) else { return known };
        let Some(view) = self.view(haystack, value) else { return known };
        if !self.comes_from(needle, element, MAX_DEPTH) {
            return known;
        }
        let listed = self.fact(iterable);
        let mut missing = CharSet::NONE;
        if let Some(text) = listed.text.as_literal() {
            missing = missing.union(CharSet::of(text));
        }
        for entry in listed.items.iter().flat_map(|items| items.known.values()) {
            if let Some(text) = entry.text.as_literal()
                && text.chars().count() == 1
            {
                missing = missing.union(CharSet::of(text));
            }
        }
        without(known, missing.difference(view.extra).difference(CharSet::OTHER))
    }

    /// `all(map(str.isalnum, value))`
    fn all_mapped(&mut self, known: Value, value: ValueId, argument: ValueId, truth: bool) -> Value {
        let Op::Call { callee, arguments } = self.function.op(argument) else { return known };
        let [predicate, iterable] = arguments.as_slice() else { return known };
        if !truth
            || !self.fact(*callee).paths().any(|path| &**path == "map")
            || self.view(iterable.value, value).is_none()
        {
            return known;
        }
        let predicate = self.fact(predicate.value).clone();
        let one = self.fact(iterable.value).element();
        let passed = self.passed(one, &predicate);
        self.all_like(known, value, iterable.value, &passed)
    }

    /// What is left of a value that each of these functions found to be true.
    fn passed(&mut self, known: Value, predicate: &Value) -> Value {
        let mut result: Option<Value> = None;
        for object in &predicate.objects {
            let said = match object {
                Object::Path(path) => match self.solved.registry.guard(path) {
                    Some(guard) if guard.matches.is_none() && !guard.by_returning => match guard.keeps {
                        Some(keeps) => narrowed(known.clone(), keeps),
                        None => known.clone(),
                    },
                    _ => known.clone(),
                },
                Object::Function(id) | Object::Method(id) => {
                    let own = usize::from(matches!(object, Object::Method(_)));
                    self.found_by(known.clone(), *id, own, Some(true), MAX_DEPTH)
                }
                _ => continue,
            };
            match &mut result {
                Some(result) => {
                    result.join(&said);
                }
                None => result = Some(said),
            }
        }
        result.unwrap_or(known)
    }

    fn instance(&self, known: Value, classes: ValueId, truth: bool) -> Value {
        let classes = self.fact(classes);
        let known = self.solved.registry.trees.narrowed(known, classes, Naming::Instance, truth);
        let mut all: Vec<&Object> = classes.objects.iter().collect();
        if let Some(items) = &classes.items {
            all.extend(items.any.objects.iter());
        }
        let number = |object: &&Object| matches!(object, Object::Path(path) if matches!(&**path, "int" | "float" | "bool" | "decimal.Decimal" | "complex"));
        if truth && !all.is_empty() && all.iter().all(number) { Value::number(known.origins()) } else { known }
    }

    /// What a function of the program has found out about an argument where it returns (with this truth).
    fn validated(
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
    fn found_by(&mut self, known: Value, id: FunctionId, parameter: usize, truth: Option<bool>, depth: usize) -> Value {
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

    /// Whether a test of `tested` says something about `value`, and how.
    pub(super) fn view(&self, tested: ValueId, value: ValueId) -> Option<View> {
        self.view_within(tested, value, MAX_DEPTH)
    }

    fn view_within(&self, tested: ValueId, value: ValueId, depth: usize) -> Option<View> {
        if self.root(tested) == self.root(value) {
            return Some(View::default());
        }
        if depth == 0 {
            return None;
        }
        let tested = self.root(tested);
        let Op::Call { callee, arguments } = self.function.op(tested) else { return None };
        let facts = Arguments::new(arguments, self.facts);
        if let Op::Attribute(object, method) = self.function.op(*callee) {
            let inner = self.view_within(*object, value, depth - 1)?;
            let literal = |index| facts.positional(index).and_then(|value: &Value| value.text.as_literal());
            let extra = match &**method {
                "strip" | "lstrip" | "rstrip" | "split" | "rsplit" => {
                    literal(0).map_or(CharSet::of(" \t\n\r\x0b\x0c"), CharSet::of)
                }
                "keys" if arguments.is_empty() => return Some(inner),
                "splitlines" => CharSet::of("\n\r\x0b\x0c"),
                "replace" => CharSet::of(literal(0)?),
                "lower" | "upper" | "casefold" | "title" | "capitalize" => return Some(View { case: true, ..inner }),
                _ => return None,
            };
            return Some(View { extra: inner.extra.union(extra), ..inner });
        }
        let path = self.fact(*callee).paths().next()?.clone();
        let first = arguments.first().filter(|one| one.passing == Passing::Positional)?;
        matches!(&*path, "str" | "list" | "tuple" | "set" | "iter" | "reversed" | "sorted")
            .then(|| self.view_within(first.value, value, depth - 1))
            .flatten()
    }

    /// The value behind refinements.
    pub(super) fn root(&self, value: ValueId) -> ValueId {
        self.roots[value.0 as usize]
    }

    /// Whether a value is another one that only went through refinements and joins of them.
    fn comes_from(&self, value: ValueId, origin: ValueId, depth: usize) -> bool {
        let root = self.root(value);
        if root == origin {
            return true;
        }
        match self.function.op(root) {
            Op::Phi(operands) | Op::Join(operands) if depth > 0 => {
                operands.iter().all(|operand| *operand == root || self.comes_from(*operand, origin, depth - 1))
            }
            _ => false,
        }
    }
}
