//! Rules and library models: data files, checked when they are loaded.

mod embedded;
mod registry;
mod schema;
mod trees;

pub use registry::{Effect, Guard, Open, Registry, RegistryError, Sink, registry};
pub use schema::{ArgumentAt, Condition, Matching, Of, Part, Returns, Rule};
pub use trees::{NodeKind, Trees};
