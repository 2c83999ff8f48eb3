//! Other names of a container that is changed in place: `m = parts`, `w = query["where"]`, `for group in groups`.
//!
//! Names and the expressions they were bound from are remembered in the order of the text. Where a container changes
//! through one of them, the others get the new value: for certain where they are the same SSA value, else as one of two.

use ruff_python_ast::{Expr, ExprAttribute, ExprCall};

use super::context::Source;
use super::names::{Resolved, literal};
use super::scope::{MUTATORS, Scope};
use super::{Lowerer, span_of};
use crate::ssa::{Cell, Instruction, Literal, Op, Span, ValueId};

/// Expressions that a name stands for, and names of an expression, at most.
const MAX_NAMES: usize = 4;
/// Deepest expression that names are remembered for.
const MAX_DEPTH: usize = 4;
/// Names that one change is passed on to within each other.
const MAX_CHAIN: usize = 4;
/// Definitions behind a value that are looked at.
const MAX_BASES: usize = 16;
/// Entries of a display that are remembered, and variables that are read again after a call.
const MAX_ENTRIES: usize = 16;
const MAX_RELOADED: usize = 8;

impl Source<'_> {
    /// The place as text.
    fn key(&self) -> Option<String> {
        match self {
            Self::Same(expression) | Self::Element(expression) | Self::Kept(expression, _) => {
                key(expression, MAX_DEPTH)
            }
            Self::Entry(holder, entry, _) => Some(format!("{}[{entry:?}]", key(holder, MAX_DEPTH)?)),
        }
    }
}

/// An expression that reads a place, as text; none where it is something else.
fn key(expression: &Expr, depth: usize) -> Option<String> {
    let depth = depth.checked_sub(1)?;
    match expression {
        Expr::Name(name) => Some(name.id.to_string()),
        Expr::Attribute(attribute) => Some(format!("{}.{}", key(&attribute.value, depth)?, attribute.attr)),
        Expr::Subscript(subscript) => {
            let index = match &*subscript.slice {
                Expr::Name(name) => name.id.to_string(),
                index => format!("{:?}", literal(index)?),
            };
            Some(format!("{}[{index}]", key(&subscript.value, depth)?))
        }
        _ => None,
    }
}

/// `container.setdefault(key, …)`, `container.get(key)`: container and key.
pub(super) fn entry_call(call: &ExprCall) -> Option<(&Expr, &Expr)> {
    let method = call.func.as_attribute_expr()?;
    let known = matches!(method.attr.as_str(), "setdefault" | "get" | "__getitem__");
    let index = call.arguments.args.first().filter(|index| known && !index.is_starred_expr())?;
    Some((&method.value, index))
}

impl<'a> Lowerer<'a> {
    /// Remembers what a name is bound from, and where it is put.
    pub(super) fn note_alias(&mut self, target: &'a Expr, value: &'a Expr) {
        match (target, value) {
            (Expr::Tuple(targets), Expr::Tuple(values)) if targets.len() == values.len() => {
                targets.iter().zip(values).for_each(|(target, value)| self.note_alias(target, value));
            }
            (Expr::Name(_), Expr::Dict(dict)) => {
                for item in dict.items.iter().take(MAX_ENTRIES) {
                    if let Some(entry) = item.key.as_ref().and_then(literal) {
                        self.note_entry(target, entry, &item.value);
                    }
                }
            }
            (Expr::Name(_), Expr::List(_) | Expr::Tuple(_)) => {
                for (index, item) in entries(value).iter().enumerate().take(MAX_ENTRIES) {
                    self.note_entry(target, Literal::Integer(index as i64), item);
                }
            }
            (Expr::Name(name), Expr::Attribute(method)) if MUTATORS.contains(&method.attr.as_str()) => {
                if let Resolved::Own(variable) = self.resolve(&name.id) {
                    let value = self.builder().read(&variable);
                    self.context().names.methods.insert(&name.id, (method, value));
                }
            }
            (Expr::Name(name), _) => self.note_name(&name.id, target, value),
            (Expr::Attribute(_) | Expr::Subscript(_), Expr::Name(name)) => {
                if let Some(held) = self.value_of(&name.id) {
                    self.note_source(&name.id, Source::Kept(target, held));
                }
            }
            _ => {}
        }
    }

    fn note_name(&mut self, name: &'a str, target: &'a Expr, value: &'a Expr) {
        match value {
            Expr::Name(_) | Expr::Attribute(_) | Expr::Subscript(_) => self.note_source(name, Source::Same(value)),
            Expr::Call(call) if entry_call(call).is_some() => self.note_source(name, Source::Same(value)),
            Expr::If(choice) => [&choice.body, &choice.orelse].into_iter().for_each(|one| self.note_alias(target, one)),
            Expr::BoolOp(operation) => operation.values.iter().for_each(|one| self.note_alias(target, one)),
            _ => {}
        }
    }

    /// Remembers that a name stands in a display.
    fn note_entry(&mut self, holder: &'a Expr, entry: Literal, item: &'a Expr) {
        if let Expr::Name(name) = item
            && let Some(held) = self.value_of(&name.id)
        {
            self.note_source(&name.id, Source::Entry(holder, entry, held));
        }
    }

    /// What a variable of this function holds, where that may be a container.
    fn value_of(&mut self, name: &str) -> Option<ValueId> {
        let Resolved::Own(variable) = self.resolve(name) else { return None };
        let builder = self.builder();
        let value = builder.read(&variable);
        let plain = matches!(
            builder.values[value.0 as usize].op,
            Op::Literal(_) | Op::Path(_) | Op::Function(_) | Op::Class(_) | Op::Format(_)
        );
        (!plain).then_some(value)
    }

    /// Remembers what the variable of a loop is an element of.
    pub(super) fn note_element(&mut self, target: &'a Expr, iterable: &'a Expr) {
        let iterable = match iterable {
            Expr::Call(call) if call.arguments.args.is_empty() => match call.func.as_attribute_expr() {
                Some(method) if method.attr.as_str() == "values" => &*method.value,
                _ => return,
            },
            iterable => iterable,
        };
        let Expr::Name(name) = target else { return };
        for item in entries(iterable).iter().take(MAX_ENTRIES).filter(|item| item.is_name_expr()) {
            self.note_source(&name.id, Source::Same(item));
        }
        self.note_source(&name.id, Source::Element(iterable));
    }

    fn note_source(&mut self, name: &'a str, source: Source<'a>) {
        let place = source.key();
        // What a call gave has no place of its own, but is changed where it was got from.
        if place.is_none() && !matches!(source, Source::Same(Expr::Call(_))) {
            return;
        }
        let names = &mut self.context().names;
        let of_name = names.by_name.entry(name).or_default();
        if of_name.len() < MAX_NAMES {
            of_name.push(names.sources.len());
            if let Some(place) = place {
                names.by_place.entry(place).or_default().push(names.sources.len());
            }
            names.sources.push((name, source));
        }
    }

    /// Whether a name may stand for an object that has other names.
    pub(super) fn has_names(&mut self, expression: &Expr) -> bool {
        let names = &self.context().names;
        if names.sources.is_empty() {
            return false;
        }
        let Some(own) = key(expression, MAX_DEPTH) else { return false };
        names.by_name.contains_key(&*own) || names.by_place.contains_key(&own)
    }

    /// The method that a name stands for, as it was written: `parts.append`.
    pub(super) fn method_behind(&mut self, name: &str, value: ValueId) -> Option<(&'a ExprAttribute, ValueId)> {
        let (method, bound) = *self.context().names.methods.get(name)?;
        let values = &self.builder().values;
        let behind = crate::ssa::origin(values, value);
        (behind == crate::ssa::origin(values, bound) && matches!(values[behind.0 as usize].op, Op::Attribute(..)))
            .then_some((method, behind))
    }

    /// After a call that may run functions defined here: variables whose containers these change are read again.
    pub(super) fn reload(&mut self, call: &ExprCall, span: Span) {
        if self.context().changed_inside.is_empty() {
            return;
        }
        let by_name = |callee: &Expr| callee.is_name_expr();
        let hands_on = |one: &Expr| one.is_lambda_expr() || one.is_name_expr();
        let given = &call.arguments;
        let mut keywords = given.keywords.iter().map(|keyword| &keyword.value);
        let may_run = by_name(&call.func) && self.static_path(&call.func).is_none()
            || given.args.iter().any(hands_on)
            || keywords.any(hands_on);
        if !may_run {
            return;
        }
        let names = self.context().changed_inside.clone();
        for name in names {
            let Resolved::Own(variable) = self.resolve(&name) else { continue };
            let shared = Cell { scope: self.context().id, name };
            let loaded = self.push(Op::Load(shared), span);
            let now = self.builder().read(&variable);
            let either = self.push(Op::Logic(false, vec![now, loaded]), span);
            self.builder().write(&variable, either);
        }
    }

    /// Tells the owners of variables that a function has changed their containers.
    pub(super) fn tell_owners(&mut self, scope: &Scope<'a>) {
        for name in scope.changed.iter().filter(|name| !scope.bound.contains_key(*name)) {
            let owner = self.contexts.iter_mut().rev().find(|context| context.scope.owns(name));
            if let Some(owner) = owner
                && owner.changed_inside.len() < MAX_RELOADED
            {
                owner.changed_inside.insert(name.clone());
            }
        }
    }

    /// Gives a container that was changed in place its new value, under all its names.
    pub(super) fn change(&mut self, container: &'a Expr, old: ValueId, new: ValueId) {
        self.assign_back(container, new);
        self.change_names(container, old, new);
    }

    /// Gives the other names of a container that was changed in place its new value.
    pub(super) fn change_names(&mut self, container: &'a Expr, old: ValueId, new: ValueId) {
        if self.context().names.sources.is_empty() {
            return;
        }
        let Some(own) = key(container, MAX_DEPTH) else { return };
        let names = &mut self.context().names;
        if names.passing.len() >= MAX_CHAIN || names.passing.contains(&own) {
            return;
        }
        let of_name = names.by_name.get(&*own).into_iter().flatten();
        let sources: Vec<Source<'a>> = of_name.map(|index| names.sources[*index].1.clone()).collect();
        let of_place = names.by_place.get(&own).into_iter().flatten().map(|index| &names.sources[*index]);
        let held: Vec<(&'a str, Source<'a>)> = of_place
            .filter(|(name, source)| **name != own && !matches!(source, Source::Element(_)))
            .take(MAX_NAMES)
            .cloned()
            .collect();
        names.passing.push(own);
        let reads = self.mark();
        for source in sources {
            self.change_source(&source, old, new);
        }
        for (name, source) in held {
            // What was put there is what it was put as.
            let (before, certain) = match source {
                Source::Entry(.., value) | Source::Kept(_, value) => (value, false),
                Source::Same(_) | Source::Element(_) => (old, true),
            };
            self.change_held(name, before, new, certain);
        }
        self.context().reads.truncate(reads);
        self.context().names.passing.pop();
    }

    fn change_source(&mut self, source: &Source<'a>, old: ValueId, new: ValueId) {
        match source {
            Source::Element(expression) => {
                let all = self.expression(expression);
                let changed = self.push(Op::WithItem(all, None, new), span_of(*expression));
                self.change(expression, all, changed);
            }
            Source::Same(Expr::Call(call)) => self.change_entry(call, new),
            Source::Same(expression) => {
                let now = self.expression(expression);
                if let Some(changed) = self.either(now, old, new, span_of(*expression)) {
                    self.change(expression, now, changed);
                }
            }
            Source::Entry(holder, entry, value) => {
                if shares_base(&self.builder().values, old, *value) {
                    let span = span_of(*holder);
                    let all = self.expression(holder);
                    let entry = self.push(Op::Literal(entry.clone()), span);
                    let changed = self.push(Op::WithItem(all, Some(entry), new), span);
                    self.change(holder, all, changed);
                }
            }
            Source::Kept(place, value) => {
                if shares_base(&self.builder().values, old, *value) {
                    self.assign_back(place, new);
                }
            }
        }
    }

    /// What was got out of a container by a call was changed in it.
    pub(super) fn change_entry(&mut self, call: &'a ExprCall, changed: ValueId) {
        let Some((container, index)) = entry_call(call) else { return };
        let all = self.expression(container);
        let index = self.expression(index);
        let with = self.push(Op::WithItem(all, Some(index), changed), span_of(call));
        self.change(container, all, with);
    }

    fn change_held(&mut self, name: &'a str, old: ValueId, new: ValueId, certain: bool) {
        let now = self.read_name(name, Span::default());
        let changed = if certain {
            self.either(now, old, new, Span::default())
        } else {
            shares_base(&self.builder().values, now, old)
                .then(|| self.push(Op::Logic(false, vec![now, new]), Span::default()))
        };
        let Some(changed) = changed else { return };
        self.write_name(name, changed, Span::default());
        // Names of that name.
        let names = &self.context().names;
        let of_place = names.by_place.get(name).into_iter().flatten().map(|index| &names.sources[*index]);
        let further: Vec<&'a str> = of_place
            .filter(|(_, source)| matches!(source, Source::Same(_)))
            .map(|(name, _)| *name)
            .take(MAX_NAMES)
            .collect();
        if names.passing.len() >= MAX_CHAIN {
            return;
        }
        self.context().names.passing.push(name.to_owned());
        for further in further {
            if !self.context().names.passing.iter().any(|one| one == further) {
                self.change_held(further, old, new, true);
            }
        }
        self.context().names.passing.pop();
    }

    /// What `now` is after `old` became `new`; none where it is something else.
    fn either(&mut self, now: ValueId, old: ValueId, new: ValueId, span: Span) -> Option<ValueId> {
        let values = &self.builder().values;
        if now == new {
            return None;
        }
        if crate::ssa::origin(values, now) == crate::ssa::origin(values, old) {
            return Some(new);
        }
        may_be_same(values, now, old, MAX_DEPTH).then(|| self.push(Op::Logic(false, vec![now, new]), span))
    }
}

/// The definitions that a value is one of, however changed since.
fn bases(values: &[Instruction], value: ValueId) -> Vec<ValueId> {
    let mut seen = vec![value];
    let mut found = vec![];
    let mut looked_up: Vec<ValueId>;
    let mut next = 0;
    while let Some(&one) = seen.get(next) {
        next += 1;
        let behind: &[ValueId] = match &values[one.0 as usize].op {
            Op::Refine { value, .. }
            | Op::Survived { value, .. }
            | Op::EachElement { value, .. }
            | Op::Same(value)
            | Op::InPlace(value, _)
            | Op::Mutated(value, _)
            | Op::WithItem(value, ..) => std::slice::from_ref(value),
            Op::Phi(operands) | Op::Join(operands) | Op::Logic(false, operands) if !operands.is_empty() => operands,
            // An entry of a container that stands there.
            Op::Item(container, at) => match &values[crate::ssa::origin(values, *container).0 as usize].op {
                Op::Display(_, items) if items.iter().all(|(_, starred)| !starred) && *at < items.len() => {
                    looked_up = vec![items[*at].0];
                    &looked_up
                }
                _ => {
                    found.push(one);
                    continue;
                }
            },
            Op::Element(container) => match &values[crate::ssa::origin(values, *container).0 as usize].op {
                Op::Display(_, items) if items.len() <= MAX_BASES => {
                    looked_up = items.iter().map(|(item, _)| *item).collect();
                    &looked_up
                }
                _ => {
                    found.push(one);
                    continue;
                }
            },
            _ => {
                found.push(one);
                continue;
            }
        };
        for value in behind {
            if seen.len() < MAX_BASES && !seen.contains(value) {
                seen.push(*value);
            }
        }
    }
    found
}

/// Whether two values may be one object, however changed since.
fn shares_base(values: &[Instruction], a: ValueId, b: ValueId) -> bool {
    let left = bases(values, a);
    bases(values, b).iter().any(|one| left.contains(one))
}

/// The items of a display.
fn entries(display: &Expr) -> &[Expr] {
    match display {
        Expr::List(list) => &list.elts,
        Expr::Tuple(tuple) => &tuple.elts,
        _ => &[],
    }
}

fn may_be_same(values: &[Instruction], a: ValueId, b: ValueId, depth: usize) -> bool {
    let Some(depth) = depth.checked_sub(1) else { return false };
    let (left, right) = (bases(values, a), bases(values, b));
    left.iter().any(|a| {
        right.iter().any(|b| {
            a == b
                || match (&values[a.0 as usize].op, &values[b.0 as usize].op) {
                    (Op::Load(a), Op::Load(b)) => a == b,
                    (Op::Attribute(a, one), Op::Attribute(b, other)) => {
                        one == other && may_be_same(values, *a, *b, depth)
                    }
                    (Op::Subscript(a, one), Op::Subscript(b, other)) => {
                        may_be_same(values, *a, *b, depth) && same_key(values, *one, *other)
                    }
                    // A loop whose end is not lowered yet: what comes around may be the same.
                    (Op::Phi(operands), _) | (_, Op::Phi(operands)) => operands.is_empty(),
                    _ => false,
                }
        })
    })
}

fn same_key(values: &[Instruction], a: ValueId, b: ValueId) -> bool {
    match (&values[a.0 as usize].op, &values[b.0 as usize].op) {
        (Op::Literal(a), Op::Literal(b)) => a == b,
        _ => true,
    }
}
