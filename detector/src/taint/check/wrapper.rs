//! What is called and not shown, and functions of the program that hand on to it what they are given:
//! `def run(self, statement): return self.db.query(statement)`.
//!
//! Where many callers hand them different texts, the join of those is any text, and what is handed on is of no language any more. What
//! one caller gives is known where it calls.

use crate::ssa::{FunctionId, Op, Passing, ValueId, origin};
use crate::taint::domain::{Object, Value};
use crate::taint::frame::fact;
use crate::taint::store::Solved;

/// Whether a function of the program that is called hands an argument on to something unknown, and its form is lost by then.
pub(super) fn loses(solved: &Solved<'_>, targets: &Value, (index, passing): (usize, &Passing), given: &Value) -> bool {
    targets.objects.iter().any(|target| {
        let (id, bound) = match target {
            Object::Function(id) => (*id, false),
            Object::Method(id) => (*id, true),
            _ => return false,
        };
        let function = solved.program.function(id);
        let parameter = match passing {
            Passing::Positional => Some(index + usize::from(bound && function.method_of.is_some())),
            Passing::Keyword(name) => function.parameters.iter().position(|parameter| parameter.name == *name),
            Passing::Star | Passing::DoubleStar => None,
        };
        parameter.is_some_and(|parameter| hands_on(solved, (id, parameter), given))
    })
}

fn hands_on(solved: &Solved<'_>, (id, parameter): (FunctionId, usize), given: &Value) -> bool {
    let Some(solution) = &solved.solutions[id.0 as usize] else { return false };
    let function = solved.program.function(id);
    let values = &function.values;
    let is_it = |value: ValueId| matches!(function.op(origin(values, value)), Op::Parameter(own) if *own == parameter);
    let Some(own) = values.iter().position(|one| matches!(one.op, Op::Parameter(own) if own == parameter)) else {
        return false;
    };
    let kept = solution.facts[own].text.templates();
    if given.text.templates().iter().all(|template| kept.contains(template)) {
        return false;
    }
    values.iter().any(|instruction| match &instruction.op {
        Op::Call { callee, arguments } => {
            solution.reached[instruction.block.0 as usize]
                && arguments.iter().any(|argument| is_it(argument.value))
                && is_unknown(solved, fact(&solution.facts, *callee))
        }
        _ => false,
    })
}

/// Whether nothing is known about what is called.
pub(super) fn is_unknown(solved: &Solved<'_>, targets: &Value) -> bool {
    let mut objects = targets.objects.iter().peekable();
    let registry = solved.registry;
    objects.peek().is_none()
        || objects.all(|object| match object {
            // An object, by its name, that is called.
            Object::Path(path) => path.ends_with("()") || registry.is_unknown(path),
            Object::Function(_) | Object::Method(_) | Object::Class(_) | Object::Instance(_) => false,
            Object::Truth(_) | Object::Nothing | Object::Integer(_) => true,
        })
}
