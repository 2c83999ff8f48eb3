//! Whether the pool that a job or a sweep refers to can judge answers.

use real_crds::v1alpha1::{Replicas, RewardPool};

use crate::conditions::{find, is_true};

/// Reason: there is no such pool.
pub(crate) const NOT_FOUND: &str = "RewardPoolNotFound";

/// Why the pool cannot judge answers now.
pub(crate) fn problem(name: &str, pool: Option<&RewardPool>) -> Option<(&'static str, String)> {
    let Some(pool) = pool.filter(|pool| pool.metadata.deletion_timestamp.is_none()) else {
        return Some((NOT_FOUND, format!("RewardPool {name} does not exist in this namespace")));
    };
    let status = pool.status.clone().unwrap_or_default();
    if !is_true(&status.conditions, "Ready") {
        let why = find(&status.conditions, "Ready").map(|ready| ready.message.clone()).filter(|why| !why.is_empty());
        let why = why.unwrap_or_else(|| "it has not said why".to_owned());
        return Some(("RewardPoolNotReady", format!("RewardPool {name} is not ready: {why}")));
    }
    let warm = |fleet: &str, scaling: &Replicas, ready: Option<u32>| {
        let (ready, least) = (ready.unwrap_or(0), scaling.warm_replicas.max(1));
        (ready < least)
            .then(|| ("RewardPoolNotWarm", format!("RewardPool {name} has {ready} of {least} {fleet} ready")))
    };
    warm("detectors", &pool.spec.detector.scaling, status.detector.map(|fleet| fleet.ready_replicas))
        .or_else(|| warm("sandboxes", &pool.spec.sandbox.scaling, status.sandbox.map(|fleet| fleet.ready_replicas)))
}
