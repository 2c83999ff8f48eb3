//! The way of a value from its source to a sink, for people: shortest path backwards over definitions, through calls,
//! shared variables and fields.

use std::collections::{HashMap, VecDeque};

use super::solver::Solved;
use super::transfer::fact;
use super::value::Object;
use crate::ssa::{FunctionId, Op, Passing, ValueId};
use crate::syntax::Positions;
use crate::text::Origins;
use real_detector_api::TraceStep;

/// Values looked at, and steps shown, at most.
const MAX_VISITED: usize = 4000;
const MAX_STEPS: usize = 24;

type Node = (FunctionId, ValueId);

/// Steps from source to sink.
pub(super) fn trace(
    solved: &Solved<'_>,
    positions: &Positions<'_>,
    sink: Node,
    call: Node,
    origins: Origins,
) -> Vec<TraceStep> {
    let mut came_from: HashMap<Node, Option<Node>> = HashMap::from([(sink, None)]);
    let mut queue = VecDeque::from([sink]);
    let mut source = None;
    while let Some(node) = queue.pop_front() {
        if let Some(origin) = solved
            .origins
            .iter()
            .enumerate()
            .find(|(i, origin)| (origin.function, origin.value) == node && origins.0 & Origins::one(*i).0 != 0)
        {
            source = Some((node, origin.1.note.clone()));
            break;
        }
        if let Some(note) = solved.unknown.get(&node)
            && !origins.intersection(Origins::UNKNOWN).is_none()
        {
            source = Some((node, note.clone()));
            break;
        }
        if came_from.len() > MAX_VISITED {
            break;
        }
        for next in predecessors(solved, node) {
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
            (_, Op::Refine { .. } | Op::Survived { .. } | Op::Phi(_) | Op::Load(_) | Op::EachElement { .. }) => None,
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

fn push(steps: &mut Vec<TraceStep>, solved: &Solved<'_>, positions: &Positions<'_>, place: Node, note: String) {
    let span = solved.program.function(place.0).span(place.1);
    let at = positions.at(span.start as usize);
    let step = TraceStep { line: at.line, column: at.column, note };
    if steps.last().is_none_or(|last| (last.line, &last.note) != (step.line, &step.note)) {
        steps.push(step);
    }
}

fn excerpt(solved: &Solved<'_>, positions: &Positions<'_>, node: Node) -> String {
    let span = solved.program.function(node.0).span(node.1);
    positions.excerpt(span.start as usize, span.end as usize, 80)
}

/// Where the value of a node may come from.
fn predecessors(solved: &Solved<'_>, (id, value): Node) -> Vec<Node> {
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
        Op::Load(cell) => {
            for (i, other) in solved.program.functions.iter().enumerate() {
                for instruction in &other.values {
                    if let Op::Store(stored, value) = &instruction.op
                        && stored == cell
                    {
                        found.push((FunctionId(i as u32), *value));
                    }
                }
            }
        }
        Op::Attribute(object, name) => {
            found.push((id, *object));
            for (i, other) in solved.program.functions.iter().enumerate() {
                for instruction in &other.values {
                    if let Op::SetAttribute(_, stored, value) = &instruction.op
                        && stored == name
                    {
                        found.push((FunctionId(i as u32), *value));
                    }
                }
            }
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
