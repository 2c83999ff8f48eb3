//! The fixpoint engine, written once for all analyses over SSA.
//!
//! An analysis gives a join semi-lattice of facts and says what each instruction makes of the facts of its operands. The
//! engine visits blocks in reverse post-order, only those that control reaches, and visits again what depends on a fact
//! that grew, until nothing does (sparse conditional propagation after Wegman and Zadeck, TOPLAS 1991). It terminates
//! because every fact is a [`Slot`], whose height is bounded: an instruction is evaluated at most as often as the facts that
//! its block reads grow.

mod engine;
mod graph;
mod lattice;
mod slot;

pub use engine::{Analysis, Solution, Ways, solve};
pub use graph::Graph;
pub use lattice::{Lattice, Widening};
pub use slot::{Growth, Slot};
