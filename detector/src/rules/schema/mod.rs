//! The form of rule files (`rules/{flow,constant,obligation}/*.yaml`) and library models (`rules/library/*.yaml`).

mod arguments;
mod calls;
mod library;
mod obligations;
mod rule;
mod sinks;

pub(super) use arguments::{Alongside, Unless};
pub use arguments::{ArgumentAt, Condition, Guarding, Part};
pub(super) use calls::{CallModel, GuardModel, SourceModel};
pub use calls::{Of, Returns};
pub(super) use library::{LibraryFile, TreeModel, ValidatorModel};
pub use obligations::{ConstantModel, Is, ObligationModel, Protected};
pub use rule::Rule;
pub use sinks::{RegexModel, Whose};
