//! `RealEvalSweep`: cells, each an Indexed Job that is created once, an index a shard of the suite's tasks.

mod accept;
mod cell_job;
mod cells;
mod children;
mod cron;
mod index;
mod observed;
mod outcome;
mod plan;
mod schedule;
mod settings;
mod status;
mod table;
mod targets;
#[cfg(test)]
mod tests;

pub use cells::MOST_CELLS;
pub use observed::{Children, NamespaceSeen, Observed};
pub use outcome::RESULT;
pub(crate) use outcome::is_queued;
pub(crate) use plan::Names;
pub use plan::{Deletion, Plan, Record, Settings, plan};
pub(crate) use status::is_finished;
pub use targets::{ALLOWED, OPT_IN};
