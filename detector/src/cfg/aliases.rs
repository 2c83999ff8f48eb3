//! Other names of a container that is changed in place: `m = parts`, `w = query["where"]`, `for group in groups`.
//!
//! Names and the expressions they were bound from are remembered in the order of the text. Where a container changes
//! through one of them, the others get the new value: for certain where they are the same SSA value, else as one of two.

use ruff_python_ast::{Expr, ExprCall};

use super::names::literal;
use super::{Lowerer, span_of};
use crate::ssa::{Instruction, Op, Span, ValueId};

/// Expressions that a name stands for, and names of an expression, at most.
const MAX_NAMES: usize = 4;
/// Deepest expression that names are remembered for.
const MAX_DEPTH: usize = 4;
/// Names that one change is passed on to within each other.
const MAX_CHAIN: usize = 4;
/// Definitions behind a value that are looked at.
const MAX_BASES: usize = 16;

/// What a name was bound from.
#[derive(Clone, Copy)]
pub(super) enum Source<'a> {
    /// The object that an expression gives.
    Same(&'a Expr),
    /// Some element of what an expression gives.
    Element(&'a Expr),
}

impl<'a> Source<'a> {
    fn expression(self) -> &'a Expr {
        match self {
            Self::Same(expression) | Self::Element(expression) => expression,
        }
    }
}

/// Other names of what a name or an expression stands for.
#[derive(Default)]
pub(super) struct Names<'a> {
    /// By name: what it was bound from.
    sources: Vec<(&'a str, Source<'a>)>,
    /// Expressions through which a change is being passed on.
    passing: Vec<String>,
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
    /// Remembers what a name is bound from.
    pub(super) fn note_alias(&mut self, target: &'a Expr, value: &'a Expr) {
        let Expr::Name(name) = target else { return };
        match value {
            Expr::Name(_) | Expr::Attribute(_) | Expr::Subscript(_) if key(value, MAX_DEPTH).is_some() => {
                self.note_source(&name.id, Source::Same(value));
            }
            Expr::Call(call) if entry_call(call).is_some() => self.note_source(&name.id, Source::Same(value)),
            Expr::If(choice) => [&choice.body, &choice.orelse].into_iter().for_each(|one| self.note_alias(target, one)),
            Expr::BoolOp(operation) => operation.values.iter().for_each(|one| self.note_alias(target, one)),
            _ => {}
        }
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
        if let (Expr::Name(name), Some(_)) = (target, key(iterable, MAX_DEPTH)) {
            self.note_source(&name.id, Source::Element(iterable));
        }
    }

    fn note_source(&mut self, name: &'a str, source: Source<'a>) {
        let names = &mut self.context().names.sources;
        if names.iter().filter(|(own, _)| *own == name).count() < MAX_NAMES {
            names.push((name, source));
        }
    }

    /// Whether a name may stand for an object that has other names.
    pub(super) fn has_names(&mut self, expression: &Expr) -> bool {
        let Some(own) = key(expression, MAX_DEPTH) else { return false };
        let names = &self.context().names.sources;
        names.iter().any(|(name, source)| **name == own || key(source.expression(), MAX_DEPTH).as_ref() == Some(&own))
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
        names.passing.push(own.clone());
        let mut held = vec![];
        let mut sources = vec![];
        for (name, source) in &names.sources {
            if **name == own {
                sources.push(*source);
            } else if matches!(source, Source::Same(_)) && key(source.expression(), MAX_DEPTH).as_ref() == Some(&own) {
                held.push(*name);
            }
        }
        held.truncate(MAX_NAMES);
        let reads = self.mark();
        for source in sources {
            self.change_source(source, old, new);
        }
        for name in held {
            self.change_held(name, old, new);
        }
        self.context().reads.truncate(reads);
        self.context().names.passing.pop();
    }

    fn change_source(&mut self, source: Source<'a>, old: ValueId, new: ValueId) {
        let expression = source.expression();
        let span = span_of(expression);
        match source {
            Source::Element(_) => {
                let all = self.expression(expression);
                let changed = self.push(Op::WithItem(all, None, new), span);
                self.change(expression, all, changed);
            }
            Source::Same(Expr::Call(call)) => self.change_entry(call, new),
            Source::Same(_) => {
                let now = self.expression(expression);
                if let Some(changed) = self.either(now, old, new, span) {
                    self.change(expression, now, changed);
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

    fn change_held(&mut self, name: &'a str, old: ValueId, new: ValueId) {
        let now = self.read_name(name, Span::default());
        let Some(changed) = self.either(now, old, new, Span::default()) else { return };
        self.write_name(name, changed, Span::default());
        // Names of that name.
        let further: Vec<&'a str> = self
            .context()
            .names
            .sources
            .iter()
            .filter(|(_, source)| matches!(source, Source::Same(Expr::Name(of)) if of.id.as_str() == name))
            .map(|(name, _)| *name)
            .take(MAX_NAMES)
            .collect();
        if self.context().names.passing.len() >= MAX_CHAIN {
            return;
        }
        self.context().names.passing.push(name.to_owned());
        for further in further {
            if !self.context().names.passing.iter().any(|one| one == further) {
                self.change_held(further, old, new);
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
