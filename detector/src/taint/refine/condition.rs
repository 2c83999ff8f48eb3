//! What a test says about a value: refinements evaluated on SSA.
//!
//! A refinement narrows the characters a string may have, or replaces an attacker's value by the constants it was found
//! equal to. Tests are followed through `not`, `and`/`or` (De Morgan), comparisons, library predicates, `all`/`any` over a
//! comprehension, loops that every element passed, and through the program's own validators.

use super::scene::{MAX_DEPTH, Scene};
use super::trees::Naming;
use crate::dataflow::Lattice;
use crate::dotted::last;
use crate::rules::{Guard, Of};
use crate::ssa::{BinaryOp, CompareOp, Op, Passing, ValueId};
use crate::taint::domain::{Object, Value, each, equal_to, led, matched, member_of, narrowed, without};
use crate::taint::frame::{Arguments, has_plain_flags};
use crate::taint::store::OriginTable;
use crate::text::{CharSet, Origins, Pattern, leads};

impl Scene<'_, '_> {
    /// `value` where `condition` came out as `truth`.
    pub(in crate::taint) fn tested(&mut self, known: Value, value: ValueId, condition: ValueId, truth: bool) -> Value {
        self.constrain(known, value, condition, truth, MAX_DEPTH)
    }

    /// `value` after a call on it came back.
    pub(in crate::taint) fn survived(&mut self, known: Value, value: ValueId, call: ValueId) -> Value {
        self.after_call(known, value, call, None, MAX_DEPTH)
    }

    /// `value` after a loop in which each `element` has come to the end of the body as `last`.
    pub(in crate::taint) fn every_element(
        &self,
        known: Value,
        value: ValueId,
        (element, last): (ValueId, ValueId),
    ) -> Value {
        let Op::Element(iterable) = self.function.op(element) else { return known };
        if !self.comes_from(last, element, MAX_DEPTH) {
            return known;
        }
        self.all_like(known, value, *iterable, self.fact(last))
    }

    /// `value` where every element of `iterable` is like `element`.
    pub(super) fn all_like(&self, known: Value, value: ValueId, iterable: ValueId, element: &Value) -> Value {
        if let Some(view) = self.view(iterable, value) {
            return each(known, element, view);
        }
        if self.lists_nodes_of(iterable, value) { self.inspected(known, element) } else { known }
    }

    pub(super) fn constrain(
        &mut self,
        known: Value,
        value: ValueId,
        condition: ValueId,
        truth: bool,
        depth: usize,
    ) -> Value {
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
            Op::Call { .. } => {
                let known = self.after_call(known, value, condition, Some(truth), depth);
                if truth { known } else { self.falsy(known, value, condition) }
            }
            _ if !truth => self.falsy(known, value, condition),
            _ => known,
        }
    }

    /// A text that counts as false is empty. Objects of the program have a say in what they count as.
    fn falsy(&self, known: Value, value: ValueId, condition: ValueId) -> Value {
        let own = |object: &Object| matches!(object, Object::Instance(_) | Object::Class(_));
        match self.view(condition, value) {
            Some(view) if !known.objects.iter().any(own) => narrowed(known, view.widen(CharSet::NONE)),
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
                        // What is never `None` says nothing by not being it.
                        let asked = self.fact(a);
                        let truths = || asked.objects.iter().all(|one| matches!(one, Object::Truth(_)));
                        let never = asked.is_number() || !asked.objects.is_empty() && truths();
                        if object == Object::Nothing && never {
                            return known;
                        }
                        return self.constrain(known, value, a, stands_for == equal, depth - 1);
                    }
                }
                if let Some(naming) = self.names_class_of(a, value) {
                    return self.solved.registry.trees.narrowed(known, &other, naming, equal);
                }
                if equal && self.is_scheme_of(a, value) && self.are_schemes(b) {
                    return led(known);
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
        if inside && self.is_scheme_of(left, value) && self.are_schemes(right) {
            return led(known);
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
        // What nobody shows, and that is not made of what is tested.
        if OriginTable::are_unseen(origins) && self.fact(tested).origins().intersection(origins).is_none() {
            return true;
        }
        matches!(self.function.op(root), Op::Parameter(_))
            && self.root(tested) != root
            && self.fact(tested).origins().intersection(origins).is_none()
            && OriginTable::are_parameters(origins)
    }

    /// Whether all of these are beginnings of URLs, or schemes, that a program may want.
    fn lead(&self, listed: ValueId) -> bool {
        let listed = self.fact(listed);
        let entries = listed.items.iter().flat_map(|items| items.known.values());
        let all: Option<Vec<&str>> = match &listed.items {
            Some(_) => entries.map(|entry| entry.text.as_literal()).collect(),
            None => listed.text.literals(),
        };
        all.is_some_and(|all| !all.is_empty() && all.iter().all(|one| leads(one)))
    }

    /// Whether a value is the scheme of a URL: `urlparse(url).scheme`.
    fn is_scheme_of(&self, tested: ValueId, url: ValueId) -> bool {
        let Op::Attribute(parsed, name) = self.function.op(self.root(tested)) else { return false };
        let Op::Call { callee, arguments } = self.function.op(self.root(*parsed)) else { return false };
        let splits = |path: &std::rc::Rc<str>| matches!(last(path), "urlparse" | "urlsplit");
        &**name == "scheme"
            && self.fact(*callee).paths().any(splits)
            && arguments.first().is_some_and(|one| self.view(one.value, url).is_some())
    }

    /// Whether none of these schemes runs code.
    fn are_schemes(&self, listed: ValueId) -> bool {
        let listed = self.fact(listed);
        let entries = listed.items.iter().flat_map(|items| items.known.values().chain([&items.any]));
        let all: Option<Vec<Vec<&str>>> = match &listed.items {
            Some(_) => entries.filter(|entry| !entry.text.is_none()).map(|entry| entry.text.literals()).collect(),
            None => listed.text.literals().map(|texts| vec![texts]),
        };
        let wanted = |scheme: &&str| leads(&format!("{scheme}:"));
        all.is_some_and(|all| all.iter().any(|texts| !texts.is_empty()) && all.iter().flatten().all(wanted))
    }

    fn subset(&mut self, known: Value, value: ValueId, left: ValueId, right: ValueId) -> Value {
        let Some(view) = self.view(left, value).filter(|view| view.is_plain()) else { return known };
        if self.is_policy(self.collected(right), left) {
            return each(known, &Value::any(Origins::NONE), view);
        }
        let allowed = self.fact(right).clone();
        if !allowed.origins().is_none() {
            return known;
        }
        let entries = allowed.items.as_ref().map(|items| items.keys.as_ref().unwrap_or(&items.any));
        match entries.filter(|entries| !entries.is_none()) {
            Some(entries) => each(known, entries, view),
            // `set(FIELDS)`, of a constant that is elsewhere.
            None => match self.function.op(self.root(self.collected(right))) {
                Op::Unbound(_) | Op::Path(_) => each(known, &Value::any(Origins::NONE), view),
                _ => known,
            },
        }
    }

    /// What a set or list was made of as a whole: `set(FIELDS)`.
    fn collected(&self, container: ValueId) -> ValueId {
        let Op::Call { callee, arguments } = self.function.op(self.root(container)) else { return container };
        let collects = |path: &std::rc::Rc<str>| matches!(&**path, "set" | "frozenset" | "list" | "tuple");
        match arguments.as_slice() {
            [one] if self.fact(*callee).paths().any(collects) => one.value,
            _ => container,
        }
    }

    /// No element of one collection is in the other, one of which is made of constants: characters that a text lacks.
    fn apart(&self, known: Value, value: ValueId, (one, other): (ValueId, ValueId)) -> Value {
        let characters = |listed: ValueId| {
            let text = self.fact(self.collected(listed)).text.as_literal().map_or(CharSet::NONE, CharSet::of);
            let entries = self.fact(listed).items.iter().flat_map(|items| items.known.values());
            let single = entries.filter_map(|entry| entry.text.as_literal()).filter(|text| text.chars().count() == 1);
            single.fold(text, |all, text| all.union(CharSet::of(text)))
        };
        for (tested, listed) in [(one, other), (other, one)] {
            if let Some(view) = self.view(tested, value) {
                return without(known, characters(listed).difference(view.extra).difference(CharSet::OTHER));
            }
        }
        known
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
    pub(super) fn after_call(
        &mut self,
        known: Value,
        value: ValueId,
        call: ValueId,
        truth: Option<bool>,
        depth: usize,
    ) -> Value {
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
        // `TABLE.get(value)` found something.
        if let ([key], Some(table), Op::Attribute(_, name), Some(true)) =
            (arguments.as_slice(), receiver, self.function.op(*callee), truth)
            && &**name == "get"
            && self.fact(table).items.as_ref().is_some_and(|items| items.keys.is_some())
            && let Some(view) = self.view(key.value, value)
        {
            return member_of(known, self.fact(table), view);
        }
        let plain = has_plain_flags(&Arguments::new(arguments, self.facts), 2);
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
                    // A name that something has is one.
                    ("hasattr", Some(_)) if truth == Some(true) => {
                        let named = second.and_then(|second| self.view(second, value));
                        let guard = self.solved.registry.name_guard().and_then(|guard| guard.keeps).zip(named);
                        guard.map_or_else(|| known.clone(), |(keeps, view)| narrowed(known.clone(), view.widen(keeps)))
                    }
                    (path, Some(first)) if truth == Some(true) && path.ends_with(".startswith") => {
                        let asked = receiver.and_then(|receiver| self.view(receiver, value));
                        if asked.is_some() && self.lead(first) { led(known.clone()) } else { known.clone() }
                    }
                    ("bool", Some(first)) => match truth {
                        Some(truth) => self.constrain(known.clone(), value, first, truth, depth - 1),
                        None => known.clone(),
                    },
                    (path, Some(first)) if truth == Some(false) && path.ends_with(".difference") => match receiver {
                        Some(receiver) => self.subset(known.clone(), value, receiver, first),
                        None => known.clone(),
                    },
                    (path, Some(first)) if truth == Some(true) && path.ends_with(".isdisjoint") => match receiver {
                        Some(receiver) => self.apart(known.clone(), value, (receiver, first)),
                        None => known.clone(),
                    },
                    (path, Some(first)) if truth == Some(true) && path.ends_with(".issubset") => match receiver {
                        Some(receiver) => self.subset(known.clone(), value, receiver, first),
                        None => known.clone(),
                    },
                    _ => {
                        let registry = self.solved.registry;
                        let (known, subjects) = (known.clone(), (receiver, first, second));
                        let by_name = self.solved.guard_by_name(path, truth).copied();
                        match (registry.guard(path).filter(|guard| guard.matches.is_none() || plain), by_name) {
                            (Some(guard), _) => self.guarded(known, value, guard, subjects, truth),
                            (None, Some(guard)) => {
                                let known = self.guarded(known, value, &guard, subjects, truth);
                                self.guarded(known, value, &guard, (receiver, second, None), truth)
                            }
                            (None, None) => known,
                        }
                    }
                },
                Object::Function(function) | Object::Method(function) => {
                    let bound = matches!(object, Object::Method(_));
                    self.validated(known.clone(), value, call, (*function, bound), truth, depth)
                }
                _ => continue,
            };
            either(&mut result, said);
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
            let pattern = self.fact(pattern).text.as_literal().and_then(Pattern::of);
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
    pub(in crate::taint) fn passed(&mut self, known: Value, predicate: &Value) -> Value {
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
            either(&mut result, said);
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
}

/// One of several says this: only what all of them say holds.
fn either(result: &mut Option<Value>, said: Value) {
    match result {
        Some(result) => {
            result.join(&said);
        }
        None => *result = Some(said),
    }
}
