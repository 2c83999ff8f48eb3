//! What a value may be, beside a string.

use std::cmp::Ordering;
use std::rc::Rc;

use crate::few::Few;
use crate::ssa::{ClassId, FunctionId};

/// What an object is of which nothing is known.
pub(super) const UNKNOWN: &str = "?";

/// Most objects that are kept apart.
pub(super) const MAX_OBJECTS: usize = 80;

/// The same for a value that is widened, for all but functions and classes of the program: what is called through a value
/// that has grown that often is told by those.
pub(super) const SHAPE_OBJECTS: usize = 40;
pub(super) const TOP_OBJECTS: usize = 16;

/// What a value may be, beside a string.
#[derive(Clone, Debug, Eq)]
pub enum Object {
    /// Something from outside of the program, by dotted path: `os.system`, `sqlite3.Connection()`, `?.execute`.
    Path(Rc<str>),
    /// A function of the program.
    Function(FunctionId),
    /// A method of the program, with its receiver.
    Method(FunctionId),
    /// A class of the program.
    Class(ClassId),
    /// An instance of a class of the program.
    Instance(ClassId),
    /// `True` or `False`.
    Truth(bool),
    /// `None`.
    Nothing,
    /// This integer.
    Integer(i64),
}

impl Object {
    /// Whether it is a function, a class or an instance of a class of the program.
    pub(super) fn is_own(&self) -> bool {
        matches!(self, Self::Function(_) | Self::Method(_) | Self::Class(_) | Self::Instance(_))
    }

    /// The place of its kind in the order, and which one of it.
    fn rank(&self) -> (u8, i64) {
        match self {
            Self::Path(_) => (0, 0),
            Self::Function(id) => (1, i64::from(id.0)),
            Self::Method(id) => (2, i64::from(id.0)),
            Self::Class(id) => (3, i64::from(id.0)),
            Self::Instance(id) => (4, i64::from(id.0)),
            Self::Truth(truth) => (5, i64::from(*truth)),
            Self::Nothing => (6, 0),
            Self::Integer(integer) => (7, *integer),
        }
    }
}

// Sets of objects are copies of each other for the most part: paths are mostly the same text in memory.
impl Ord for Object {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Path(a), Self::Path(b)) if Rc::ptr_eq(a, b) => Ordering::Equal,
            (Self::Path(a), Self::Path(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Object {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Path(a), Self::Path(b)) => Rc::ptr_eq(a, b) || a == b,
            _ => self.rank() == other.rank(),
        }
    }
}

/// Joins sets of objects; says whether the first one grew. Beyond `most` it may be anything.
pub(super) fn join_objects(own: &mut Few<Object>, others: &Few<Object>, most: usize) -> bool {
    if covers_objects(own, others) {
        return false;
    }
    if own.len() + others.len() <= most {
        return own.add_all(others);
    }
    let mut grew = false;
    for object in others {
        if own.len() < most || own.len() < MAX_OBJECTS && object.is_own() {
            grew |= own.insert(object.clone());
        } else if !own.contains(object) && !has_unknown(own) {
            grew |= own.insert(Object::Path(Rc::from(UNKNOWN)));
        }
    }
    grew
}

/// Whether to join other objects changes nothing.
pub(super) fn covers_objects(own: &Few<Object>, others: &Few<Object>) -> bool {
    own.has_all(others) || own.len() >= MAX_OBJECTS && has_unknown(own)
}

pub(super) fn has_unknown(objects: &Few<Object>) -> bool {
    objects.binary_search_by(is_unknown).is_ok()
}

/// Where an object stands beside the unknown one: paths come first, by their text.
fn is_unknown(object: &Object) -> Ordering {
    match object {
        Object::Path(path) => (**path).cmp(UNKNOWN),
        _ => Ordering::Greater,
    }
}
