//! A sweep, what the cluster holds, and the time; and what happens in a cluster.

use std::sync::{Arc, LazyLock};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::batch::v1::{Job, JobCondition};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use real_crds::cell::{ShardWords, Tally};
use real_crds::progress::Outcome;
use real_crds::v1alpha1::{RealEvalSweep, RealEvalSweepSpec};
use real_crds::validate::{Resource, parse_manifest};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::images::Images;
use crate::job::Workload;
use crate::refusal::{Lasting, Refusal};
use crate::sweep::{ALLOWED, NamespaceSeen, OPT_IN, Observed, Plan, RESULT, Settings, plan};

/// Two checkpoints of a job, greedy and sampled.
const WEEKLY: &str = "
apiVersion: real-rl.dev/v1alpha1
kind: RealEvalSweep
metadata: {name: weekly}
spec:
  runNamespace: research
  targets:
    jobSelector: {matchLabels: {team: a}}
    checkpoints: all
  suites: [{name: quickstart, storageUri: bundled://quickstart-eval}]
  matrix: [{name: temperature, values: ['0', '0.8']}]
  rewardPoolRef: {name: judges}
  parallelism: 2
";

pub(super) const BEGINNING: &str = "2026-03-01T12:00:00Z";

#[derive(Clone, Debug)]
pub(super) struct Situation {
    pub(super) sweep: RealEvalSweep,
    pub(super) observed: Observed,
    pub(super) now: Timestamp,
    pub(super) settings: Settings,
}

fn parse<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

pub(super) fn sweep(manifest: &str) -> RealEvalSweep {
    let parsed = parse_manifest(manifest, "sweep.yaml", &[]).unwrap_or_else(|errors| panic!("{errors}"));
    let Some(Resource::EvalSweep(mut sweep)) = parsed.into_iter().next() else { panic!("no sweep") };
    sweep.metadata.uid = Some("uid-of-the-sweep".to_owned());
    sweep.metadata.generation = Some(1);
    sweep.metadata.creation_timestamp = Some(Time(BEGINNING.parse().unwrap()));
    *sweep
}

impl Situation {
    /// Just created, in an empty cluster.
    pub(super) fn alone() -> Self {
        static FRESH: LazyLock<Situation> = LazyLock::new(|| Situation {
            sweep: sweep(WEEKLY),
            observed: Observed::default(),
            now: BEGINNING.parse().unwrap(),
            settings: Settings { images: Images::default() },
        });
        FRESH.clone()
    }

    /// Just created; its namespace is open and holds a job with two checkpoints, and the pool is not there.
    pub(super) fn waiting() -> Self {
        Self::alone().namespace("research", &[(OPT_IN, ALLOWED)]).job("research", "a", &[8, 16])
    }

    /// Just created; everything it needs is there.
    pub(super) fn ready() -> Self {
        Self::waiting().pool(true)
    }

    /// Two cells of four run.
    pub(super) fn started() -> Self {
        Self::ready().settled()
    }

    pub(super) fn plan(&self) -> Plan {
        plan(&self.sweep, &self.observed, self.now, &self.settings)
    }

    /// The operator has done all it wants to do.
    pub(super) fn settled(mut self) -> Self {
        for _ in 0..6 {
            let plan = self.plan();
            let idle =
                plan.create.is_empty() && plan.record.is_empty() && plan.delete.is_empty() && plan.status.is_none();
            if idle {
                return self;
            }
            self.carry_out(&plan);
        }
        panic!("the operator finds no rest: {:#?}", self.plan());
    }

    /// Carries a plan out as the controller and an API server would; of a refused plan only the status.
    pub(super) fn carry_out(&mut self, plan: &Plan) {
        let generation = self.sweep.metadata.generation;
        let mended = |refusal: &Refusal| refusal.lasting.as_ref().is_some_and(|it| it.generation != generation);
        if self.observed.refused.as_ref().is_some_and(mended) {
            self.observed.refused = None;
        }
        for record in &plan.record {
            let job = self.observed.cells.iter_mut().find(|job| job.name_any() == record.name).unwrap();
            Arc::make_mut(job).annotations_mut().insert(RESULT.to_owned(), record.result.clone());
        }
        if self.observed.refused.is_none() {
            for child in &plan.apply {
                match child.resource.kind.as_str() {
                    "ServiceAccount" => self.observed.children.service_account = Some(parse(child.body.clone())),
                    "NetworkPolicy" => self.observed.children.network_policy = Some(parse(child.body.clone())),
                    // Nobody looks at the index again.
                    "ConfigMap" => {}
                    other => panic!("a plan applied a {other}"),
                }
            }
            for child in &plan.create {
                let mut job: Job = parse(child.body.clone());
                assert!(
                    self.observed.cells.iter().all(|other| other.name_any() != child.name),
                    "{} is there",
                    child.name
                );
                job.metadata.uid = Some(format!("uid-of-{}", child.name));
                job.metadata.creation_timestamp = Some(Time(self.now));
                self.observed.cells.push(Arc::new(job));
            }
            for deletion in &plan.delete {
                let job = self.observed.cells.iter_mut().find(|job| job.name_any() == deletion.name).unwrap();
                Arc::make_mut(job).metadata.deletion_timestamp = Some(Time(self.now));
            }
        }
        if let Some(status) = &plan.status {
            self.sweep.status = Some(parse(serde_json::to_value(status).unwrap()));
        }
    }

    pub(super) fn later(mut self, seconds: i64) -> Self {
        self.now += SignedDuration::from_secs(seconds);
        self
    }

    /// A new generation of the spec.
    pub(super) fn edited(mut self, edit: impl FnOnce(&mut RealEvalSweepSpec)) -> Self {
        edit(&mut self.sweep.spec);
        *self.sweep.metadata.generation.as_mut().unwrap() += 1;
        self
    }

    pub(super) fn labelled(mut self, key: &str, value: &str) -> Self {
        self.sweep.labels_mut().insert(key.to_owned(), value.to_owned());
        self
    }

    pub(super) fn namespace(mut self, name: &str, labels: &[(&str, &str)]) -> Self {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        self.observed.namespaces.retain(|namespace| namespace.name != name);
        self.observed.namespaces.push(NamespaceSeen { name: name.to_owned(), labels, watched: true });
        self
    }

    pub(super) fn unwatched(mut self, name: &str) -> Self {
        self.observed.namespaces.iter_mut().find(|namespace| namespace.name == name).unwrap().watched = false;
        self
    }

    /// A job of team a with these checkpoints; it takes the place of one of that name.
    pub(super) fn job(self, namespace: &str, name: &str, steps: &[u64]) -> Self {
        let uri = |step| format!("pvc://runs/{name}/checkpoints/step-{step}");
        self.job_at(namespace, name, steps, "a", uri)
    }

    pub(super) fn job_at(
        mut self,
        namespace: &str,
        name: &str,
        steps: &[u64],
        team: &str,
        uri: impl Fn(u64) -> String,
    ) -> Self {
        let checkpoints: Vec<Value> = steps
            .iter()
            .rev()
            .map(|step| json!({"step": step, "uri": uri(*step), "sha256": format!("{step:064}"), "sizeBytes": 1}))
            .collect();
        let job = json!({
            "apiVersion": "real-rl.dev/v1alpha1", "kind": "RealTrainingJob",
            "metadata": {"name": name, "namespace": namespace, "labels": {"team": team}},
            "spec": {
                "model": {"storageUri": "m"}, "datasets": {"train": [{"name": "a", "storageUri": "a"}]},
                "algorithm": {"sft": {"steps": 1}},
            },
            "status": {"checkpoints": checkpoints, "bestCheckpoint": steps.first().map(|step| format!("step-{step}"))},
        });
        self.observed.jobs.retain(|job| job.name_any() != name || job.namespace().as_deref() != Some(namespace));
        self.observed.jobs.push(Arc::new(parse(job)));
        self
    }

    pub(super) fn pool(mut self, ready: bool) -> Self {
        let status = if ready { "True" } else { "False" };
        let conditions = json!([{"type": "Ready", "status": status, "reason": "Told", "message": "sandbox: 0 ready, 1 needed",
            "lastTransitionTime": BEGINNING}]);
        let fleet = json!({"replicas": 1, "readyReplicas": 1, "desiredReplicas": 1});
        self.observed.pool = Some(parse(json!({
            "apiVersion": "real-rl.dev/v1alpha1", "kind": "RewardPool",
            "metadata": {"name": "judges", "namespace": "research"}, "spec": {},
            "status": {"conditions": conditions, "detector": fleet, "sandbox": fleet},
        })));
        self
    }

    pub(super) fn refused(mut self, reason: &str, message: &str, lasting: bool) -> Self {
        let lasting = lasting.then_some(Lasting { generation: self.sweep.metadata.generation, at: self.now });
        self.observed.refused = Some(Refusal { reason: reason.to_owned(), message: message.to_owned(), lasting });
        self
    }

    /// A pod of the n-th Job, by the order in which they were created.
    #[expect(clippy::needless_pass_by_value, reason = "a `json!` reads better without a reference")]
    pub(super) fn pod(mut self, nth: usize, shard: u32, status: Value) -> Self {
        let job = &self.observed.cells[nth];
        let pod: Pod = parse(json!({
            "metadata": {
                "name": format!("{}-{shard}-x", job.name_any()), "namespace": "research",
                "labels": {"batch.kubernetes.io/job-completion-index": shard.to_string()},
                "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": job.name_any(), "uid": job.uid(),
                    "controller": true}],
            },
            "status": status,
        }));
        self.observed.pods.retain(|other| other.name_any() != pod.name_any());
        self.observed.pods.push(Arc::new(pod));
        self
    }

    /// A pod that ended.
    pub(super) fn pod_ended(self, nth: usize, shard: u32, (code, reason, words): (i32, &str, &str)) -> Self {
        let ended = json!({"exitCode": code, "reason": reason, "message": words, "finishedAt": BEGINNING});
        let phase = if code == 0 { "Succeeded" } else { "Failed" };
        let container = json!({"name": "trainer", "image": "", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"terminated": ended}});
        self.pod(nth, shard, json!({"phase": phase, "containerStatuses": [container]}))
    }

    pub(super) fn condition(mut self, nth: usize, type_: &str, reason: &str, message: &str) -> Self {
        let met = JobCondition {
            type_: type_.to_owned(),
            status: "True".to_owned(),
            reason: Some(reason.to_owned()),
            message: Some(message.to_owned()),
            last_transition_time: Some(Time(self.now)),
            last_probe_time: None,
        };
        let job = Arc::make_mut(&mut self.observed.cells[nth]);
        job.status.get_or_insert_default().conditions.get_or_insert_default().push(met);
        self
    }

    /// The n-th Job is done: its one shard judged `n` answers, of which `joint` are good.
    pub(super) fn done(self, nth: usize, n: u64, joint: u64) -> Self {
        let tally = Tally { tasks: n, n, function: joint, quality: n, joint, ..Tally::default() };
        let words = ShardWords::compose(Outcome::Done, 0, "", Some(tally));
        self.pod_ended(nth, 0, (0, "Completed", &words)).condition(nth, "Complete", "", "")
    }

    /// The n-th Job failed, and so did its pod.
    pub(super) fn failed(self, nth: usize, code: i32, message: &str) -> Self {
        let words = ShardWords::compose(Outcome::Failed, 0, message, None);
        self.pod_ended(nth, 0, (code, "Error", &words)).condition(nth, "Failed", "BackoffLimitExceeded", "too many")
    }

    /// Kueue says why the n-th Job waits.
    pub(super) fn kueue_says(mut self, nth: usize, why: &str) -> Self {
        let workload = Workload { waits: Some(why.to_owned()), ..Workload::default() };
        self.observed.workloads.insert(self.observed.cells[nth].name_any(), workload);
        self
    }

    /// Kueue has taken back the quota of the n-th Job.
    pub(super) fn kueue_stops(mut self, nth: usize, why: &str) -> Self {
        let workload = Workload { evicted: Some(why.to_owned()), ..Workload::default() };
        self.observed.workloads.insert(self.observed.cells[nth].name_any(), workload);
        self
    }

    /// Kueue lets the n-th Job start.
    pub(super) fn unqueued(mut self, nth: usize) -> Self {
        Arc::make_mut(&mut self.observed.cells[nth]).spec.as_mut().unwrap().suspend = Some(false);
        self
    }

    /// Pods are gone, as on nodes that were taken away.
    pub(super) fn without_pods(mut self) -> Self {
        self.observed.pods.clear();
        self
    }
}

impl Situation {
    /// The job's checkpoints are there with other contents.
    pub(super) fn rewritten(mut self) -> Self {
        self = self.job("research", "a", &[8, 16]);
        let job = Arc::make_mut(self.observed.jobs.last_mut().unwrap());
        for checkpoint in &mut job.status.as_mut().unwrap().checkpoints {
            checkpoint.sha256 = "f".repeat(64);
        }
        self
    }

    pub(super) fn without_jobs(mut self) -> Self {
        self.observed.jobs.clear();
        self
    }

    /// The pods there are have other names than those that follow.
    pub(super) fn renamed(mut self) -> Self {
        for pod in &mut self.observed.pods {
            let name = format!("{}-earlier", pod.name_any());
            Arc::make_mut(pod).metadata.name = Some(name);
        }
        self
    }

    /// The next plan's status is written, and nothing else of it done.
    pub(super) fn settled_status(mut self) -> Self {
        let plan = self.plan();
        self.carry_out(&Plan { status: plan.status, ..Plan::default() });
        self
    }
}
