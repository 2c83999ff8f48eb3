//! `RewardPool`: a fleet of detectors and a fleet of sandboxes, their network, and their size.
//!
//! [`plan`] is pure: it compares what the pool says with what was [`Observed`] and answers with a [`Plan`]. Whoever acts
//! on it deletes first, then applies in the order given, then writes the status, and hands [`Plan::memory`] back with
//! the next observation.

pub mod child;
pub mod children;
pub mod fleet;
pub(crate) mod gate;
pub(crate) mod load;
pub mod observed;
mod plan;
pub mod scaling;
mod settings;
pub mod status;
pub mod tally;
#[cfg(test)]
mod tests;

pub use child::{Child, ChildRef, Kind};
pub use fleet::Fleet;
pub(crate) use fleet::endpoints;
pub use observed::{Consumers, Demand, FleetLoad, Observed};
pub use plan::{Plan, plan};
pub use scaling::ScalingMemory;
pub use settings::Settings;

use kube::ResourceExt;
use real_crds::v1alpha1::RewardPool;

/// Runtime class that the pool's sandboxes are to run under; whoever observes looks whether the cluster has it.
pub fn runtime_class(pool: &RewardPool) -> Option<&str> {
    let sandbox = &pool.spec.sandbox;
    let of_patch = || sandbox.pod_patch.as_ref()?.runtime_class_name.as_deref();
    sandbox.runtime_class_name.as_deref().or_else(of_patch)
}

/// Base URL of a fleet's Service, for people and clients that do not spread by themselves.
pub fn url(pool: &RewardPool, fleet: Fleet) -> String {
    let namespace = pool.namespace().unwrap_or_default();
    format!("http://{}.{namespace}.svc:{}", fleet.name_in(&pool.name_any()), crate::labels::HTTP_PORT)
}
