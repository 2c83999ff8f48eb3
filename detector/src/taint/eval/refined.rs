//! What tests leave of values.

use super::pass::Pass;
use crate::ssa::ValueId;
use crate::taint::domain::Value;
use crate::taint::frame::fact;
use crate::taint::refine::Scene;

impl<'p> Pass<'_, 'p> {
    fn scene<'a>(&'a mut self, facts: &'a [Value]) -> Scene<'a, 'p> {
        Scene::new(self.solved, self.id, facts)
    }

    /// `value` where `condition` came out as `truth`.
    pub(super) fn refine(&mut self, value: ValueId, condition: ValueId, truth: bool, facts: &[Value]) -> Value {
        let known = fact(facts, value).clone();
        let mut scene = self.scene(facts);
        scene.tested(known, value, condition, truth)
    }

    /// `value` after a call on it came back.
    pub(super) fn survived(&mut self, value: ValueId, call: ValueId, facts: &[Value]) -> Value {
        let known = fact(facts, value).clone();
        let mut scene = self.scene(facts);
        let known = scene.survived(known, value, call);
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
