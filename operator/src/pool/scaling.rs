//! The built-in autoscaler: how many replicas a fleet should have.
//!
//! **What is measured.** Requests in the system, waiting and worked on. By Little's law that is arrival rate × time in
//! the system, so it is how many requests have to be held at once whatever the reason: more of them, or slower ones. CPU would say
//! little, since sandboxes mostly wait. One replica is meant for `targetQueueDepthPerReplica` of them, so
//! `desired = ⌈(waiting + running) / target⌉`, which is the rule of Kubernetes' `HorizontalPodAutoscaler` for a metric
//! with an `AverageValue`.
//!
//! **What holds it back**, as `behavior` does there:
//! * up: within 15 seconds at most twice as many or four more;
//! * down: not below the highest recommendation of the last `scaleDownStabilizationSeconds`, and within 60 seconds at
//!   most a tenth (but one) fewer;
//! * pods that do not answer may be busy: what the others say may add replicas, never take any away;
//! * to nothing: only with `minReplicas: 0`, without consumers, and after `idleSeconds` without a request;
//! * with a consumer at least `warmReplicas`, at once.
//!
//! The memory starts empty after a restart of the operator. Nothing is taken away until a whole window was observed
//! again, so nothing has to be stored.

use std::cmp::Ordering;
use std::collections::VecDeque;

use jiff::Timestamp;
use real_crds::v1alpha1::{PoolScaling, Replicas};
use serde::Serialize;

use super::tally::Tally;
use super::{Fleet, FleetLoad};

/// Seconds within which a fleet at most doubles or grows by four.
pub const UP_SECONDS: i64 = 15;
/// Replicas that may be added where doubling adds fewer.
const UP_STEP: u32 = 4;
/// Seconds within which a fleet shrinks by at most a tenth.
pub const DOWN_SECONDS: i64 = 60;
/// After this long without a look nothing is known of what happened meanwhile.
const LONGEST_GAP: i64 = 60;

/// What the autoscaler remembers of a pool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ScalingMemory {
    /// Of the detectors.
    pub detector: FleetMemory,
    /// Of the sandboxes.
    pub sandbox: FleetMemory,
    /// Of what pods have counted.
    pub tally: Tally,
}

impl ScalingMemory {
    /// Of one fleet.
    pub fn of(&self, fleet: Fleet) -> &FleetMemory {
        match fleet {
            Fleet::Detector => &self.detector,
            Fleet::Sandbox => &self.sandbox,
        }
    }

    /// Of one fleet, to be changed.
    pub fn of_mut(&mut self, fleet: Fleet) -> &mut FleetMemory {
        match fleet {
            Fleet::Detector => &mut self.detector,
            Fleet::Sandbox => &mut self.sandbox,
        }
    }
}

/// What the autoscaler remembers of a fleet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FleetMemory {
    /// Since when there was a look at least every minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// The last look.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen: Option<Timestamp>,
    /// Recommendations within the window that no later one exceeds: the first is the highest.
    #[serde(skip_serializing_if = "VecDeque::is_empty")]
    pub recommendations: VecDeque<(Timestamp, u32)>,
    /// Start of the current period of growth, and the replicas then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub up: Option<(Timestamp, u32)>,
    /// Start of the current period of shrinking, and the replicas then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub down: Option<(Timestamp, u32)>,
    /// Since when no request was seen and nobody used the pool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_since: Option<Timestamp>,
    /// What was last decided, for a Deployment that has to be made again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<u32>,
}

/// A fleet as it is.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// Bounds.
    pub bounds: &'a Replicas,
    /// Rules.
    pub scaling: &'a PoolScaling,
    /// Replicas that the Deployment asks for now.
    pub current: u32,
    /// What the pods say.
    pub load: Option<&'a FleetLoad>,
    /// Whether a job or sweep uses the pool.
    pub in_use: bool,
}

/// What should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Replicas.
    pub replicas: u32,
    /// For people.
    pub why: Why,
    /// For the next decision.
    pub memory: FleetMemory,
}

/// Why a fleet has the size it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Why {
    /// As many as the requests need, or the fewest allowed.
    Enough,
    /// Grows with the requests.
    Grows,
    /// As many as are allowed.
    Maximum,
    /// Raised for a consumer, or to the fewest allowed.
    Warm,
    /// Pods do not answer.
    NoData,
    /// Fewer would do now; not yet for the whole window.
    Stabilizes,
    /// Shrinks.
    Shrinks,
    /// Nothing runs because nobody needs it.
    Idle,
}

impl Why {
    /// A few words for a condition's message.
    pub fn words(self) -> &'static str {
        match self {
            Self::Enough => "enough",
            Self::Grows => "growing",
            Self::Maximum => "the most allowed",
            Self::Warm => "kept warm",
            Self::NoData => "not all pods answer, so none is taken away",
            Self::Stabilizes => "fewer once demand has been lower for long enough",
            Self::Shrinks => "shrinking",
            Self::Idle => "idle",
        }
    }
}

/// Requests in the system, and whether all pods said theirs.
struct Evidence {
    demand: u64,
    complete: bool,
}

impl Evidence {
    fn of(situation: &Situation) -> Option<Self> {
        match situation.load {
            Some(load) if load.replies > 0 => {
                Some(Self { demand: load.queued.saturating_add(load.in_flight), complete: load.replies >= load.asked })
            }
            // Where nothing runs, nothing waits.
            _ if situation.current == 0 => Some(Self { demand: 0, complete: true }),
            _ => None,
        }
    }
}

/// Decides.
pub fn desired(situation: &Situation, memory: &FleetMemory, now: Timestamp) -> Decision {
    let Situation { bounds, scaling, current, in_use, .. } = *situation;
    let evidence = Evidence::of(situation);
    let complete = evidence.as_ref().is_some_and(|evidence| evidence.complete);
    let wanted = evidence.as_ref().map_or(0, |evidence| {
        let replicas = evidence.demand.div_ceil(scaling.target_queue_depth_per_replica.max(1));
        u32::try_from(replicas).unwrap_or(u32::MAX).min(bounds.max_replicas)
    });

    let mut memory = memory.clone();
    memory.look(now);
    // Without full knowledge the present size may be just what is needed.
    let recommendation = if complete { wanted } else { wanted.max(current) };
    memory.recommend(recommendation, scaling.scale_down_stabilization_seconds, now);
    match evidence {
        Some(Evidence { demand: 0, .. }) if !in_use => drop(memory.idle_since.get_or_insert(now)),
        Some(_) => memory.idle_since = None,
        None if in_use => memory.idle_since = None,
        None => {}
    }

    let idle = complete && memory.idle_since.is_some_and(|since| seconds(since, now) >= scaling.idle_seconds as i64);
    let floor = floor(bounds, current, in_use, idle).min(bounds.max_replicas);
    let highest = memory.recommendations.front().map_or(recommendation, |(_, highest)| *highest);
    let window = scaling.scale_down_stabilization_seconds as i64;
    let settled = memory.since.is_some_and(|since| seconds(since, now) >= window);
    let moved = if wanted > current {
        memory.grow(current, wanted, now)
    } else if complete && settled && highest.max(floor) < current {
        memory.shrink(current, highest.max(floor), now)
    } else {
        current
    };
    let replicas = moved.max(floor).min(bounds.max_replicas);
    let why = match replicas.cmp(&current) {
        Ordering::Greater if moved < replicas => Why::Warm,
        Ordering::Greater => Why::Grows,
        Ordering::Less if current > bounds.max_replicas => Why::Maximum,
        Ordering::Less | Ordering::Equal if replicas == 0 => Why::Idle,
        Ordering::Less => Why::Shrinks,
        Ordering::Equal if wanted > current => Why::Grows,
        Ordering::Equal if !complete => Why::NoData,
        Ordering::Equal if wanted == bounds.max_replicas => Why::Maximum,
        Ordering::Equal if wanted.max(floor) < current => {
            if settled && highest.max(floor) < current {
                Why::Shrinks
            } else {
                Why::Stabilizes
            }
        }
        Ordering::Equal if in_use && wanted < current => Why::Warm,
        Ordering::Equal => Why::Enough,
    };
    memory.replicas = Some(replicas);
    Decision { replicas, why, memory }
}

/// The fewest replicas that there may be now.
pub fn floor(bounds: &Replicas, current: u32, in_use: bool, idle: bool) -> u32 {
    if in_use {
        return bounds.min_replicas.max(bounds.warm_replicas).max(1);
    }
    // The last replica stays until nothing was asked of it for long enough.
    let last = u32::from(current > 0 && !idle);
    bounds.min_replicas.max(last)
}

impl FleetMemory {
    /// Notes a look; after a gap, or where the clock went back, everything before is forgotten.
    fn look(&mut self, now: Timestamp) {
        if self.seen.is_none_or(|seen| !(0..=LONGEST_GAP).contains(&seconds(seen, now))) {
            *self = Self { since: Some(now), replicas: self.replicas, ..Self::default() };
        }
        self.seen = Some(now);
    }

    fn recommend(&mut self, replicas: u32, window: u64, now: Timestamp) {
        while self.recommendations.back().is_some_and(|(_, earlier)| *earlier <= replicas) {
            self.recommendations.pop_back();
        }
        self.recommendations.push_back((now, replicas));
        while self.recommendations.front().is_some_and(|(at, _)| seconds(*at, now) > window as i64) {
            self.recommendations.pop_front();
        }
    }

    fn grow(&mut self, current: u32, wanted: u32, now: Timestamp) -> u32 {
        let (start, base) = period(self.up, UP_SECONDS, current, now);
        self.up = Some((start, base));
        let most = base.saturating_mul(2).max(base.saturating_add(UP_STEP));
        wanted.min(most).max(current)
    }

    fn shrink(&mut self, current: u32, wanted: u32, now: Timestamp) -> u32 {
        let (start, base) = period(self.down, DOWN_SECONDS, current, now);
        self.down = Some((start, base));
        let least = base - (base / 10).max(1).min(base);
        wanted.max(least).min(current)
    }
}

/// The current period, or a new one.
fn period(known: Option<(Timestamp, u32)>, length: i64, current: u32, now: Timestamp) -> (Timestamp, u32) {
    known.filter(|(start, _)| seconds(*start, now) < length).unwrap_or((now, current))
}

fn seconds(from: Timestamp, to: Timestamp) -> i64 {
    to.as_second() - from.as_second()
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
