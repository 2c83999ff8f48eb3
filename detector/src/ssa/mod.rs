//! The program in static single assignment form: what the analyses read.
//!
//! Every value is the result of one instruction. Beside φ-nodes there are *refinements*: where a branch tests a variable,
//! both edges give it a new name that remembers the test and its outcome (extended SSA, Bodik et al., PLDI 2000). A guard
//! is thereby a fact about a value and needs no separate flow state.

mod builder;
mod dominators;
mod function;
mod op;
mod origin;
mod program;

pub use builder::{Builder, Closed, Variable};
pub use dominators::Dominators;
pub use function::{
    Block, Declared, Function, Instruction, Parameter, ParameterKind, Route, Terminator, reverse_post_order,
};
pub use op::{
    Argument, BinaryOp, BlockId, Cell, ClassId, CompareOp, Container, FunctionId, Literal, Op, Passing, Piece, Span,
    ValueId,
};
pub use origin::{origin, origins};
pub use program::{Class, Program};
