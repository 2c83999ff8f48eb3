//! The status of a pool, made anew from what was seen each time.

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;
use real_crds::v1alpha1::{FleetStatus, QueueStatus, RewardPool, RewardPoolStatus, ScalingMode};

use super::scaling::Why;
use super::tally::Tally;
use super::{Fleet, Kind, Observed};
use crate::conditions::{self, Conditions};
use crate::event::PlannedEvent;
use crate::hindrance::Hindrance;

/// Jobs may start.
pub const READY: &str = "Ready";
/// Enough detectors are ready.
pub const DETECTOR_AVAILABLE: &str = "DetectorAvailable";
/// Enough sandboxes are ready.
pub const SANDBOX_AVAILABLE: &str = "SandboxAvailable";
/// All sandboxes say that they isolate what they run.
pub const ISOLATION_VERIFIED: &str = "IsolationVerified";
/// Somebody scales the fleets and knows by what.
pub const SCALING_ACTIVE: &str = "ScalingActive";
/// kstatus: on the way to what the spec says.
pub const RECONCILING: &str = "Reconciling";
/// kstatus: not on the way, and somebody has to do something.
pub const STALLED: &str = "Stalled";

/// Reason: pods are on their way.
const STARTING: &str = "Starting";
/// Reason: a sandbox runs that has not been heard yet.
const NOT_REPORTED: &str = "NotReported";
/// Reason: nothing runs, and nothing has to.
const IDLE: &str = "Idle";

/// Isolation tiers that are one.
const ISOLATED: [&str; 3] = ["A", "B", "G"];

/// What the status is made from.
pub(super) struct Findings<'a> {
    pub(super) pool: &'a RewardPool,
    pub(super) observed: &'a Observed,
    pub(super) now: Timestamp,
    /// Runtime class that is asked for and absent.
    pub(super) class_missing: Option<&'a str>,
    /// Objects of somebody else with a name that the pool needs.
    pub(super) conflicts: Vec<(Kind, String)>,
    /// Whether more than replicas is about to be written.
    pub(super) changing: bool,
    pub(super) fleets: [FleetFinding<'a>; 2],
    pub(super) tally: &'a Tally,
}

/// What is known of a fleet.
pub(super) struct FleetFinding<'a> {
    pub(super) fleet: Fleet,
    pub(super) deployment: Option<&'a Deployment>,
    pub(super) desired: u32,
    pub(super) why: Option<Why>,
    /// What keeps its pods from running.
    pub(super) hindrance: Hindrance,
}

/// Status, reason and message of a condition.
struct Verdict {
    holds: bool,
    reason: String,
    message: String,
}

impl Verdict {
    fn new(holds: bool, reason: &str, message: impl Into<String>) -> Self {
        Self { holds, reason: reason.to_owned(), message: message.into() }
    }

    fn yes(reason: &str, message: impl Into<String>) -> Self {
        Self::new(true, reason, message)
    }

    fn no(reason: &str, message: impl Into<String>) -> Self {
        Self::new(false, reason, message)
    }
}

/// Makes it.
pub(super) fn status(findings: &Findings) -> RewardPoolStatus {
    let pool = findings.pool;
    let empty = Vec::new();
    let previous = pool.status.as_ref().map_or(&empty, |status| &status.conditions);
    let available = [0, 1].map(|index| findings.available(&findings.fleets[index]));
    let isolation = findings.isolation(previous);
    let stalled = findings.stalled();
    let reconciling = findings.reconciling(stalled.holds, previous);
    let ready = findings.ready(&available, &isolation);

    let mut conditions = Conditions::new(previous, pool.metadata.generation, findings.now);
    let mut set = |type_: &str, verdict: Verdict| {
        conditions.set(type_, verdict.holds, &verdict.reason, verdict.message);
    };
    let [detector, sandbox] = available;
    set(READY, ready);
    set(DETECTOR_AVAILABLE, detector);
    set(SANDBOX_AVAILABLE, sandbox);
    set(ISOLATION_VERIFIED, isolation);
    set(SCALING_ACTIVE, findings.scaling());
    set(RECONCILING, reconciling);
    set(STALLED, stalled);
    let [detector, sandbox] = &findings.fleets;
    RewardPoolStatus {
        observed_generation: pool.metadata.generation,
        conditions: conditions.finish(),
        endpoint: Some(super::url(pool, Fleet::Sandbox)),
        detector: Some(detector.status(pool)),
        sandbox: Some(sandbox.status(pool)),
        queue: findings.queue(),
        consumers: Some(findings.observed.consumers.active),
    }
}

/// Whether sandboxes run of which nothing is known.
pub(super) fn unheard(status: &RewardPoolStatus) -> bool {
    conditions::find(&status.conditions, ISOLATION_VERIFIED).is_some_and(|verified| verified.reason == NOT_REPORTED)
}

impl Findings<'_> {
    fn in_use(&self) -> bool {
        self.observed.consumers.active > 0
    }

    /// Ready replicas that a fleet needs for the pool to be ready.
    fn needed(&self, found: &FleetFinding) -> u32 {
        let spec = &self.pool.spec;
        let bounds = found.fleet.bounds(spec);
        let warm = bounds.warm_replicas.max(1);
        match (spec.scaling.mode, self.in_use()) {
            (ScalingMode::Manual, true) => warm.min(found.fleet.manual(spec).max(1)),
            (ScalingMode::Manual, false) => warm.min(found.fleet.manual(spec)),
            (_, true) => warm,
            (ScalingMode::HorizontalPodAutoscaler, false) => warm.min(bounds.min_replicas.max(1)),
            (_, false) => warm.min(bounds.min_replicas),
        }
    }

    fn available(&self, found: &FleetFinding) -> Verdict {
        let name = found.fleet.name_in(&self.pool.name_any());
        let vital = [Kind::Deployment, Kind::Service, Kind::NetworkPolicy];
        if let Some((kind, _)) = self.conflicts.iter().find(|(kind, other)| vital.contains(kind) && *other == name) {
            return Verdict::no("NameConflict", format!("{} {name} belongs to somebody else", kind.name()));
        }
        if let Some(class) = self.class_missing.filter(|_| found.fleet == Fleet::Sandbox) {
            return class_not_found(class);
        }
        let (ready, needed) = (found.counts().ready_replicas, self.needed(found));
        if found.desired == 0 && needed == 0 {
            return Verdict::yes(IDLE, "nothing runs because nothing uses the pool");
        }
        if found.desired == 0 && self.pool.spec.scaling.mode == ScalingMode::Manual {
            return Verdict::no("NoReplicas", format!("spec.{}.replicas is 0", found.fleet.component()));
        }
        if ready >= needed {
            return Verdict::yes("Available", format!("{ready} ready, {} wanted", found.desired));
        }
        let counted = format!("{ready} ready, {needed} needed");
        // What is said of a pod is nearer to the cause than that they take long.
        let pods =
            || found.hindrance.why.as_ref().map(|(reason, why)| Verdict::no(reason, format!("{counted}: {why}")));
        let failure = found.makes_none().or_else(pods).or_else(|| found.takes_too_long());
        failure.unwrap_or_else(|| Verdict::no(STARTING, counted))
    }

    fn isolation(&self, previous: &[Condition]) -> Verdict {
        if let Some(class) = self.class_missing {
            return class_not_found(class);
        }
        let Some(tiers) = self.observed.demand.tiers() else {
            let sandboxes = &self.fleets[1];
            if sandboxes.counts().ready_replicas == 0 {
                return Verdict::no("NoSandbox", "no sandbox runs that could say how it isolates");
            }
            // Silence is no news.
            return match conditions::find(previous, ISOLATION_VERIFIED) {
                Some(before) if before.status == "True" => Verdict::yes(&before.reason, before.message.clone()),
                _ => Verdict::no(NOT_REPORTED, "no sandbox has said yet how it isolates"),
            };
        };
        let tiers: Vec<&str> = tiers.iter().map(String::as_str).collect();
        if tiers.iter().all(|tier| ISOLATED.contains(tier)) {
            return Verdict::yes("Isolated", format!("sandboxes report tier {}", tiers.join(", ")));
        }
        let required = if self.pool.spec.sandbox.isolation.required {
            "isolation is required"
        } else {
            "isolation.required is false, so programs run all the same"
        };
        Verdict::no("Unisolated", format!("sandboxes report tier {}; {required}", tiers.join(", ")))
    }

    fn scaling(&self) -> Verdict {
        let autoscaler = |found: &FleetFinding| found.fleet.name_in(&self.pool.name_any());
        match self.pool.spec.scaling.mode {
            ScalingMode::Manual => Verdict::no("Manual", "scaling.mode is manual: replicas stay as they are set"),
            ScalingMode::Operator => {
                let mut silent = false;
                let parts = self.fleets.iter().map(|found| {
                    let mute = found.why == Some(Why::NoData);
                    let starts = mute && found.counts().ready_replicas == 0;
                    let replies = self.observed.demand.of(found.fleet).map_or(0, |load| load.replies);
                    silent |= mute && !starts && replies == 0;
                    let words = if starts { "starting" } else { found.why.map_or("not run", Why::words) };
                    format!("{}: {} ({words})", found.fleet.component(), found.desired)
                });
                let parts: Vec<String> = parts.collect();
                let reason = if silent { "NoData" } else { "OperatorScales" };
                Verdict::new(!silent, reason, parts.join("; "))
            }
            ScalingMode::HorizontalPodAutoscaler => {
                let found = self.fleets.iter().map(|found| {
                    let name = autoscaler(found);
                    let hpa = self.observed.hpas.iter().find(|hpa| hpa.metadata.name.as_deref() == Some(&name));
                    let conditions = hpa.and_then(|hpa| hpa.status.as_ref()?.conditions.as_ref());
                    let active = conditions.and_then(|all| all.iter().find(|one| one.type_ == "ScalingActive"));
                    active.map(|one| {
                        let text = |text: &Option<String>| text.clone().unwrap_or_default();
                        (name, one.status == "True", text(&one.reason), text(&one.message))
                    })
                });
                others(found.collect(), "HorizontalPodAutoscaler")
            }
            ScalingMode::Keda if !self.observed.keda_available => keda_not_installed(),
            ScalingMode::Keda => {
                let found = self.fleets.iter().map(|found| {
                    let name = autoscaler(found);
                    let all = self.observed.scaled_objects.iter();
                    let object = all.clone().find(|object| object.metadata.name.as_deref() == Some(&name))?;
                    let conditions = object.data.pointer("/status/conditions")?.as_array()?;
                    let ready = conditions.iter().find(|one| one["type"] == "Ready")?;
                    let text = |key: &str| ready[key].as_str().unwrap_or_default().to_owned();
                    Some((name, ready["status"] == "True", text("reason"), text("message")))
                });
                others(found.collect(), "ScaledObject")
            }
        }
    }

    fn stalled(&self) -> Verdict {
        if !self.conflicts.is_empty() {
            let names: Vec<_> = self.conflicts.iter().map(|(kind, name)| format!("{} {name}", kind.name())).collect();
            let message = format!("not controlled by this pool, so not touched: {}", names.join(", "));
            return Verdict::yes("NameConflict", message);
        }
        if let Some(class) = self.class_missing {
            return Verdict { holds: true, ..class_not_found(class) };
        }
        if self.pool.spec.scaling.mode == ScalingMode::Keda && !self.observed.keda_available {
            return Verdict { holds: true, ..keda_not_installed() };
        }
        if let Some(refused) = &self.observed.refused {
            return Verdict::yes(&refused.reason, refused.message.clone());
        }
        let mut short = self.fleets.iter().filter(|found| found.counts().ready_replicas < self.needed(found));
        let failure = short.find_map(FleetFinding::failure);
        failure.map_or_else(
            || Verdict::no("NotStalled", "nothing is in the way"),
            |failure| Verdict { holds: true, ..failure },
        )
    }

    /// Changes of size are the normal state of a pool and no reconciling.
    fn reconciling(&self, stalled: bool, previous: &[Condition]) -> Verdict {
        if stalled {
            return Verdict::no("Stalled", "nothing moves until what is named in Stalled is settled");
        }
        if self.changing {
            return Verdict::yes("Applying", "the pool's objects are brought up to date");
        }
        let was = conditions::is_true(previous, RECONCILING);
        if self.fleets.iter().any(|found| found.rolls_out(was)) {
            return Verdict::yes("RollingOut", "pods are replaced by new ones");
        }
        let starts = |found: &FleetFinding| found.desired > 0 && found.counts().ready_replicas < self.needed(found);
        if self.fleets.iter().any(starts) {
            return Verdict::yes(STARTING, "fewer pods are ready than are needed");
        }
        Verdict::no("UpToDate", "everything is as the spec says")
    }

    fn ready(&self, available: &[Verdict; 2], isolation: &Verdict) -> Verdict {
        let mut missing: Vec<_> = Fleet::ALL.into_iter().zip(available).filter(|(_, verdict)| !verdict.holds).collect();
        // What passes by itself is the lesser news.
        missing.sort_by_key(|(_, verdict)| verdict.reason == STARTING);
        if let (Some(_), Some(refused)) = (missing.first(), &self.observed.refused) {
            return Verdict::no(&refused.reason, refused.message.clone());
        }
        if let Some((fleet, verdict)) = missing.first() {
            let waiting = match self.observed.consumers.starting {
                0 => String::new(),
                1 => "; 1 job waits".to_owned(),
                more => format!("; {more} jobs wait"),
            };
            return Verdict::no(&verdict.reason, format!("{}: {}{waiting}", fleet.component(), verdict.message));
        }
        // Also where nobody uses the pool yet: the first job should not find that it was not ready after all.
        let sandboxes = self.in_use() || self.fleets[1].counts().ready_replicas > 0;
        if sandboxes && self.pool.spec.sandbox.isolation.required && !isolation.holds {
            return Verdict::no(&isolation.reason, isolation.message.clone());
        }
        if !self.in_use() && self.fleets.iter().any(|found| found.desired == 0) {
            return Verdict::yes(IDLE, "nothing uses the pool; fleets at zero start with the first job");
        }
        Verdict::yes("FleetsReady", "detectors and sandboxes are ready")
    }

    fn queue(&self) -> Option<QueueStatus> {
        let previous = self.pool.status.as_ref().and_then(|status| status.queue.clone());
        let answered = || Fleet::ALL.into_iter().filter_map(|fleet| self.observed.demand.of(fleet));
        let loads: Vec<_> = answered().filter(|load| load.replies > 0).collect();
        let rejected_total = self.tally.refused();
        if loads.is_empty() {
            let runs = self.fleets.iter().any(|found| found.counts().replicas > 0);
            return if runs {
                previous
            } else {
                previous.map(|_| QueueStatus { rejected_total, ..QueueStatus::default() })
            };
        }
        Some(QueueStatus {
            depth: loads.iter().fold(0, |sum, load| sum.saturating_add(load.queued)),
            oldest_seconds: loads.iter().map(|load| load.oldest_seconds).max().unwrap_or(0),
            throughput_per_second: self.tally.per_second().map(str::to_owned),
            rejected_total,
        })
    }
}

impl FleetFinding<'_> {
    /// What the Deployment's controller counted.
    fn seen(&self) -> Option<&DeploymentStatus> {
        self.deployment.and_then(|deployment| deployment.status.as_ref())
    }

    fn counts(&self) -> FleetStatus {
        let count = |count: Option<i32>| count.and_then(|count| u32::try_from(count).ok()).unwrap_or(0);
        FleetStatus {
            replicas: count(self.seen().and_then(|status| status.replicas)),
            ready_replicas: count(self.seen().and_then(|status| status.ready_replicas)),
            desired_replicas: self.desired,
            selector: None,
        }
    }

    fn status(&self, pool: &RewardPool) -> FleetStatus {
        FleetStatus { selector: Some(self.fleet.selector_text(&pool.name_any())), ..self.counts() }
    }

    /// Why the Deployment does not get its pods, in its controller's words; with what keeps them from running.
    fn failure(&self) -> Option<Verdict> {
        self.makes_none().or_else(|| {
            let verdict = self.takes_too_long()?;
            let Some((_, why)) = &self.hindrance.why else { return Some(verdict) };
            Some(Verdict { message: format!("{} {why}", verdict.message), ..verdict })
        })
    }

    /// Why the Deployment can make no pods.
    fn makes_none(&self) -> Option<Verdict> {
        self.says("ReplicaFailure", "True")
    }

    /// That its pods are not ready in time.
    fn takes_too_long(&self) -> Option<Verdict> {
        self.says("Progressing", "False")
    }

    fn says(&self, type_: &str, status: &str) -> Option<Verdict> {
        let conditions = self.seen()?.conditions.as_ref()?;
        let found = conditions.iter().find(|one| one.type_ == type_ && one.status == status)?;
        let reason = found.reason.as_deref().filter(|reason| !reason.is_empty()).unwrap_or("Failed");
        let message = found.message.as_deref().unwrap_or("the Deployment does not get its pods");
        Some(Verdict::no(reason, message))
    }

    /// Whether pods of an older template are left. While the controller has not seen the latest change, which may be
    /// one of size alone, nothing new is known.
    fn rolls_out(&self, was: bool) -> bool {
        let (Some(deployment), Some(status)) = (self.deployment, self.seen()) else { return false };
        if status.observed_generation < deployment.metadata.generation {
            return was;
        }
        status.updated_replicas.unwrap_or(0) < status.replicas.unwrap_or(0)
    }
}

/// The verdict on what the autoscalers say: name, whether it works, reason, message.
fn others(found: Vec<Option<(String, bool, String, String)>>, kind: &str) -> Verdict {
    for one in found {
        match one {
            None => return Verdict::no("Pending", format!("a {kind} has not reported yet")),
            Some((name, false, reason, message)) => {
                let reason = if reason.is_empty() { "Inactive" } else { &reason };
                return Verdict::no(reason, format!("{kind} {name}: {message}"));
            }
            Some(_) => {}
        }
    }
    Verdict::yes(kind, format!("both fleets are scaled by a {kind}"))
}

fn class_not_found(class: &str) -> Verdict {
    Verdict::no(
        "RuntimeClassNotFound",
        format!("the cluster has no RuntimeClass {class}; sandboxes are not started without it"),
    )
}

fn keda_not_installed() -> Verdict {
    let message = "scaling.mode is keda and the cluster has no KEDA (keda.sh/v1alpha1): fleets keep their size";
    Verdict::no("KedaNotInstalled", message)
}

/// One event for each of `Ready` and `Stalled` whose status or reason changed; one alone where both say the same.
pub(super) fn events(previous: Option<&RewardPoolStatus>, current: &RewardPoolStatus) -> Vec<PlannedEvent> {
    let before = previous.map_or(&[][..], |status| &status.conditions);
    let changed = |type_: &str| {
        let now = conditions::find(&current.conditions, type_)?;
        let old = conditions::find(before, type_);
        let same = old.is_some_and(|old| (&old.status, &old.reason) == (&now.status, &now.reason));
        (!same).then_some((old, now))
    };
    let mut events: Vec<PlannedEvent> = Vec::new();
    let mut tell = |condition: &Condition, warning: bool, action: &str| {
        if events.iter().all(|event| event.reason != condition.reason) {
            events.push(PlannedEvent {
                warning,
                reason: condition.reason.clone(),
                note: condition.message.clone(),
                action: action.to_owned(),
            });
        }
    };
    // That nothing is in the way is worth a word only after something was.
    if let Some((old, now)) = changed(STALLED)
        && (now.status == "True" || old.is_some_and(|old| old.status == "True"))
    {
        tell(now, now.status == "True", if now.status == "True" { "Stopped" } else { "Resumed" });
    }
    if let Some((old, now)) = changed(READY) {
        // A pool that wakes up is not ready for a moment.
        let lost = now.status != "True" && old.is_some_and(|old| old.status == "True" && old.reason != IDLE);
        tell(now, lost, "Reconciled");
    }
    events
}
