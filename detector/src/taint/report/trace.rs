//! The way of a value from its source to a sink, for people: shortest path backwards over definitions, through calls,
//! shared variables and fields.

use std::collections::VecDeque;
use std::rc::Rc;

use rustc_hash::FxHashMap;

use crate::ssa::{Cell, FunctionId, Op, Passing, ValueId};
use crate::syntax::Positions;
use crate::taint::domain::Object;
use crate::taint::frame::fact;
use crate::taint::store::Solved;
use crate::text::Origins;
use real_detector_api::TraceStep;

/// Values looked at for one trace and for all of a program, and steps shown, at most.
const MAX_VISITED: usize = 4000;
const MAX_LOOKED_AT: usize = 400_000;
const MAX_STEPS: usize = 24;

type Node = (FunctionId, ValueId);

/// Finds the ways of values, with what it needs to know about the whole program.
pub(super) struct Tracer<'a, 'p> {
    solved: &'a Solved<'p>,
    positions: &'a Positions<'a>,
    stores: FxHashMap<&'p Cell, Vec<Node>>,
    fields: FxHashMap<&'p Rc<str>, Vec<Node>>,
    /// How many values may still be looked at.
    left: usize,
}

impl<'a, 'p> Tracer<'a, 'p> {
    pub(super) fn new(solved: &'a Solved<'p>, positions: &'a Positions<'a>) -> Self {
        let (mut stores, mut fields) = (FxHashMap::<_, Vec<Node>>::default(), FxHashMap::<_, Vec<Node>>::default());
        for (i, function) in solved.program.functions.iter().enumerate() {
            for instruction in &function.values {
                match &instruction.op {
                    Op::Store(cell, value) => stores.entry(cell).or_default().push((FunctionId(i as u32), *value)),
                    Op::SetAttribute(_, name, value) => {
                        fields.entry(name).or_default().push((FunctionId(i as u32), *value));
                    }
                    _ => {}
                }
            }
        }
        Self { solved, positions, stores, fields, left: MAX_LOOKED_AT }
    }

    /// Steps from source to sink. Where too much was looked at already they are the sink alone, which says so.
    pub(super) fn trace(&mut self, sink: Node, call: Node, origins: Origins) -> Vec<TraceStep> {
        let (solved, positions) = (self.solved, self.positions);
        if self.left == 0 {
            let mut steps = vec![];
            let note = format!(
                "sink: {} (the program has too many findings to follow each to its source)",
                excerpt(solved, positions, call)
            );
            push(&mut steps, solved, positions, call, note);
            return steps;
        }
        let mut came_from: FxHashMap<Node, Option<Node>> = FxHashMap::default();
        came_from.insert(sink, None);
        let mut queue = VecDeque::from([sink]);
        let mut source = None;
        while let Some(node) = queue.pop_front() {
            if let Some(note) = solved.origins.note(node, origins) {
                source = Some((node, note));
                break;
            }
            if came_from.len() > MAX_VISITED || self.left == 0 {
                break;
            }
            let before = self.predecessors(node);
            self.left = self.left.saturating_sub(1 + before.len());
            for next in before {
                let tainted = solved.solutions[next.0.0 as usize]
                    .as_ref()
                    .is_some_and(|solution| fact(&solution.facts, next.1).origins().0 & origins.0 != 0);
                if tainted && !came_from.contains_key(&next) {
                    came_from.insert(next, Some(node));
                    queue.push_back(next);
                }
            }
        }
        let mut steps: Vec<TraceStep> = vec![];
        let mut at = source.as_ref().map(|(node, _)| *node);
        while let Some(node) = at {
            let op = solved.program.function(node.0).op(node.1);
            let first = steps.is_empty();
            let note = match (&source, op) {
                (Some((_, note)), _) if first => Some(format!("source: {note}")),
                (
                    _,
                    Op::Refine { .. }
                    | Op::Survived { .. }
                    | Op::Phi(_)
                    | Op::Join(_)
                    | Op::Load(_)
                    | Op::EachElement { .. },
                ) => None,
                (_, Op::Parameter(index)) => {
                    let function = solved.program.function(node.0);
                    Some(format!("passed as `{}` to `{}`", function.parameters[*index].name, function.name))
                }
                _ => Some(excerpt(solved, positions, node)),
            };
            if let Some(note) = note {
                push(&mut steps, solved, positions, node, note);
            }
            at = came_from.get(&node).copied().flatten();
        }
        push(&mut steps, solved, positions, call, format!("sink: {}", excerpt(solved, positions, call)));
        if steps.len() > MAX_STEPS {
            steps.drain(MAX_STEPS / 2..steps.len() - MAX_STEPS / 2);
        }
        steps
    }

    /// Where the value of a node may come from.
    fn predecessors(&self, (id, value): Node) -> Vec<Node> {
        let solved = self.solved;
        let function = solved.program.function(id);
        let mut found = vec![];
        let op = function.op(value);
        match op {
            Op::Parameter(index) => {
                for (caller, call) in solved.sites.get(&id).into_iter().flatten() {
                    let Op::Call { arguments, .. } = solved.program.function(*caller).op(*call) else { continue };
                    let bound = usize::from(function.method_of.is_some());
                    let meant = |(i, argument): (usize, &crate::ssa::Argument)| match &argument.passing {
                        Passing::Positional => i + bound == *index || i == *index,
                        Passing::Keyword(name) => function.parameters[*index].name == *name,
                        Passing::Star | Passing::DoubleStar => true,
                    };
                    for (i, argument) in arguments.iter().enumerate() {
                        if meant((i, argument)) {
                            found.push((*caller, argument.value));
                        }
                    }
                }
            }
            Op::Load(cell) => found.extend(self.stores.get(cell).into_iter().flatten().take(MAX_VISITED)),
            Op::Attribute(object, name) => {
                found.push((id, *object));
                found.extend(self.fields.get(name).into_iter().flatten().take(MAX_VISITED));
            }
            Op::Call { callee, .. } => {
                op.operands(|operand| found.push((id, operand)));
                if let Op::Attribute(object, _) = function.op(*callee) {
                    found.push((id, *object));
                }
                let Some(solution) = &solved.solutions[id.0 as usize] else { return found };
                for object in &fact(&solution.facts, *callee).objects {
                    let (Object::Function(target) | Object::Method(target)) = object else { continue };
                    let yields = solved.program.function(*target).yields.iter().map(|value| (*target, *value));
                    let returns = solved.solutions[target.0 as usize].iter().flat_map(|solution| &solution.returns);
                    found.extend(returns.map(|value| (*target, *value)).chain(yields));
                }
            }
            Op::Refine { value, .. } | Op::Survived { value, .. } | Op::EachElement { value, .. } => {
                found.push((id, *value));
            }
            Op::Mutated(container, call) => {
                found.push((id, *container));
                if let Op::Call { arguments, .. } = function.op(*call) {
                    found.extend(arguments.iter().map(|argument| (id, argument.value)));
                }
            }
            _ => op.operands(|operand| found.push((id, operand))),
        }
        found
    }
}

/// The one step of what is wrong by itself.
pub(super) fn only(solved: &Solved<'_>, positions: &Positions<'_>, sink: Node) -> Vec<TraceStep> {
    let mut steps = vec![];
    push(&mut steps, solved, positions, sink, format!("here: {}", excerpt(solved, positions, sink)));
    steps
}

fn push(steps: &mut Vec<TraceStep>, solved: &Solved<'_>, positions: &Positions<'_>, place: Node, note: String) {
    let span = solved.program.function(place.0).written_at(place.1);
    let at = positions.at(span.start as usize);
    let step = TraceStep { line: at.line, column: at.column, note };
    if steps.last().is_none_or(|last| (last.line, &last.note) != (step.line, &step.note)) {
        steps.push(step);
    }
}

fn excerpt(solved: &Solved<'_>, positions: &Positions<'_>, node: Node) -> String {
    let span = solved.program.function(node.0).written_at(node.1);
    positions.excerpt(span.start as usize, span.end as usize, 80)
}
