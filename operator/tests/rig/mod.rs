//! An operator in this process against a real API server, and the hands of the parts of a cluster that are not there: the
//! controllers that make pods, and the kubelet.
#![allow(dead_code, reason = "each test program uses its own part of it")]

pub(crate) mod cluster;
mod history;
pub(crate) mod sweeps;

use std::fmt::Debug;
use std::time::Duration;

use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, Config, Resource, core::NamespaceResourceScope};
use real_crds::v1alpha1::RealTrainingJob;
use real_operator::images::Images;
use real_operator::lease::{Identity, Timing};
use real_operator::run::{Operator, Options};
use real_test_kube::{ControlPlane, Proxy, shared};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use history::History;

/// What has not happened by then does not happen, however busy the machine is.
pub(crate) const PATIENCE: Duration = Duration::from_mins(5);

/// Between two looks.
const TICK: Duration = Duration::from_millis(50);

/// Without a write for so long, an operator that gets its share of the machine has nothing to write.
const QUIET: Duration = Duration::from_millis(1500);

/// A namespace of its own with the definitions in place, and a proxy that the operator goes through.
pub(crate) struct Rig {
    pub(crate) namespace: String,
    /// Past the proxy, as the administrator.
    pub(crate) client: Client,
    pub(crate) proxy: Proxy<'static>,
    history: History,
}

impl Rig {
    pub(crate) async fn new(prefix: &str) -> Self {
        // Once: they are large, and each time costs the API server seconds.
        static DEFINED: OnceCell<()> = OnceCell::const_new();
        let plane = shared();
        DEFINED.get_or_init(async || plane.apply_crds().await.expect("the definitions are taken")).await;
        Self::on(plane, prefix).await
    }

    /// On a control plane with definitions of its own.
    pub(crate) async fn on(plane: &'static ControlPlane, prefix: &str) -> Self {
        let namespace = plane.namespace(prefix).await;
        Self::within(plane, namespace)
    }

    /// Another way into the same namespace of the shared control plane, through a proxy of its own.
    pub(crate) fn beside(&self) -> Self {
        Self::within(shared(), self.namespace.clone())
    }

    fn within(plane: &'static ControlPlane, namespace: String) -> Self {
        let proxy = Proxy::start(plane).expect("a proxy");
        Self { namespace, client: plane.client(), proxy, history: History::default() }
    }

    /// The same in a cluster that serves Kueue's API, though no Kueue runs: as far as the operator can see, it does.
    pub(crate) async fn with_kueue(prefix: &str) -> Self {
        let rig = Self::new(prefix).await;
        let definition = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {
                "name": "localqueues.kueue.x-k8s.io",
                // Names below k8s.io are protected.
                "annotations": {"api-approved.kubernetes.io": "unapproved, for a test"},
            },
            "spec": {
                "group": "kueue.x-k8s.io", "scope": "Namespaced",
                "names": {"kind": "LocalQueue", "plural": "localqueues", "singular": "localqueue"},
                "versions": [{"name": "v1beta1", "served": true, "storage": true,
                    "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}],
            },
        });
        let api = Api::<CustomResourceDefinition>::all(rig.client.clone());
        let apply = PatchParams::apply("rig").force();
        api.patch("localqueues.kueue.x-k8s.io", &apply, &Patch::Apply(&definition)).await.expect("it is taken");
        let deadline = Instant::now() + PATIENCE;
        let served = async || rig.client.list_api_groups().await.expect("groups").groups;
        while !served().await.iter().any(|group| group.name == "kueue.x-k8s.io") {
            assert!(Instant::now() < deadline, "the API of Kueue is not served");
            sleep(TICK).await;
        }
        rig
    }

    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// An operator of this namespace alone, through the proxy, without election.
    pub(crate) fn operator(&self) -> Running {
        self.operator_with(|_| {})
    }

    pub(crate) fn operator_with(&self, change: impl FnOnce(&mut Options)) -> Running {
        self.operator_as(None, change)
    }

    /// The same as the bearer of `token`.
    pub(crate) fn operator_as(&self, token: Option<&str>, change: impl FnOnce(&mut Options)) -> Running {
        let mut config = Config::new(self.proxy.url().parse().expect("a URL"));
        config.auth_info.token = token.map(|token| token.to_owned().into());
        let mut options = Options {
            watch_namespaces: vec![self.namespace.clone()],
            leader_elect: false,
            lease_name: "real-operator".to_owned(),
            timing: Timing::default(),
            namespace: self.namespace.clone(),
            identity: Identity::from("operator".to_owned()),
            concurrency: 4,
            images: Images::default(),
            progress_interval: Duration::from_millis(500),
            url: "http://real-operator.test.svc:8080".to_owned(),
            prometheus: None,
            dry_run: false,
        };
        change(&mut options);
        let (operator, shutdown) = (Operator::new(), CancellationToken::new());
        let (runs, stop) = (operator.clone(), shutdown.clone());
        let task = tokio::spawn(async move { runs.run(config, options, stop).await });
        Running { operator, shutdown, task }
    }

    pub(crate) async fn create<K>(&self, object: Value) -> K
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned + Serialize,
    {
        let object: K = serde_json::from_value(object).expect("an object");
        let object = self.api::<K>().create(&PostParams::default(), &object).await.expect("it is taken");
        self.history.seen(&object);
        object
    }

    /// Merges `patch` into the object `name`.
    pub(crate) async fn merge<K>(&self, name: &str, patch: Value) -> K
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    {
        let patch = Patch::Merge(patch);
        let object = self.api::<K>().patch(name, &PatchParams::default(), &patch).await.expect("it is taken");
        self.history.seen(&object);
        object
    }

    /// Waits until `holds` of the object `name`, and gives it as it was then.
    pub(crate) async fn until<K>(&self, name: &str, what: &str, holds: impl Fn(&K) -> bool) -> K
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned + Serialize,
    {
        self.history.until(&self.api::<K>(), name, holds).await.unwrap_or_else(|found| {
            panic!(
                "{what}: not within {PATIENCE:?}; {} {name} is\n{}\ncalls:\n{}",
                K::kind(&()),
                serde_json::to_string_pretty(&found).expect("JSON"),
                self.proxy.calls().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
            )
        })
    }

    /// Waits until the job is in `phase` for `reason`, and gives it.
    pub(crate) async fn phase(&self, name: &str, phase: &str, reason: &str) -> RealTrainingJob {
        self.until(name, &format!("{phase} ({reason})"), |job: &RealTrainingJob| {
            let status = serde_json::to_value(&job.status).expect("JSON");
            status["phase"] == phase && status["reason"] == reason
        })
        .await
    }

    /// Waits until there is no object `name` any more.
    pub(crate) async fn gone<K>(&self, name: &str)
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    {
        let (api, deadline) = (self.api::<K>(), Instant::now() + PATIENCE);
        while api.get_opt(name).await.expect("it can be read").is_some() {
            assert!(Instant::now() < deadline, "{} {name} is still there", K::kind(&()));
            sleep(TICK).await;
        }
    }

    /// All objects of a kind.
    pub(crate) async fn all<K>(&self) -> Vec<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    {
        self.api::<K>().list(&ListParams::default()).await.expect("they can be listed").items
    }

    /// The notes of all events with this reason, once there is one: they are published after the status.
    pub(crate) async fn notes(&self, reason: &str) -> Vec<String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let events = self.all::<Event>().await.into_iter();
            let told = events.filter(|event| event.reason.as_deref() == Some(reason));
            let notes: Vec<String> = told.map(|event| event.note.unwrap_or_default()).collect();
            if !notes.is_empty() {
                return notes;
            }
            assert!(Instant::now() < deadline, "no event {reason} within {PATIENCE:?}");
            sleep(TICK).await;
        }
    }

    /// Creates a job, waits for its first attempt and makes its pods.
    pub(crate) async fn start(&self, name: &str, spec: Value) -> Vec<String> {
        self.create::<RealTrainingJob>(sft(name, spec)).await;
        self.phase(name, "Starting", "AttemptStarted").await;
        self.make_pods(&format!("{name}-1")).await
    }

    /// The same, and all of them run.
    pub(crate) async fn run(&self, name: &str, spec: Value) -> Vec<String> {
        let pods = self.start(name, spec).await;
        self.run_pods(name, &pods).await;
        pods
    }

    /// All pods of an attempt run.
    pub(crate) async fn run_pods(&self, name: &str, pods: &[String]) {
        for pod in pods {
            self.run_pod(pod, cluster::address()).await;
        }
        self.phase(name, "Running", "AllPodsRun").await;
    }

    /// Returns once no write has come through the proxy for a while: a longer one where the machine lets this process wait, too.
    pub(crate) async fn quiet(&self) {
        let (mut so_far, mut since) = (writes(&self.proxy), Instant::now());
        let (deadline, mut longest) = (since + PATIENCE, TICK);
        while since.elapsed() < QUIET.max(30 * longest.saturating_sub(TICK)) {
            let before = Instant::now();
            sleep(TICK).await;
            longest = longest.max(before.elapsed());
            let now = writes(&self.proxy);
            if now != so_far {
                (so_far, since) = (now, Instant::now());
            }
            assert!(Instant::now() < deadline, "the operator goes on writing: {:#?}", self.write_log());
        }
    }

    /// The writes so far, one a line.
    pub(crate) fn write_log(&self) -> Vec<String> {
        self.proxy.calls().iter().filter(|call| call.verb.is_write()).map(ToString::to_string).collect()
    }
}

/// Writes that the server carried out, but for those that keep a lease.
fn writes(proxy: &Proxy<'_>) -> usize {
    proxy.count(|call| {
        let done = call.verb.is_write() && call.reached && call.status.is_some_and(|status| status < 300);
        done && call.resource != "leases"
    })
}

/// An operator that runs in the background, and ends with this.
pub(crate) struct Running {
    pub(crate) operator: Operator,
    shutdown: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Running {
    /// Stops it as SIGTERM does.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        self.shutdown.cancel();
        (&mut self.task).await.expect("no panic")
    }

    /// Waits until it ends by itself.
    pub(crate) async fn ended(mut self) -> anyhow::Result<()> {
        (&mut self.task).await.expect("no panic")
    }

    /// Stops it as SIGKILL does: at once, wherever it is.
    pub(crate) async fn kill(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }

    /// Waits until it has looked at a training job, with all its caches filled.
    pub(crate) async fn has_looked(&self) {
        self.has_looked_by("job").await;
    }

    /// The same for a controller by its name in the metrics.
    pub(crate) async fn has_looked_by(&self, controller: &str) {
        let looked = format!("real_reconcile_total{{controller=\"{controller}\",result=\"success\"}}");
        let deadline = Instant::now() + PATIENCE;
        while !self.operator.metrics().render().contains(&looked) {
            assert!(Instant::now() < deadline, "the controller {controller} has looked at nothing within {PATIENCE:?}");
            sleep(TICK).await;
        }
    }

    /// Whether it ended by itself.
    pub(crate) fn has_ended(&self) -> bool {
        self.task.is_finished()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A job that needs no pool: supervised, without evaluation.
#[expect(clippy::needless_pass_by_value, reason = "a `json!` reads better without a reference")]
pub(crate) fn sft(name: &str, spec: Value) -> Value {
    let mut object = json!({
        "apiVersion": "real-rl.dev/v1alpha1",
        "kind": "RealTrainingJob",
        "metadata": {"name": name},
        "spec": {
            "model": {"storageUri": "bundled://quickstart-base"},
            "datasets": {"train": [{"name": "quickstart", "storageUri": "bundled://quickstart-train"}]},
            "algorithm": {"sft": {"steps": 10}},
        },
    });
    for (key, value) in spec.as_object().expect("an object") {
        object["spec"][key] = value.clone();
    }
    object
}
