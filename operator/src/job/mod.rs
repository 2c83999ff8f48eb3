//! `RealTrainingJob`: attempts, each an Indexed Job that is created once.

mod accept;
mod attempt;
mod children;
mod ending;
mod gang;
mod names;
mod observed;
mod plan;
mod poller;
mod progress;
mod status;
#[cfg(test)]
mod tests;

pub use ending::{Cause, Ending};
pub use names::Names;
pub use observed::{Children, Observed, Refusal, Report};
pub use plan::{Deletion, Plan, Poll, Settings, plan};
pub(crate) use poller::Poller;
