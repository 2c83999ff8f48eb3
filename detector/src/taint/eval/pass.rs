//! The solution of one function, in the making.

use std::rc::Rc;

use crate::ssa::{Function, FunctionId};
use crate::taint::domain::Value;
use crate::taint::store::Solved;

/// The solution of one function, in the making.
pub(super) struct Pass<'s, 'p> {
    pub(super) solved: &'s mut Solved<'p>,
    pub(super) id: FunctionId,
    pub(super) function: &'p Function,
    /// Who is to be solved again where what was read grows.
    pub(super) reader: FunctionId,
    /// What one call gives the parameters; all calls together where it is none.
    pub(super) given: Option<Rc<[Option<Value>]>>,
}
