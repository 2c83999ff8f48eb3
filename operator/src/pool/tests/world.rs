//! A pool, the API server that keeps its objects, and the time.

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use real_crds::v1alpha1::{RewardPool, RewardPoolStatus, ScalingMode};
use serde_json::{Map, Value, json};

use super::server::Server;
use crate::conditions;
use crate::pool::status::{READY, STALLED};
use crate::pool::{Child, Consumers, Fleet, FleetLoad, Kind, Observed, Plan, Settings, plan};
use crate::refusal::Refusal;

pub(super) const POOL_UID: &str = "11111111-2222-3333-4444-555555555555";

#[derive(Clone)]
pub(super) struct World {
    pub(super) pool: RewardPool,
    pub(super) server: Server,
    pub(super) observed: Observed,
    pub(super) settings: Settings,
    pub(super) now: Timestamp,
    /// Requests of detectors and sandboxes; `None` where no pod answers.
    pub(super) demand: Option<[u64; 2]>,
    pub(super) tier: &'static str,
}

impl World {
    /// `examples/rewardpool.yaml`, just created.
    pub(super) fn new() -> Self {
        let text = include_str!("../../../../examples/rewardpool.yaml");
        let mut pool: RewardPool = serde_saphyr::from_str(text).expect("the example is a pool");
        pool.metadata.namespace = Some("team".into());
        pool.metadata.uid = Some(POOL_UID.into());
        pool.metadata.generation = Some(1);
        let mut settings = Settings::default();
        settings.images.detector = "real-detector:1".into();
        settings.images.sandbox = "real-sandbox:1".into();
        Self {
            pool,
            server: Server::default(),
            observed: Observed::default(),
            settings,
            now: "2026-01-01T12:00:00Z".parse().expect("a time"),
            demand: Some([0, 0]),
            tier: "B",
        }
    }

    /// One whose objects exist and whose pods run, used by as many jobs.
    pub(super) fn running(jobs: u32) -> Self {
        Self::new().used_by(jobs).settled()
    }

    pub(super) fn used_by(mut self, jobs: u32) -> Self {
        self.observed.consumers = Consumers { active: jobs, starting: 0 };
        self
    }

    /// Changes the spec.
    pub(super) fn with(mut self, change: impl FnOnce(&mut RewardPool)) -> Self {
        let before = self.pool.spec.clone();
        change(&mut self.pool);
        if self.pool.spec != before && self.pool.status.is_some() {
            self.pool.metadata.generation = self.pool.metadata.generation.map(|generation| generation + 1);
        }
        self
    }

    pub(super) fn mode(self, mode: ScalingMode) -> Self {
        self.with(|pool| pool.spec.scaling.mode = mode)
    }

    pub(super) fn demanding(mut self, detector: u64, sandbox: u64) -> Self {
        self.demand = Some([detector, sandbox]);
        self
    }

    pub(super) fn but(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// Something is done to one object behind our back.
    pub(super) fn edited(mut self, kind: Kind, name: &str, change: impl FnOnce(&mut Value)) -> Self {
        change(self.server.get(kind, name));
        self
    }

    /// Looks, without acting.
    pub(super) fn look(&self) -> Plan {
        let mut observed = self.observed.clone();
        self.server.observe(&mut observed);
        for (index, fleet) in Fleet::ALL.into_iter().enumerate() {
            let asked = self.server.ready(&fleet.name_in(&self.pool.name_any()));
            let given = match fleet {
                Fleet::Detector => &mut observed.demand.detector,
                Fleet::Sandbox => &mut observed.demand.sandbox,
            };
            if let (Some(demand), true, true) = (self.demand, asked > 0, given.is_none()) {
                let in_flight = demand[index].min(4);
                let tiers = [self.tier.to_owned()].into_iter().filter(|_| fleet == Fleet::Sandbox).collect();
                let queued = demand[index] - in_flight;
                *given =
                    Some(FleetLoad { queued, in_flight, oldest_seconds: queued.min(3), replies: asked, asked, tiers });
            }
        }
        plan(&self.pool, &observed, self.now, &self.settings)
    }

    /// Looks and acts.
    pub(super) fn act(&mut self) -> Plan {
        let plan = self.look();
        plan.delete.iter().for_each(|child| self.server.delete(child));
        plan.apply.iter().for_each(|child| self.server.apply(child));
        if let Some(status) = &plan.status {
            // As the server keeps it.
            let stored = serde_json::to_value(status).expect("a status is plain data");
            self.pool.status = Some(serde_json::from_value(stored).expect("a status"));
        }
        self.observed.memory = plan.memory.clone();
        plan
    }

    pub(super) fn acted(mut self) -> Self {
        self.act();
        self
    }

    /// Acts, with all pods running at once, until there is nothing more to do.
    pub(super) fn settled(mut self) -> Self {
        for _ in 0..6 {
            let plan = self.act();
            self.server.run_pods();
            if plan.apply.is_empty() && plan.delete.is_empty() && plan.status.is_none() {
                return self;
            }
            self.now += SignedDuration::from_secs(1);
        }
        panic!("plans never end: {:#?}", summary(&self.look(), None));
    }

    /// Time passes, with a look every 15 seconds.
    pub(super) fn after(mut self, seconds: i64) -> Self {
        let end = self.now + SignedDuration::from_secs(seconds);
        while self.now < end {
            self.now += SignedDuration::from_secs(15);
            self.act();
            self.server.run_pods();
        }
        self
    }

    pub(super) fn refused(mut self, reason: &str, message: &str) -> Self {
        self.observed.refused = Some(Refusal { reason: reason.into(), message: message.into(), lasting: None });
        self
    }
}

/// What a person wants to see of a plan.
pub(super) fn summary(plan: &Plan, stored: Option<&RewardPoolStatus>) -> Value {
    let mut all = Map::new();
    if !plan.delete.is_empty() {
        let lines = plan.delete.iter().map(|child| format!("{} {}", child.kind.name(), child.name));
        all.insert("delete".into(), lines.collect());
    }
    if !plan.apply.is_empty() {
        all.insert("apply".into(), plan.apply.iter().map(line).collect());
    }
    if let Some(status) = plan.status.as_ref().or(stored) {
        let mut lines = Map::new();
        for one in &status.conditions {
            assert_eq!(one.observed_generation, status.observed_generation);
            let text = format!("{}, {}: {}", one.status, one.reason, one.message);
            lines.insert(one.type_.clone(), json!(text));
        }
        for (name, fleet) in [("detector", &status.detector), ("sandbox", &status.sandbox)] {
            let fleet = fleet.as_ref().expect("a fleet");
            let text =
                format!("{} ready, {} there, {} wanted", fleet.ready_replicas, fleet.replicas, fleet.desired_replicas);
            lines.insert(name.into(), json!(text));
        }
        if let Some(queue) = &status.queue {
            let rate = queue.throughput_per_second.as_ref().map(|rate| format!(", {rate} answered a second"));
            let (rate, rejected) = (rate.unwrap_or_default(), queue.rejected_total);
            let text = format!("{} for {} s{rate}, {rejected} rejected", queue.depth, queue.oldest_seconds);
            lines.insert("queue".into(), json!(text));
        }
        lines.insert("consumers".into(), json!(status.consumers));
        let name = if plan.status.is_some() { "status" } else { "status as before" };
        all.insert(name.into(), Value::Object(lines));
        assert_eq!(conditions::find(&status.conditions, READY).map(|one| &*one.type_), Some(READY));
        assert!(conditions::find(&status.conditions, STALLED).is_some());
    }
    if !plan.events.is_empty() {
        let lines = plan.events.iter().map(|event| {
            let kind = if event.warning { "Warning" } else { "Normal" };
            format!("{kind} {} {}: {}", event.action, event.reason, event.note)
        });
        all.insert("events".into(), lines.collect());
    }
    if let Some(pause) = plan.requeue {
        all.insert("again".into(), json!(format!("{} s", pause.as_secs())));
    }
    Value::Object(all)
}

/// A child in one line.
fn line(child: &Child) -> String {
    let spec = child.json()["spec"].clone();
    let mut words = vec![child.kind().name().to_owned(), child.name().to_owned()];
    for (field, path) in [
        ("replicas", "/replicas"),
        ("runtimeClass", "/template/spec/runtimeClassName"),
        ("image", "/template/spec/containers/0/image"),
        ("min", "/minReplicas"),
        ("min", "/minReplicaCount"),
        ("max", "/maxReplicas"),
        ("max", "/maxReplicaCount"),
        ("trigger", "/triggers/0/type"),
    ] {
        if let Some(value) = spec.pointer(path) {
            words.push(format!("{field}={}", value.to_string().trim_matches('"')));
        }
    }
    if child.field_manager() != crate::labels::MANAGER {
        words.push(format!("by {}", child.field_manager()));
    }
    if spec.to_string().contains("--allow-unisolated") {
        words.push("--allow-unisolated".to_owned());
    }
    words.join(" ")
}
