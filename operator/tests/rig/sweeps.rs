//! Sweeps, which are in no namespace, and what they need.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use real_crds::cell::{ShardWords, Tally};
use real_crds::progress::Outcome;
use real_crds::v1alpha1::{RealEvalSweep, RealTrainingJob, RewardPool};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{PATIENCE, Rig, TICK, cluster, sft};

/// The pool of all sweeps.
const POOL: &str = "judges";

impl Rig {
    /// Lets sweeps into the namespace.
    pub(crate) async fn open(&self) {
        let label = json!({"metadata": {"labels": {"real-rl.dev/eval-sweeps": "allowed"}}});
        let api = Api::<Namespace>::all(self.client.clone());
        api.patch(&self.namespace, &PatchParams::default(), &Patch::Merge(label)).await.expect("it is taken");
    }

    /// A job that is suspended and has checkpoints after these steps.
    pub(crate) async fn trained(&self, name: &str, steps: &[u64]) {
        let mut job = sft(name, json!({"suspend": true}));
        job["metadata"]["labels"] = json!({"team": "a"});
        self.create::<RealTrainingJob>(job).await;
        self.keeps(name, steps).await;
    }

    /// From now on the job has these checkpoints.
    pub(crate) async fn keeps(&self, name: &str, steps: &[u64]) {
        let checkpoints: Vec<Value> = steps
            .iter()
            .map(|step| {
                let uri = format!("pvc://runs/{name}/checkpoints/step-{step}");
                json!({"step": step, "uri": uri, "sha256": format!("{step:064}"), "sizeBytes": 1})
            })
            .collect();
        self.status::<RealTrainingJob>(name, json!({"status": {"checkpoints": checkpoints}})).await;
    }

    /// A pool whose fleets the cluster has made ready. It sandboxes nothing, so nobody has to ask it how.
    pub(crate) async fn ready_pool(&self) {
        self.create::<RewardPool>(json!({
            "apiVersion": "real-rl.dev/v1alpha1", "kind": "RewardPool", "metadata": {"name": POOL},
            "spec": {"sandbox": {"isolation": {"required": false}}},
        }))
        .await;
        for fleet in ["detector", "sandbox"] {
            let name = format!("{POOL}-{fleet}");
            self.until(&name, "a Deployment", |_: &Deployment| true).await;
            let ready = json!({"status": {"replicas": 8, "readyReplicas": 8, "updatedReplicas": 8,
                "availableReplicas": 8, "observedGeneration": 1}});
            self.status::<Deployment>(&name, ready).await;
        }
        self.until(POOL, "readiness", |pool: &RewardPool| {
            let status = serde_json::to_value(&pool.status).expect("JSON");
            let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
            conditions.iter().any(|one| one["type"] == "Ready" && one["status"] == "True")
        })
        .await;
    }

    fn sweeps(&self) -> Api<RealEvalSweep> {
        Api::all(self.client.clone())
    }

    /// Creates a sweep of this namespace, called like it: two temperatures on the checkpoints of team a.
    pub(crate) async fn create_sweep(&self, spec: Value) {
        let mut sweep = json!({
            "apiVersion": "real-rl.dev/v1alpha1", "kind": "RealEvalSweep", "metadata": {"name": self.namespace},
            "spec": {
                "runNamespace": self.namespace, "rewardPoolRef": {"name": POOL},
                "targets": {"jobSelector": {"matchLabels": {"team": "a"}}, "checkpoints": "latest"},
                "suites": [{"name": "quickstart", "storageUri": "bundled://quickstart-eval"}],
                "matrix": [{"name": "temperature", "values": ["0", "0.8"]}],
            },
        });
        let Value::Object(fields) = spec else { panic!("a spec is an object") };
        for (key, value) in fields {
            sweep["spec"][key] = value;
        }
        let sweep: RealEvalSweep = serde_json::from_value(sweep).expect("a sweep");
        self.history.seen(&self.sweeps().create(&PostParams::default(), &sweep).await.expect("it is taken"));
    }

    /// Merges `spec` into the sweep.
    pub(crate) async fn edit_sweep(&self, spec: Value) {
        let mut patch = json!({});
        patch["spec"] = spec;
        let patch = Patch::Merge(patch);
        let sweep = self.sweeps().patch(&self.namespace, &PatchParams::default(), &patch).await.expect("it is taken");
        self.history.seen(&sweep);
    }

    /// Labels the sweep.
    pub(crate) async fn label_sweep(&self, key: &str, value: &str) {
        let patch = Patch::Merge(json!({"metadata": {"labels": {key: value}}}));
        let sweep = self.sweeps().patch(&self.namespace, &PatchParams::default(), &patch).await.expect("it is taken");
        self.history.seen(&sweep);
    }

    /// Waits until the sweep's message says all of these `words`, and gives it.
    pub(crate) async fn sweep_says(&self, words: &[&str]) -> String {
        let said = |sweep: &RealEvalSweep| {
            let conditions = sweep.status.iter().flat_map(|status| &status.conditions);
            let running = conditions.clone().find(|condition| condition.type_ == "Running");
            running.map(|condition| condition.message.clone()).unwrap_or_default()
        };
        let wanted = |sweep: &RealEvalSweep| words.iter().all(|word| said(sweep).contains(word));
        said(&self.sweep_until(&format!("{words:?}"), wanted).await)
    }

    /// Waits until the sweep is in `phase` for `reason`, and gives it as it was then.
    pub(crate) async fn sweep_phase(&self, phase: &str, reason: &str) -> RealEvalSweep {
        let wanted = |sweep: &RealEvalSweep| {
            let status = serde_json::to_value(&sweep.status).expect("JSON");
            status["phase"] == phase && status["reason"] == reason
        };
        self.sweep_until(&format!("{phase} ({reason})"), wanted).await
    }

    async fn sweep_until(&self, what: &str, wanted: impl Fn(&RealEvalSweep) -> bool) -> RealEvalSweep {
        let found = self.history.until(&self.sweeps(), &self.namespace, wanted).await;
        found.unwrap_or_else(|found| {
            panic!("not {what}: {:#?}\n{:#?}", found.and_then(|sweep| sweep.status), self.write_log())
        })
    }

    /// Waits until the sweep has gone.
    pub(crate) async fn sweep_gone(&self) {
        let deadline = Instant::now() + PATIENCE;
        while self.sweeps().get_opt(&self.namespace).await.expect("it can be read").is_some() {
            assert!(Instant::now() < deadline, "the sweep is still there");
            sleep(TICK).await;
        }
    }

    /// Jobs of cells that have not come to their end, by the order of their names.
    pub(crate) async fn open_cells(&self) -> Vec<Job> {
        let cells = ListParams::default().labels("app.kubernetes.io/component=evaluator");
        let all = self.api::<Job>().list(&cells).await.expect("Jobs").items;
        let over = |job: &Job| job.status.as_ref().is_some_and(|status| status.conditions.is_some());
        all.into_iter().filter(|job| !over(job)).collect()
    }

    /// Waits until so many cells run.
    pub(crate) async fn wait_for_cells(&self, count: usize) -> Vec<Job> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let open = self.open_cells().await;
            if open.len() == count {
                return open;
            }
            let names: Vec<String> = open.iter().map(ResourceExt::name_any).collect();
            assert!(Instant::now() < deadline, "{count} cells were to run: {names:?}\n{:#?}", self.write_log());
            sleep(TICK).await;
        }
    }

    /// What a cluster does about the Job of a cell whose one shard judged `n` answers, of which `joint` are good.
    pub(crate) async fn evaluate(&self, job: &str, n: u64, joint: u64) {
        let pods = self.make_pods(job).await;
        self.run_pod(&pods[0], cluster::address()).await;
        let tally = Tally { tasks: n, n, function: joint, quality: n, joint, ..Tally::default() };
        self.end_pod(&pods[0], 0, &ShardWords::compose(Outcome::Done, 0, "", Some(tally))).await;
        self.complete_job(job).await;
    }
}
