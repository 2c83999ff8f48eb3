//! `RealTrainingJob`: attempts, each an Indexed Job that is created once.

mod accept;
mod attempt;
mod children;
mod ending;
mod gang;
mod in_place;
mod leaving;
mod names;
mod observed;
mod plan;
mod poller;
mod progress;
mod queue;
mod status;
#[cfg(test)]
mod tests;

pub(crate) use attempt::{CONTAINER, place};
pub(crate) use ending::terminated;
pub use ending::{Cause, Ending};
pub(crate) use gang::{is_over, is_running};
pub use names::Names;
pub(crate) use observed::index;
pub use observed::{Children, Observed, Report};
pub(crate) use plan::follow::NO_PODS_AFTER;
pub use plan::{Deletion, Plan, Poll, Settings, plan};
pub(crate) use poller::{Poller, time};
pub(crate) use progress::MOST_CHECKPOINTS;
pub use queue::{Boost, Workload};
pub(crate) use status::{is_finished, merged};
