//! Tests of a changed copy of a value.

use super::scene::{MAX_DEPTH, Scene};
use crate::ssa::{Op, Passing, ValueId};
use crate::taint::domain::{Value, View};
use crate::taint::frame::Arguments;
use crate::text::CharSet;

impl Scene<'_, '_> {
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
}
