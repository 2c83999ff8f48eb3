//! What the analysis has found out so far, and the functions that are to be looked at again because of it.

mod heap;
mod origins;
mod solved;
mod summaries;

pub(super) use heap::bit;
pub(super) use origins::{OriginTable, Role};
pub(super) use solved::Checks;
pub use solved::Solved;
pub(super) use summaries::Place;
