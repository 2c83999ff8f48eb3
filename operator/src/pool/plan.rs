//! From what a pool says and what was seen to what is to be done.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use real_crds::v1alpha1::{RewardPool, RewardPoolStatus, ScalingMode};
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::child::Seen;
use super::children::{self, BY_OPERATOR, Circumstances, REPLICAS_BY};
use super::scaling::{self, Situation, Why};
use super::status::{self, Findings, FleetFinding};
use super::{Child, ChildRef, Fleet, Kind, Observed, ScalingMemory, Settings};
use crate::event::PlannedEvent;
use crate::hindrance::{Hindrance, hindrance};
use crate::in_sync::in_sync;
use crate::job::is_over;
use crate::requeue;

/// Between two looks at a fleet that the operator scales.
const SCALING_PAUSE: Duration = Duration::from_secs(15);
/// Between two looks at a fleet that somebody else scales: load and isolation are reported all the same.
const REPORTING_PAUSE: Duration = Duration::from_secs(30);
/// Between two looks for what no watch would tell: a runtime class, KEDA.
const ABSENCE_PAUSE: Duration = Duration::from_mins(1);
/// Where something is about to change that no watch would tell: a child of the wanted name is still being deleted, a new sandbox
/// has not been heard yet.
const SOON: Duration = Duration::from_secs(2);

/// What is to be done, in this order: delete, apply, write the status, publish the events, remember.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// What to delete: before anything is applied, so that two autoscalers never meet.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub delete: Vec<ChildRef>,
    /// What to apply, in order: only what is not as it should be.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub apply: Vec<Child>,
    /// The status, where it changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<RewardPoolStatus>,
    /// What to tell people.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<PlannedEvent>,
    /// When to look again if nothing happens before.
    #[serde(serialize_with = "as_seconds", skip_serializing_if = "Option::is_none")]
    pub requeue: Option<Duration>,
    /// For the next observation.
    pub memory: ScalingMemory,
}

#[allow(clippy::ref_option, reason = "serde calls it so")]
fn as_seconds<S: Serializer>(pause: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    pause.map(|pause| pause.as_secs()).serialize(serializer)
}

/// Plans.
pub fn plan(pool: &RewardPool, observed: &Observed, now: Timestamp, settings: &Settings) -> Plan {
    if pool.metadata.deletion_timestamp.is_some() {
        // What the pool owns goes with it.
        return Plan::default();
    }
    let uid = pool.uid().unwrap_or_default();
    let in_use = observed.consumers.active > 0;
    let mut memory = observed.memory.clone();
    if let Some(at) = observed.demand.at {
        let stored = pool.status.as_ref().and_then(|status| status.queue.as_ref()).map(|queue| queue.rejected_total);
        memory.tally.add(&observed.demand.counts, at, stored.unwrap_or(0));
    }

    let deployments = Fleet::ALL.map(|fleet| observed.deployment(&fleet.name_in(&pool.name_any()), &uid));
    let class_missing = class_is_missing(pool, observed);
    // Pods that already run under the class stay; a Deployment without it would be a weaker one than asked for.
    let sandboxes = class_missing.is_none() || deployments[1].is_some_and(|fleet| runs_under(fleet, class_missing));
    let mut sizes = [0, 1].map(|index| size(pool, observed, Fleet::ALL[index], deployments[index], &mut memory, now));
    if !sandboxes {
        sizes[1] = (0, None);
    }

    let circumstances = Circumstances {
        settings,
        replicas: sizes.map(|(replicas, _)| replicas),
        in_use,
        keda_available: observed.keda_available,
        sandboxes,
    };
    let wanted = children::wanted(pool, &circumstances);
    let seen = observed.children();
    let writes = writes(&wanted, &seen, &uid, children::by_operator(pool));

    let findings = Findings {
        pool,
        observed,
        now,
        class_missing,
        conflicts: writes.conflicts,
        changing: writes.changing,
        fleets: [0, 1].map(|index| FleetFinding {
            fleet: Fleet::ALL[index],
            deployment: deployments[index],
            desired: sizes[index].0,
            why: sizes[index].1,
            hindrance: hindered(pool, observed, Fleet::ALL[index], now),
        }),
        tally: &memory.tally,
    };
    let status = status::status(&findings);
    Plan {
        delete: superfluous(&wanted, &seen, &uid),
        apply: writes.apply,
        events: status::events(pool.status.as_ref(), &status),
        requeue: requeue(pool, observed, &findings, writes.waiting || status::unheard(&status)),
        status: (pool.status.as_ref() != Some(&status)).then_some(status),
        memory,
    }
}

/// What keeps a fleet's pods from running.
fn hindered(pool: &RewardPool, observed: &Observed, fleet: Fleet, now: Timestamp) -> Hindrance {
    let pods = observed.pods.iter().map(|pod| &**pod).filter(|pod| fleet.owns(pod) && !is_over(pod));
    let pods: Vec<&Pod> = pods.collect();
    let told = observed.told.iter().find(|told| pods.iter().any(|pod| pod.name_any() == told.pod));
    let scheduler = fleet.patch(&pool.spec).and_then(|patch| patch.scheduler_name.as_deref());
    hindrance(&pods, told, scheduler, now)
}

/// How many replicas a fleet is to have, and why where the operator decided it.
fn size(
    pool: &RewardPool,
    observed: &Observed,
    fleet: Fleet,
    deployment: Option<&Deployment>,
    memory: &mut ScalingMemory,
    now: Timestamp,
) -> (u32, Option<Why>) {
    let spec = &pool.spec;
    let set = deployment.and_then(|fleet| fleet.spec.as_ref()?.replicas).and_then(|count| u32::try_from(count).ok());
    let known = memory.of_mut(fleet);
    match spec.scaling.mode {
        ScalingMode::Operator => {
            let bounds = fleet.bounds(spec);
            let in_use = observed.consumers.active > 0;
            // One that somebody deleted comes back as large as it was.
            let current = set.or(known.replicas).unwrap_or_else(|| scaling::floor(bounds, 0, in_use, false));
            let load = observed.demand.of(fleet);
            let situation = Situation { bounds, scaling: &spec.scaling, current, load, in_use };
            let decision = scaling::desired(&situation, known, now);
            *known = decision.memory;
            (decision.replicas, Some(decision.why))
        }
        other => {
            *known = scaling::FleetMemory::default();
            let replicas = if other == ScalingMode::Manual { fleet.manual(spec) } else { set.unwrap_or(1) };
            (replicas, None)
        }
    }
}

/// The runtime class that is asked for and that the cluster does not have.
fn class_is_missing<'a>(pool: &'a RewardPool, observed: &Observed) -> Option<&'a str> {
    super::runtime_class(pool).filter(|_| observed.runtime_class_exists == Some(false))
}

fn runs_under(deployment: &Deployment, class: Option<&str>) -> bool {
    let pod = deployment.spec.as_ref().and_then(|spec| spec.template.spec.as_ref());
    pod.is_some_and(|pod| pod.runtime_class_name.as_deref() == class)
}

/// What comparing the wanted children with the seen ones gives.
#[derive(Default)]
struct Writes {
    apply: Vec<Child>,
    /// Objects of somebody else, by kind and name.
    conflicts: Vec<(Kind, String)>,
    /// More than replicas or an autoscaler's bounds.
    changing: bool,
    /// Something of the wanted name is on its way out.
    waiting: bool,
}

fn writes(wanted: &[Child], seen: &[Seen], uid: &str, by_operator: bool) -> Writes {
    let mut writes = Writes::default();
    for child in wanted {
        let (kind, name) = (child.kind(), child.name());
        let Some(found) = seen.iter().find(|seen| seen.kind == kind && seen.name() == name) else {
            // Pods do not start where the policy that shuts them off is not ours.
            let unguarded = writes.conflicts.iter().any(|(kind, other)| *kind == Kind::NetworkPolicy && other == name);
            if !(kind == Kind::Deployment && unguarded) {
                writes.apply.push(child.clone());
                writes.changing = true;
            }
            continue;
        };
        if !found.belongs_to(uid) {
            writes.conflicts.push((kind, name.to_owned()));
            continue;
        }
        if found.is_leaving() {
            writes.waiting = true;
            writes.changing = true;
            continue;
        }
        let wanted = child.json();
        if in_sync(&wanted, &found.json) {
            continue;
        }
        writes.changing |= match kind {
            Kind::Deployment => !in_sync(&without_replicas(wanted), &found.json),
            Kind::HorizontalPodAutoscaler | Kind::ScaledObject => false,
            _ => true,
        };
        if kind == Kind::Deployment && !by_operator {
            writes.apply.extend(hand_over(child, found));
        }
        writes.apply.push(child.clone());
    }
    writes
}

fn without_replicas(mut deployment: Value) -> Value {
    if let Some(spec) = deployment.get_mut("spec").and_then(Value::as_object_mut) {
        spec.remove("replicas");
    }
    deployment
}

/// Where the operator set `replicas` until now and is to leave them to somebody else.
fn hand_over(child: &Child, found: &Seen) -> Option<Child> {
    let by = found.metadata.annotations.as_ref()?.get(REPLICAS_BY)?;
    let replicas = found.json.get("spec")?.get("replicas")?.as_i64()?;
    (by == BY_OPERATOR).then(|| Child::HandOver {
        name: child.name().to_owned(),
        namespace: child.namespace().to_owned(),
        replicas: i32::try_from(replicas).unwrap_or(i32::MAX),
    })
}

/// What the pool owns and should not.
fn superfluous(wanted: &[Child], seen: &[Seen], uid: &str) -> Vec<ChildRef> {
    let wanted: BTreeSet<_> = wanted.iter().map(|child| (child.kind(), child.name())).collect();
    let mut delete: Vec<_> = seen
        .iter()
        .filter(|seen| seen.belongs_to(uid) && !seen.is_leaving() && !wanted.contains(&(seen.kind, seen.name())))
        .map(|seen| ChildRef { kind: seen.kind, name: seen.name().to_owned(), uid: seen.metadata.uid.clone() })
        .collect();
    delete.sort();
    delete
}

fn requeue(pool: &RewardPool, observed: &Observed, findings: &Findings, soon: bool) -> Option<Duration> {
    let mode = pool.spec.scaling.mode;
    let runs = findings.fleets.iter().any(|found| found.desired > 0) || observed.consumers.active > 0;
    let absent = findings.class_missing.is_some() || (mode == ScalingMode::Keda && !observed.keda_available);
    let hindered = findings.fleets.iter().filter_map(|found| {
        let mut again = None;
        requeue::by(&mut again, findings.now, found.hindrance.look_again?);
        again
    });
    [
        soon.then_some(SOON),
        runs.then_some(if mode == ScalingMode::Operator { SCALING_PAUSE } else { REPORTING_PAUSE }),
        absent.then_some(ABSENCE_PAUSE),
    ]
    .into_iter()
    .flatten()
    .chain(hindered)
    .min()
}
