//! Data that outlives a call: containers of the module, of an object, or bound nowhere in the program.

use super::breach::Breach;
use super::guards::{invoked, is_empty_test};
use crate::ssa::{BinaryOp, CompareOp, FunctionId, Literal, Op, Passing, ValueId};
use crate::taint::domain::Object;
use crate::taint::frame::{Scope, Test};

/// Methods that change what they are called on.
const CHANGES: &[&str] = &[
    "append",
    "add",
    "remove",
    "discard",
    "pop",
    "update",
    "insert",
    "extend",
    "clear",
    "setdefault",
    "__delitem__",
    "__setitem__",
    "put",
    "put_nowait",
    "appendleft",
    "popitem",
];
/// Calls that give a container with the same entries.
const COPIES: &[&str] = &["dict", "list", "copy.copy", "copy.deepcopy", "types.MappingProxyType"];
/// Methods that let a container grow.
const GROWTH: &[&str] = &["append", "appendleft", "add", "put", "put_nowait", "insert", "extend"];
/// Methods by which a container loses something.
const EVICTION: &[&str] = &["pop", "popleft", "popitem", "clear", "remove", "__delitem__", "get", "get_nowait"];

/// Deepest `a[b][c]…` that is followed.
const MAX_STEPS: usize = 12;

/// Where an entry of shared data is read or changed.
pub(super) struct SharedPlace {
    pub(super) value: ValueId,
    /// The container.
    pub(super) root: ValueId,
    /// Whether the entry is changed.
    pub(super) writes: bool,
    /// Parameters that name it, or that say what it becomes where it is changed.
    pub(super) parameters: Vec<usize>,
    /// Parameters that are written into it.
    pub(super) written: Vec<usize>,
    /// Parameters that name the entry.
    pub(super) names: Vec<usize>,
    /// Whether a caller names the entry.
    pub(super) keyed: bool,
    /// The innermost key that a caller names.
    pub(super) key: Option<ValueId>,
}

/// A container that outlives the call, with the keys that lead into it.
pub(super) struct Store {
    pub(super) root: ValueId,
    keys: Vec<ValueId>,
    /// Whether it belongs to an object rather than to the module.
    of_object: bool,
}

/// The shared container behind a value.
pub(super) fn store(scope: &Scope<'_, '_>, value: ValueId) -> Option<Store> {
    let mut keys = vec![];
    let mut at = scope.root(value);
    for _ in 0..MAX_STEPS {
        at = match scope.function.op(at) {
            Op::Subscript(container, key) => {
                keys.push(*key);
                *container
            }
            Op::WithItem(container, key, _) => {
                keys.extend(key);
                *container
            }
            Op::Mutated(container, _) => *container,
            Op::Attribute(object, _) => {
                if scope.function.method_of.is_some() && scope.as_parameter(*object) == Some(0) {
                    return Some(Store { root: at, keys, of_object: true });
                }
                *object
            }
            Op::Call { callee, arguments } => match invoked(scope, *callee, arguments) {
                Some((object, "get" | "setdefault" | "pop" | "__getitem__", arguments)) => {
                    keys.extend(arguments.first().map(|one| one.value));
                    object
                }
                // A copy has the same entries.
                _ if scope.fact(*callee).paths().any(|path| COPIES.contains(&&**path)) => arguments.first()?.value,
                _ => return None,
            },
            Op::Path(path) | Op::Unbound(path) => {
                let shared = !path.contains('.') && scope.solved.registry.effect(path).is_none();
                return shared.then_some(Store { root: at, keys, of_object: false });
            }
            Op::Load(cell) => {
                let callable = |object: &Object| {
                    matches!(object, Object::Function(_) | Object::Method(_) | Object::Class(_) | Object::Instance(_))
                };
                let known = scope.fact(at);
                let container =
                    known.items.is_some() || known.paths().next().is_some() && known.text.literals().is_none();
                let shared = cell.scope == FunctionId(0) && container && !known.objects.iter().any(callable);
                return shared.then_some(Store { root: at, keys, of_object: false });
            }
            _ => return None,
        };
        at = scope.root(at);
    }
    None
}

/// Whether two containers are the same.
pub(super) fn is_same(scope: &Scope<'_, '_>, a: ValueId, b: ValueId) -> bool {
    match (scope.function.op(a), scope.function.op(b)) {
        (Op::Path(a) | Op::Unbound(a), Op::Path(b) | Op::Unbound(b)) => a == b,
        (Op::Load(a), Op::Load(b)) => a == b,
        _ => a == b,
    }
}

/// All places of a function where a caller names an entry of shared data.
pub(super) fn shared_places(scope: &Scope<'_, '_>) -> Vec<SharedPlace> {
    let mut found = vec![];
    for (i, instruction) in scope.function.values.iter().enumerate() {
        if !scope.is_reached(instruction.block) {
            continue;
        }
        let value = ValueId(i as u32);
        let (store, writes, data) = match &instruction.op {
            Op::Subscript(..) => (store(scope, value), false, vec![]),
            Op::WithItem(container, key, item) => {
                let mut found = store(scope, *container);
                if let Some(found) = &mut found {
                    found.keys.extend(key);
                }
                (found, true, vec![*item])
            }
            Op::Call { callee, arguments } => match invoked(scope, *callee, arguments) {
                Some((_, "get" | "__getitem__", _)) => (store(scope, value), false, vec![]),
                Some((object, name, arguments)) if CHANGES.contains(&name) => {
                    let mut found = store(scope, object);
                    let by_key = usize::from(matches!(name, "__delitem__" | "__setitem__" | "pop"));
                    if let Some(found) = &mut found {
                        found.keys.extend(arguments.iter().take(by_key).map(|one| one.value));
                    }
                    (found, true, arguments.iter().skip(by_key).map(|one| one.value).collect())
                }
                _ => continue,
            },
            _ => continue,
        };
        let Some(store) = store else { continue };
        let named = |value: &ValueId| scope.parameters_in(&scope.slice(*value));
        let own = usize::from(scope.function.method_of.is_some());
        let mut parameters: Vec<usize> = store.keys.iter().flat_map(named).collect();
        let keyed = parameters.iter().any(|index| *index >= own);
        let by = parameters.clone();
        let written: Vec<usize> = data.iter().flat_map(named).collect();
        if writes {
            parameters.extend(&written);
        }
        parameters.retain(|index| *index >= own);
        let key = store.keys.iter().chain(&data).copied().find(|key| named(key).iter().any(|index| *index >= own));
        if !parameters.is_empty() {
            found.push(SharedPlace { value, root: store.root, writes, parameters, written, names: by, keyed, key });
        }
    }
    found
}

/// Where a container of the module grows by what a caller sends, every time and without an end.
pub(super) fn growth(scope: &Scope<'_, '_>) -> Vec<Breach> {
    let mut found = vec![];
    for (i, instruction) in scope.function.values.iter().enumerate() {
        let value = ValueId(i as u32);
        if !scope.is_reached(instruction.block) {
            continue;
        }
        let named = |value: ValueId| !scope.parameters_in(&scope.slice(value)).is_empty();
        let (container, data) = match &instruction.op {
            Op::Call { callee, arguments } => match invoked(scope, *callee, arguments) {
                Some((object, name, arguments)) if GROWTH.contains(&name) => {
                    (object, arguments.iter().map(|one| one.value).collect::<Vec<_>>())
                }
                // `CONTAINER.update({key: value})`
                Some((object, "update", [one])) => match scope.function.op(scope.root(one.value)) {
                    Op::Mapping(items) if items.iter().any(|(key, _)| key.is_some_and(named)) => {
                        (object, vec![one.value])
                    }
                    _ => continue,
                },
                Some((object, "__setitem__", [key, item])) if named(key.value) => (object, vec![item.value]),
                _ => continue,
            },
            // `CONTAINER = CONTAINER + [item]`, `CONTAINER += [item]`
            Op::Store(cell, grown) => match scope.function.op(scope.root(*grown)) {
                Op::Binary(BinaryOp::Add, container, more) if is_list(scope, *more) => {
                    let root = scope.root(*container);
                    if !matches!(scope.function.op(root), Op::Load(loaded) if loaded == cell) {
                        continue;
                    }
                    (root, vec![*more])
                }
                _ => continue,
            },
            Op::WithItem(container, Some(key), item) => {
                // A change of an entry is written back into what holds it.
                let back = matches!(scope.function.op(scope.root(*item)), Op::WithItem(..) | Op::Mutated(..));
                let constant = matches!(scope.function.op(scope.root(*key)), Op::Literal(_));
                if back || constant || scope.parameters_in(&scope.slice(*key)).is_empty() {
                    continue;
                }
                (*container, vec![*item])
            }
            _ => continue,
        };
        let Some(store) = store(scope, container) else { continue };
        let Some(sent) = data.iter().copied().find(|one| !scope.parameters_in(&scope.slice(*one)).is_empty()) else {
            continue;
        };
        if store.of_object
            || is_imported(scope, store.root)
            || scope.tests(instruction.block).iter().any(|test| may_bound(scope, *test, store.root))
            || is_bounded(scope, store.root)
            || is_read_modify_write(scope, sent, store.root)
        {
            continue;
        }
        found.push((value, Some((sent, scope.fact(sent).origins()))));
    }
    found
}

/// Sizes from which on a limit is none.
const HUGE: i64 = 10_000_000;

/// Whether a test may keep a container from growing: not one of what is put into it alone, nor of the size of another
/// container, nor one that always comes out the same.
fn may_bound(scope: &Scope<'_, '_>, (condition, truth): Test, container: ValueId) -> bool {
    let at = scope.root(condition);
    if is_empty_test(scope, condition) {
        return false;
    }
    match scope.function.op(at) {
        Op::Not(inner) => may_bound(scope, (*inner, !truth), container),
        Op::Compare(CompareOp::Order, left, right) => {
            let huge = |side: ValueId| matches!(scope.function.op(scope.root(side)), Op::Literal(Literal::Integer(size)) if !(1..HUGE).contains(size));
            let other = |side: ValueId| match scope.function.op(scope.root(side)) {
                Op::Call { callee, arguments } if scope.fact(*callee).paths().any(|path| &**path == "len") => arguments
                    .first()
                    .and_then(|one| store(scope, one.value))
                    .is_some_and(|measured| !is_same(scope, measured.root, container)),
                _ => false,
            };
            ![*left, *right].into_iter().any(|side| huge(side) || other(side))
        }
        _ => true,
    }
}

fn is_list(scope: &Scope<'_, '_>, value: ValueId) -> bool {
    matches!(scope.function.op(scope.root(value)), Op::Display(..))
}

/// Whether a name is imported: what its methods do, the program does not show.
fn is_imported(scope: &Scope<'_, '_>, root: ValueId) -> bool {
    let known = scope.fact(root);
    // Calls of its methods make it look like a container; one that the program makes has no name from elsewhere.
    matches!(scope.function.op(root), Op::Load(_))
        && (known.items.is_none() || known.paths().next().is_some())
        && known.paths().all(|path| !path.ends_with("()"))
}

/// Whether what is stored is made of what was there.
fn is_read_modify_write(scope: &Scope<'_, '_>, item: ValueId, root: ValueId) -> bool {
    scope.slice(item).iter().any(|one| {
        matches!(scope.function.op(*one), Op::Subscript(..) | Op::Call { .. })
            && store(scope, *one).is_some_and(|other| is_same(scope, other.root, root))
    })
}

/// Whether a container has a largest size, or the function takes something out of it.
fn is_bounded(scope: &Scope<'_, '_>, root: ValueId) -> bool {
    let evicts = scope.function.values.iter().filter(|one| scope.is_reached(one.block)).any(|one| match &one.op {
        Op::Call { callee, .. } => scope.method(*callee).is_some_and(|(object, name)| {
            EVICTION.contains(&name) && store(scope, object).is_some_and(|other| is_same(scope, other.root, root))
        }),
        _ => false,
    });
    let Op::Load(cell) = scope.function.op(root) else { return evicts };
    let module = scope.solved.program.function(FunctionId(0));
    let limited = module.values.iter().any(|instruction| match &instruction.op {
        Op::Store(stored, made) if stored == cell => match module.op(*made) {
            Op::Call { arguments, .. } => arguments.iter().any(|one| match &one.passing {
                // `maxsize=0` and `maxlen=None` are no limits.
                Passing::Keyword(name) => {
                    matches!(&**name, "maxlen" | "maxsize")
                        && !matches!(
                            module.op(one.value),
                            Op::Literal(Literal::None | Literal::Integer(..=0)) | Op::Binary(BinaryOp::Arithmetic, ..)
                        )
                }
                Passing::Positional => matches!(module.op(one.value), Op::Literal(Literal::Integer(1..))),
                _ => false,
            }),
            _ => false,
        },
        _ => false,
    });
    evicts || limited
}
