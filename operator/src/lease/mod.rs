//! Leader election by a `coordination.k8s.io` Lease: of all replicas of the operator, at most one writes.
//!
//! * [`election`]: the decision, pure.
//! * [`Elector`]: acquires, renews and releases.
//! * [`Guard`]: what a writer asks before it writes; false by time alone, so a replica that is cut off stops by itself.
//!
//! Why two never write at once: the guard counts from the *start* of the last renewal that succeeded, and stops a margin before
//! the lease ends. Everybody else counts the whole lease from when they *saw* that renewal, which is later. Only the rates of
//! the machines' clocks matter, never their times of day.

pub mod election;
mod elector;
mod guard;
mod identity;
mod record;
mod timing;

pub use elector::{Elector, Lost};
pub use guard::{Guard, NotLeader};
pub use identity::Identity;
pub use timing::{Timing, TimingError};

#[cfg(test)]
mod apiserver;
