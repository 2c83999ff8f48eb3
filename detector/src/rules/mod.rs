//! Rules and library models: data files, checked when they are loaded.

mod embedded;
pub mod pages;
mod registry;
mod schema;
mod trees;

pub use crate::text::Matching;
pub use registry::{Effect, Guard, Known, Leave, Open, Registry, RegistryError, Sink, registry};
pub use schema::{
    ArgumentAt, Condition, ConstantModel, Guarding, Is, ObligationModel, Of, Part, Protected, RegexModel, Returns,
    Rule, Whose,
};
pub use trees::{NodeKind, Trees};
