//! Whether what a function is told decides over what it does: by a test that can come out both ways and asks for more
//! than that something was told at all, or by a call that may refuse.

use std::rc::Rc;

use crate::dotted::last;
use crate::rules::Returns;
use crate::ssa::{Argument, BlockId, CompareOp, FunctionId, Literal, Op, Terminator, ValueId, origin};
use crate::taint::domain::Object;
use crate::taint::frame::{Scope, Test};

/// Parts of conditions that are looked into, and ways to a return.
const MAX_DEPTH: usize = 6;
/// Blocks that are followed from an exception handler.
const MAX_BLOCKS: usize = 400;

/// Calls that say no more of a value than that there is one, and of which kind.
const KINDS: &[&str] = &["isinstance", "issubclass", "callable", "hasattr", "type", "id", "hash", "repr", "print"];
/// Classes of which anybody's values are.
const PLAIN: &[&str] =
    &["str", "int", "float", "bool", "bytes", "dict", "list", "tuple", "set", "object", "collections.abc.Mapping"];

/// The truth that the text of the program gives a condition, whatever there is: that of a literal, or of a function of the
/// program that returns nothing else.
fn fixed_truth(scope: &Scope<'_, '_>, condition: ValueId) -> Option<bool> {
    let literal = |literal: &Literal| match literal {
        Literal::Bool(truth) => Some(*truth),
        Literal::Integer(integer) => Some(*integer != 0),
        Literal::Text(text) => Some(!text.is_empty()),
        Literal::None => Some(false),
        Literal::Number => None,
    };
    match scope.function.op(scope.root(condition)) {
        Op::Literal(one) => literal(one),
        Op::Not(inner) => match scope.function.op(scope.root(*inner)) {
            Op::Literal(one) => literal(one).map(|truth| !truth),
            _ => None,
        },
        Op::Call { callee, .. } => {
            let [Object::Function(function) | Object::Method(function)] = scope.fact(*callee).objects[..] else {
                return None;
            };
            let code = scope.solved.program.function(function);
            let returns = &scope.solved.solutions[function.0 as usize].as_ref()?.returns;
            let truths: Vec<bool> = returns
                .iter()
                .map(|value| match code.op(origin(&code.values, *value)) {
                    Op::Literal(one) => literal(one),
                    _ => None,
                })
                .collect::<Option<_>>()?;
            let first = *truths.first()?;
            truths.iter().all(|truth| *truth == first).then_some(first)
        }
        _ => None,
    }
}

/// Whether a value says no more than that something is missing: `None`, `""`, `0`, an empty container.
fn is_nothing(scope: &Scope<'_, '_>, value: ValueId) -> bool {
    match scope.function.op(scope.root(value)) {
        Op::Literal(Literal::None) => true,
        Op::Literal(Literal::Text(text)) => text.is_empty(),
        Op::Display(_, items) => items.is_empty(),
        Op::Mapping(items) => items.is_empty(),
        _ => false,
    }
}

/// What a call measures: the argument of `len`.
fn measured(scope: &Scope<'_, '_>, value: ValueId) -> Option<ValueId> {
    let Op::Call { callee, arguments } = scope.function.op(scope.root(value)) else { return None };
    let is_len = scope.fact(*callee).paths().any(|path| &**path == "len");
    arguments.first().filter(|_| is_len).map(|one| one.value)
}

/// Whether a test asks for no more of a parameter than that something is there: `if user:`, `signature is not None`,
/// `len(text) > 0`, `isinstance(role, str)`, `user == user`; or comes out the same whatever there is.
pub(super) fn is_empty_test(scope: &Scope<'_, '_>, condition: ValueId) -> bool {
    is_empty_within(scope, condition, MAX_DEPTH)
}

fn is_empty_within(scope: &Scope<'_, '_>, condition: ValueId, depth: usize) -> bool {
    let Some(depth) = depth.checked_sub(1) else { return false };
    let at = scope.root(condition);
    if fixed_truth(scope, condition).is_some() {
        return true;
    }
    let parameter = |value: ValueId| scope.as_parameter(value).is_some();
    match scope.function.op(at) {
        Op::Not(inner) => is_empty_within(scope, *inner, depth),
        Op::Logic(and, parts) => {
            parts.iter().any(|part| fixed_truth(scope, *part) == Some(!and))
                || parts.iter().all(|part| is_empty_within(scope, *part, depth))
        }
        Op::Parameter(index) => !is_consent(scope, *index),
        Op::Compare(op, left, right) => {
            let same = scope.root(*left) == scope.root(*right);
            let nothing = is_nothing(scope, *left) || is_nothing(scope, *right);
            let sized = |one: ValueId, other: ValueId| {
                measured(scope, one).is_some_and(parameter)
                    && matches!(scope.function.op(scope.root(other)), Op::Literal(Literal::Integer(..=1)))
            };
            same || nothing && !matches!(op, CompareOp::In | CompareOp::NotIn)
                || sized(*left, *right)
                || sized(*right, *left)
        }
        Op::Call { callee, arguments } => {
            let named = |names: &[&str]| scope.fact(*callee).paths().any(|path| names.contains(&&**path));
            if named(&["isinstance", "issubclass"]) {
                // To be of a class of the program's own may say who somebody is.
                return arguments.get(1).is_some_and(|class| is_plain_class(scope, class.value));
            }
            if named(&["bool", "len"]) {
                return arguments.first().is_some_and(|one| is_empty_within(scope, one.value, depth));
            }
            named(KINDS)
        }
        _ => false,
    }
}

fn is_plain_class(scope: &Scope<'_, '_>, class: ValueId) -> bool {
    let known = scope.fact(class);
    let classes: Vec<&Rc<str>> = match &known.items {
        Some(items) => items.any.paths().collect(),
        None => known.paths().collect(),
    };
    !classes.is_empty() && classes.iter().all(|path| PLAIN.contains(&&***path))
}

/// Whether a parameter says yes or no by itself: `is_admin`, `allowed: bool`.
fn is_consent(scope: &Scope<'_, '_>, parameter: usize) -> bool {
    let parameter = &scope.function.parameters[parameter];
    let first = parameter.name.trim_start_matches('_').split('_').next().unwrap_or_default();
    parameter.annotation.as_deref() == Some("bool")
        || matches!(first, "is" | "has" | "can" | "may" | "allowed" | "permitted" | "authorized" | "permission")
}

/// Whether a parameter has a say in a value, also by which way control took to it.
fn is_about(scope: &Scope<'_, '_>, value: ValueId, parameter: usize, depth: usize) -> bool {
    let slice = scope.slice(value);
    if scope.parameters_in(&slice).contains(&parameter) {
        return true;
    }
    let Some(depth) = depth.checked_sub(1) else { return false };
    let mut joins: Vec<ValueId> =
        slice.iter().copied().filter(|one| matches!(scope.function.op(*one), Op::Phi(_))).collect();
    joins.sort_unstable();
    joins.into_iter().take(MAX_DEPTH).any(|join| {
        let ways = &scope.function.blocks[scope.block(join).0 as usize].predecessors;
        ways.iter()
            .take(MAX_DEPTH)
            .any(|way| scope.tests(*way).iter().any(|(condition, _)| is_test_of(scope, *condition, parameter, depth)))
    })
}

/// Whether a condition asks something of a parameter.
fn is_test_of(scope: &Scope<'_, '_>, condition: ValueId, parameter: usize, depth: usize) -> bool {
    is_about(scope, condition, parameter, depth) && !is_empty_test(scope, condition)
}

/// The tests of a parameter that decide over a block.
pub(super) fn tests_of(scope: &Scope<'_, '_>, block: BlockId, parameter: usize) -> Vec<Test> {
    let mut tests = scope.tests(block);
    tests.retain(|(condition, _)| is_test_of(scope, *condition, parameter, 2));
    tests
}

/// Whether a parameter decides that a block runs: by a test, or by a call before it that may refuse.
pub(super) fn decides(
    scope: &Scope<'_, '_>,
    block: BlockId,
    parameter: usize,
    is_void: &dyn Fn(&Test) -> bool,
) -> bool {
    tests_of(scope, block, parameter).iter().any(|test| !is_void(test)) || is_refused_before(scope, block, parameter)
}

/// Whether a parameter decides which of its ways a value takes: a conditional expression, a variable that is set under a test.
pub(super) fn chooses(scope: &Scope<'_, '_>, value: ValueId, parameter: usize) -> bool {
    let proof = |one: &ValueId| match scope.function.op(*one) {
        Op::Compare(..) => is_test_of(scope, *one, parameter, 0),
        Op::Call { callee, .. } => !is_inert(scope, *callee) && is_test_of(scope, *one, parameter, 0),
        _ => false,
    };
    let decided = match scope.function.op(scope.root(value)) {
        Op::Logic(and, parts) => parts.iter().any(|part| fixed_truth(scope, *part) == Some(!and)),
        _ => false,
    };
    !decided && !is_empty_test(scope, value) && scope.slice(value).iter().any(proof)
}

/// The blocks in which a value leaves the function, by whichever way it comes to a `return`.
pub(super) fn ways_out(scope: &Scope<'_, '_>, returns: &[(BlockId, ValueId)], value: ValueId) -> Vec<BlockId> {
    let carried = returns.iter().filter(|(_, one)| scope.slice(*one).contains(&value));
    carried.map(|(block, _)| *block).collect()
}

/// What a function returns, with the block in which it was decided that it is this: a conditional expression and a variable
/// that is set under a test are taken apart.
pub(super) fn returns(scope: &Scope<'_, '_>) -> Vec<(BlockId, ValueId)> {
    let mut found = vec![];
    for (index, block) in scope.function.blocks.iter().enumerate() {
        let id = BlockId(index as u32);
        if let Terminator::Return(returned) = block.terminator
            && scope.is_reached(id)
        {
            add_ways(scope, (id, returned), MAX_DEPTH, &mut found);
        }
    }
    found
}

fn add_ways(
    scope: &Scope<'_, '_>,
    (block, returned): (BlockId, ValueId),
    depth: usize,
    found: &mut Vec<(BlockId, ValueId)>,
) {
    let at = scope.root(returned);
    let from = &scope.function.blocks[scope.block(at).0 as usize].predecessors;
    match scope.function.op(at) {
        Op::Phi(operands) if depth > 0 && operands.len() == from.len() && found.len() < MAX_BLOCKS => {
            for (operand, way) in operands.iter().zip(from).filter(|(operand, _)| **operand != at) {
                if scope.is_reached(*way) {
                    add_ways(scope, (*way, *operand), depth - 1, found);
                }
            }
        }
        _ => found.push((block, returned)),
    }
}

/// Whether a call is made before a block that is given a parameter and may refuse to come back.
fn is_refused_before(scope: &Scope<'_, '_>, block: BlockId, parameter: usize) -> bool {
    scope.function.values.iter().any(|instruction| {
        let Op::Call { callee, arguments } = &instruction.op else { return false };
        let about = |value: ValueId| scope.parameters_in(&scope.slice(value)).contains(&parameter);
        let given = arguments.iter().any(|one| about(one.value));
        let asked = scope.method(*callee).is_some_and(|(object, _)| about(object));
        (given || asked)
            && scope.is_reached(instruction.block)
            && scope.dominates(instruction.block, block)
            && may_refuse(scope, *callee)
            && !is_caught(scope, instruction.block, block)
    })
}

/// Whether what a block raises is caught and control comes to another all the same.
fn is_caught(scope: &Scope<'_, '_>, from: BlockId, to: BlockId) -> bool {
    let mut work: Vec<BlockId> = scope.function.blocks[from.0 as usize].handlers.clone();
    let mut seen = work.clone();
    while let Some(at) = work.pop() {
        if at == to {
            return true;
        }
        scope.function.successors(at, |next| {
            if !seen.contains(&next) && seen.len() < MAX_BLOCKS {
                seen.push(next);
                work.push(next);
            }
        });
    }
    false
}

/// Whether a call may raise because of what it is given, as far as anybody can tell.
fn may_refuse(scope: &Scope<'_, '_>, callee: ValueId) -> bool {
    scope.fact(callee).objects.iter().any(|object| match object {
        Object::Function(function) | Object::Method(function) => refuses(scope, *function),
        Object::Path(_) => !is_inert(scope, callee),
        _ => false,
    })
}

/// Whether a function of the program raises, or calls what may.
fn refuses(scope: &Scope<'_, '_>, function: FunctionId) -> bool {
    let code = scope.solved.program.function(function);
    let Some(solution) = &scope.solved.solutions[function.0 as usize] else { return true };
    let raises = code
        .blocks
        .iter()
        .zip(&solution.reached)
        .any(|(block, reached)| *reached && block.terminator == Terminator::Stop);
    raises
        || code.values.iter().any(|instruction| match &instruction.op {
            Op::Call { callee, .. } => solution.facts[callee.0 as usize].objects.iter().any(|object| match object {
                Object::Function(_) | Object::Method(_) => true,
                Object::Path(path) => !is_inert_path(scope, path),
                _ => false,
            }),
            _ => false,
        })
}

/// Whether a call only shows, keeps, changes or measures what it is given.
pub(super) fn is_inert(scope: &Scope<'_, '_>, callee: ValueId) -> bool {
    let mut paths = scope.fact(callee).paths().peekable();
    paths.peek().is_some() && paths.all(|path| is_inert_path(scope, path))
}

fn is_inert_path(scope: &Scope<'_, '_>, path: &str) -> bool {
    const NAMES: &[&str] = &[
        "print",
        "format",
        "debug",
        "info",
        "warning",
        "warn",
        "error",
        "exception",
        "log",
        "append",
        "add",
        "remove",
        "discard",
        "put",
        "write",
        "update",
        "compare_digest",
        "insert",
        "extend",
        "sleep",
        "copy",
        "setdefault",
    ];
    let name = last(path);
    let makes = scope.solved.registry.effect(path);
    // `int(text)` raises, but not for who asks.
    NAMES.contains(&name)
        || KINDS.contains(&path)
        || makes.is_some_and(|effect| !matches!(effect.returns, Returns::Attribute))
}

/// What a call does to which object, under whichever form: `object.name(…)`, `getattr(object, "name")(…)`,
/// `dict.name(object, …)`.
pub(super) fn invoked<'p>(
    scope: &Scope<'_, 'p>,
    callee: ValueId,
    arguments: &'p [Argument],
) -> Option<(ValueId, &'p str, &'p [Argument])> {
    const CLASSES: &[&str] = &["dict", "list", "set", "str", "collections.deque", "collections.OrderedDict", "object"];
    if let Op::Call { callee: inner, arguments: looked_up } = scope.function.op(scope.root(callee)) {
        let getattr = scope.fact(*inner).paths().any(|path| &**path == "getattr");
        let [object, name] = &looked_up[..] else { return None };
        return scope.as_text(name.value).filter(|_| getattr).map(|name| (object.value, name, arguments));
    }
    let (object, name) = scope.method(callee)?;
    if scope.fact(object).paths().any(|path| CLASSES.contains(&&**path))
        && let Some((first, rest)) = arguments.split_first()
    {
        return Some((first.value, name, rest));
    }
    Some((object, name, arguments))
}
