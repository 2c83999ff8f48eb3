//! Rules and library models: data files, checked when they are loaded.

mod embedded;
mod known;
mod load;
mod models;
pub mod pages;
mod paths;
mod registry;
mod schema;
mod trees;

pub use crate::text::Matching;
pub use known::Known;
pub use load::{RegistryError, registry};
pub use models::{Effect, Guard, Leave, Open, Sink};
pub use registry::Registry;
pub use schema::{
    ArgumentAt, Condition, ConstantModel, Guarding, Is, ObligationModel, Of, Part, Protected, RegexModel, Returns,
    Rule, Whose,
};
pub use trees::{NodeKind, Trees};
