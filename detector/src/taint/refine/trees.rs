//! Programs that look at every node of a syntax tree before they run it.
//!
//! A node is known by the classes it may be of, as far as they matter ([`crate::rules::Trees`]). Where every node of a tree
//! has been found to be of no dangerous class, tree and text are one harmless piece in the language.

use std::rc::Rc;

use super::scene::Scene;
use crate::dotted::last;
use crate::rules::{NodeKind, Trees};
use crate::ssa::{Op, Passing, ValueId};
use crate::taint::domain::{Object, Value};
use crate::text::{CharSet, Hole};

/// How a test names the class of a node.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Naming {
    /// By a class that it is an instance of.
    Instance,
    /// By its own class.
    Class,
    /// By the name of its own class.
    Name,
}

impl Trees {
    /// A node of this tree: it may be of any class.
    pub(in crate::taint) fn node(&self, tree: &Value) -> Value {
        let mut node = Value::any(tree.origins());
        node.objects.extend(self.kinds().iter().map(|kind| Object::Path(Rc::from(kind.object.as_str()))));
        node
    }

    /// The kinds that a node may be of.
    fn kinds_of<'a>(&'a self, node: &'a Value) -> impl Iterator<Item = &'a NodeKind> {
        self.kinds().iter().filter(|kind| node.paths().any(|path| **path == *kind.object))
    }

    fn without(&self, mut node: Value, gone: impl Fn(&NodeKind) -> bool) -> Value {
        let gone: Vec<&str> = self.kinds().iter().filter(|kind| gone(kind)).map(|kind| kind.object.as_str()).collect();
        node.objects.retain(|object| !matches!(object, Object::Path(path) if gone.contains(&&**path)));
        node
    }

    /// A node after a test of its class against `classes` came out as `truth`.
    pub(super) fn narrowed(&self, node: Value, classes: &Value, naming: Naming, truth: bool) -> Value {
        let Some(names) = class_names(classes, naming) else { return node };
        let is_listed = |kind: &NodeKind| {
            names.iter().any(|name| match naming {
                Naming::Instance => kind.is_a(name),
                Naming::Class => kind.class == *name,
                Naming::Name => last(&kind.class) == *name,
            })
        };
        if truth && self.kinds().iter().any(|kind| kind.never_allowed && is_listed(kind)) {
            return node;
        }
        self.without(node, |kind| is_listed(kind) != truth)
    }
}

/// The classes that are named; none where that is not known.
fn class_names(classes: &Value, naming: Naming) -> Option<Vec<String>> {
    if !classes.origins().is_none() {
        return None;
    }
    let mut all = vec![classes];
    if let Some(items) = &classes.items {
        all = vec![&items.any];
        all.extend(items.known.values());
        all.extend(items.keys.iter());
    }
    let mut names = vec![];
    for one in all {
        if let Some(items) = &one.items {
            // Tuples in a tuple.
            names.extend(class_names(&Value { items: Some(items.clone()), ..Value::default() }, naming)?);
        } else if naming == Naming::Name {
            names.extend(one.text.literals()?.into_iter().map(str::to_owned));
        } else {
            names.extend(one.paths().map(ToString::to_string));
        }
    }
    (!names.is_empty()).then_some(names)
}

impl Scene<'_, '_> {
    /// The tree whose nodes an iterable lists, where `value` is that tree or the text it was made of.
    pub(super) fn lists_nodes_of(&self, iterable: ValueId, value: ValueId) -> bool {
        let (trees, blank) = (&self.solved.registry.trees, CharSet::of(" \t\n\r\x0b\x0c"));
        let Some(mut tree) = self.argument_of(iterable, |path| trees.walks(path)) else { return false };
        let same = |tested| self.view(tested, value).is_some_and(|view| !view.case && view.extra.within(blank));
        loop {
            if same(tree) {
                return true;
            }
            match self.argument_of(tree, |path| trees.parses(path)) {
                Some(text) if text < tree => tree = text,
                _ => return false,
            }
        }
    }

    /// The first argument of a call of something, through `list(…)` and the like.
    fn argument_of(&self, call: ValueId, wanted: impl Fn(&str) -> bool) -> Option<ValueId> {
        let mut call = self.root(call);
        loop {
            let Op::Call { callee, arguments } = self.function.op(call) else { return None };
            let first = arguments.first().filter(|one| one.passing == Passing::Positional)?.value;
            let paths: Vec<&str> = self.fact(*callee).paths().map(|path| &**path).collect();
            if paths.is_empty() {
                return None;
            }
            if paths.iter().all(|path| wanted(path)) {
                return Some(first);
            }
            if !paths.iter().all(|path| matches!(*path, "list" | "tuple" | "set" | "iter" | "reversed")) {
                return None;
            }
            call = self.root(first);
        }
    }

    /// A tree, or its text, all of whose nodes are like `node`.
    pub(super) fn inspected(&self, mut known: Value, node: &Value) -> Value {
        let trees = &self.solved.registry.trees;
        let harmless = trees.harmless_with(trees.kinds_of(node));
        let hole = known.to_hole();
        known.text = crate::text::Text::hole(Hole { closed: hole.closed.union(harmless), ..hole });
        known
    }

    /// Whether `tested` is the class of the node `value`: `type(value)`, `value.__class__`, their `__name__`.
    pub(super) fn names_class_of(&self, tested: ValueId, value: ValueId) -> Option<Naming> {
        let tested = self.root(tested);
        match self.function.op(tested) {
            Op::Attribute(class, name) if &**name == "__name__" => {
                self.names_class_of(*class, value).filter(|naming| *naming == Naming::Class).map(|_| Naming::Name)
            }
            Op::Attribute(object, name) if &**name == "__class__" => {
                (self.root(*object) == self.root(value)).then_some(Naming::Class)
            }
            Op::Call { .. } => {
                let object = self.argument_of(tested, |path| path == "type")?;
                (self.root(object) == self.root(value)).then_some(Naming::Class)
            }
            _ => None,
        }
    }

    /// A node after `tested` was found to be one of `listed`: `node.func.id in FUNCTIONS`.
    pub(super) fn told(&self, node: Value, value: ValueId, tested: ValueId, listed: &Value) -> Value {
        if !listed.origins().is_none() {
            return node;
        }
        let is_at = |path: &[String]| {
            let mut at = self.root(tested);
            for name in path.iter().rev() {
                match self.function.op(at) {
                    Op::Attribute(object, own) if **own == **name => at = self.root(*object),
                    _ => return false,
                }
            }
            at == self.root(value)
        };
        self.solved.registry.trees.without(node, |kind| kind.told_by.as_deref().is_some_and(is_at))
    }
}
