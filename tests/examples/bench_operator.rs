//! `bench_operator OPERATOR [JOBS…]`: the operator beside bare Indexed Jobs, on a real API server, etcd and Job controller.
//! `bench_operator OPERATOR --cells [CELLS…]` is the same for one sweep of many cells.
//!
//! Nodes are simulated: every pod runs for a second and succeeds. Each run has a control plane of its own. What is printed is a
//! table in Markdown: jobs a second from the first creation to the last completion; processor time of the API server and of the
//! operator; the operator's largest resident set; its writes and reads a job, by its own metrics; how long after a job its Job
//! was there; and how much a new leader asks when all jobs are finished.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the table is what it is for")]

#[path = "bench_operator/sweep.rs"]
mod sweep;

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Patch, PatchParams, PostParams};
use kube::core::NamespaceResourceScope;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Resource, ResourceExt as _};
use real_crds::v1alpha1::RealTrainingJob;
use real_test_kube::ControlPlane;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

const PODS: u32 = 2;
const RUNS_FOR: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_mins(30);
/// Objects that are created at once.
const AT_ONCE: usize = 16;
/// Ticks of processor time a second.
const TICKS: f64 = 100.0;

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let operator = PathBuf::from(arguments.next().context("usage: bench_operator OPERATOR [JOBS…]")?);
    ensure!(operator.is_file(), "{} is no program: make build", operator.display());
    let mut arguments = arguments.peekable();
    let cells = arguments.next_if(|argument| argument == "--cells").is_some();
    let counts = arguments.map(|count| count.parse::<usize>().with_context(|| format!("{count} is no number of jobs")));
    let counts: Vec<usize> = counts.collect::<Result<_>>()?;
    if cells {
        sweep::head();
        for count in if counts.is_empty() { vec![500, 5000] } else { counts } {
            sweep::rows(&operator, count).await?;
        }
        return Ok(());
    }
    println!(
        "| jobs of {PODS} pods | jobs/s | API server CPU s | operator CPU s | operator RSS MiB | writes, reads a job | job → Job p50, p90, p99 s | LISTs of a new leader |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for count in if counts.is_empty() { vec![200, 1000] } else { counts } {
        let bare = Run::start(None).await?.finish::<Job>(count).await?;
        let ours = Run::start(Some(&operator)).await?.finish::<RealTrainingJob>(count).await?;
        println!(
            "| {count}, ours ÷ bare | {:.2} | {:.2} | | | | | |",
            ours.rate / bare.rate,
            ours.api_cpu / bare.api_cpu
        );
    }
    Ok(())
}

/// A control plane with simulated nodes, and an operator where jobs are ours.
struct Run {
    plane: ControlPlane,
    namespace: String,
    operator: Option<Operator>,
}

/// What is compared.
struct Figures {
    rate: f64,
    api_cpu: f64,
}

impl Run {
    async fn start(operator: Option<&Path>) -> Result<Self> {
        let plane =
            ControlPlane::start_with(&["--max-requests-inflight=2000", "--max-mutating-requests-inflight=1000"])?;
        plane.apply_crds().await?;
        plane.start_controller_manager(&[
            "--controllers=job-controller,garbage-collector-controller",
            "--kube-api-qps=1000",
            "--kube-api-burst=2000",
            "--concurrent-job-syncs=20",
        ])?;
        let namespace = plane.namespace("bench").await;
        tokio::spawn(nodes(Api::namespaced(plane.client(), &namespace)));
        let operator = operator.map(|program| Operator::start(program, &plane)).transpose()?;
        if let Some(operator) = &operator {
            operator.until_ready().await?;
        }
        Ok(Self { plane, namespace, operator })
    }

    /// Creates `count` objects of kind `K`, waits until all are complete, and prints a row.
    async fn finish<K>(mut self, count: usize) -> Result<Figures>
    where
        K: Kind + Resource<DynamicType = (), Scope = NamespaceResourceScope>,
        K: Clone + std::fmt::Debug + Serialize + DeserializeOwned + Send + Sync + 'static,
    {
        let api: Api<K> = Api::namespaced(self.plane.client(), &self.namespace);
        let server = process(&self.plane.folder().join("kube-apiserver.pid"))?;
        let before = cpu(server)?;
        let begun = Instant::now();
        let done = tokio::spawn(completed(api.clone(), count));
        let seen = tokio::spawn(jobs_seen(Api::namespaced(self.plane.client(), &self.namespace), count));
        let created: HashMap<String, Instant> = stream::iter(0..count)
            .map(|number| {
                let api = api.clone();
                async move {
                    let name = format!("job-{number}");
                    api.create(&PostParams::default(), &K::named(&name)).await?;
                    anyhow::Ok((name, Instant::now()))
                }
            })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        done.await??;
        let seconds = begun.elapsed().as_secs_f64();
        let (rate, api_cpu) = (count as f64 / seconds, cpu(server)? - before);
        let seen = seen.await??;
        let mut waits: Vec<f64> = created
            .iter()
            .filter_map(|(name, at)| Some(seen.get(&K::job_of(name))?.saturating_duration_since(*at).as_secs_f64()))
            .collect();
        waits.sort_by(f64::total_cmp);
        let wait = |share: f64| {
            waits.get(((waits.len() as f64 * share) as usize).min(waits.len() - 1)).copied().unwrap_or(f64::NAN)
        };
        let own = match self.operator.take() {
            None => "– | – | – | – | –".to_owned(),
            Some(operator) => {
                let (writes, reads) = operator.calls().await?;
                let (cpu, rss) = (cpu(operator.child.id())?, peak(operator.child.id())?);
                let each = |calls: u64| calls as f64 / count as f64;
                operator.list_calls(count).await?;
                let again = operator.followed_by_another(&self.plane).await?;
                format!(
                    "{cpu:.1} | {rss:.0} | {:.1}, {:.1} | {:.1}, {:.1}, {:.1} | {again}",
                    each(writes),
                    each(reads),
                    wait(0.5),
                    wait(0.9),
                    wait(0.99)
                )
            }
        };
        println!("| {count} {} | {rate:.1} | {api_cpu:.1} | {own} |", K::WHAT);
        Ok(Figures { rate, api_cpu })
    }
}

/// What is created, and how it is told that it is done.
trait Kind {
    const WHAT: &'static str;
    fn named(name: &str) -> Self;
    fn is_complete(&self) -> bool;
    /// Name of the Job that does the work of the object `name`.
    fn job_of(name: &str) -> String;
}

impl Kind for Job {
    const WHAT: &'static str = "bare Jobs";

    fn named(name: &str) -> Self {
        let pod = json!({"restartPolicy": "Never", "containers": [{"name": "trainer", "image": "trainer"}]});
        parse(json!({"metadata": {"name": name}, "spec": {
            "completionMode": "Indexed", "completions": PODS, "parallelism": PODS, "backoffLimit": 0, "template": {"spec": pod},
        }}))
    }

    fn is_complete(&self) -> bool {
        let conditions = self.status.iter().flat_map(|status| status.conditions.iter().flatten());
        conditions.into_iter().any(|condition| condition.type_ == "Complete" && condition.status == "True")
    }

    fn job_of(name: &str) -> String {
        name.to_owned()
    }
}

impl Kind for RealTrainingJob {
    const WHAT: &'static str = "RealTrainingJobs";

    fn named(name: &str) -> Self {
        parse(json!({"metadata": {"name": name}, "spec": {
            "model": {"storageUri": "bundled://quickstart-base"},
            "datasets": {"train": [{"name": "quickstart", "storageUri": "bundled://quickstart-train"}]},
            "algorithm": {"sft": {"steps": 10}}, "trainer": {"nodes": PODS},
        }}))
    }

    fn is_complete(&self) -> bool {
        let conditions = self.status.iter().flat_map(|status| &status.conditions);
        conditions.into_iter().any(|condition| condition.type_ == "Complete" && condition.status == "True")
    }

    fn job_of(name: &str) -> String {
        format!("{name}-1")
    }
}

fn parse<T: DeserializeOwned>(object: Value) -> T {
    serde_json::from_value(object).expect("an object of its kind")
}

async fn completed<K>(api: Api<K>, count: usize) -> Result<()>
where
    K: Kind + Resource<DynamicType = ()> + Clone + std::fmt::Debug + DeserializeOwned + Send + 'static,
{
    let mut done = HashSet::new();
    let mut changes = std::pin::pin!(watcher(api, watcher::Config::default()).default_backoff().applied_objects());
    let all = async {
        while let Some(object) = changes.try_next().await? {
            if object.is_complete() {
                done.insert(object.name_any());
            }
            if done.len() == count {
                return Ok(());
            }
        }
        bail!("the watch ended")
    };
    tokio::time::timeout(PATIENCE, all).await.context("not all were complete in half an hour")?
}

/// When each Job was first seen.
async fn jobs_seen(api: Api<Job>, count: usize) -> Result<HashMap<String, Instant>> {
    let mut seen = HashMap::new();
    let mut changes = std::pin::pin!(watcher(api, watcher::Config::default()).default_backoff().applied_objects());
    while seen.len() < count {
        let job = changes.try_next().await?.context("the watch ended")?;
        seen.entry(job.name_any()).or_insert_with(Instant::now);
    }
    Ok(seen)
}

/// Scheduler and kubelets: each pod runs, and succeeds a second later.
async fn nodes(pods: Api<Pod>) -> Result<()> {
    let mut known = HashSet::new();
    let mut changes =
        std::pin::pin!(watcher(pods.clone(), watcher::Config::default()).default_backoff().applied_objects());
    while let Some(pod) = changes.try_next().await? {
        if known.insert(pod.uid()) {
            tokio::spawn(live(pods.clone(), pod.name_any(), container(&pod), sweep::last_words(&pod)));
        }
    }
    Ok(())
}

fn container(pod: &Pod) -> String {
    pod.spec
        .as_ref()
        .and_then(|spec| spec.containers.first())
        .map(|container| container.name.clone())
        .unwrap_or_default()
}

async fn live(pods: Api<Pod>, name: String, container: String, last_words: Option<String>) -> Result<()> {
    static ADDRESS: AtomicU32 = AtomicU32::new(0);
    // RFC 2544: for benchmarks.
    let [_, _, c, d] = ADDRESS.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let address = format!("198.18.{c}.{d}");
    let now = jiff::Timestamp::now().to_string();
    let container = |state: Value, ready: bool| json!([{"name": container, "image": "trainer", "imageID": "", "ready": ready, "restartCount": 0, "state": state}]);
    let condition = |type_: &str| json!({"type": type_, "status": "True", "lastTransitionTime": now});
    let running = json!({"status": {
        "phase": "Running", "podIP": address, "podIPs": [{"ip": address}], "startTime": now,
        "conditions": [condition("PodScheduled"), condition("Ready")],
        "containerStatuses": container(json!({"running": {"startedAt": now}}), true),
    }});
    pods.patch_status(&name, &PatchParams::default(), &Patch::Merge(&running)).await?;
    tokio::time::sleep(RUNS_FOR).await;
    let mut ended = json!({"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": now, "finishedAt": jiff::Timestamp::now().to_string()}, "running": null});
    if let Some(words) = last_words {
        ended["terminated"]["message"] = words.into();
    }
    let ended = json!({"status": {"phase": "Succeeded", "containerStatuses": container(ended, false)}});
    pods.patch_status(&name, &PatchParams::default(), &Patch::Merge(&ended)).await?;
    Ok(())
}

/// The operator as a process, which ends with this.
struct Operator {
    child: Child,
    program: PathBuf,
    url: String,
}

impl Operator {
    fn start(program: &Path, plane: &ControlPlane) -> Result<Self> {
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let address = format!("127.0.0.1:{port}");
        let child = Command::new(program)
            .args(["run", "--leader-elect", "false", "--listen", &address])
            .env_clear()
            .env("KUBECONFIG", plane.kubeconfig())
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()?;
        Ok(Self { child, program: program.to_owned(), url: format!("http://{address}") })
    }

    async fn until_ready(&self) -> Result<()> {
        let begun = Instant::now();
        while !reqwest::get(format!("{}/readyz", self.url)).await.is_ok_and(|answer| answer.status().is_success()) {
            ensure!(begun.elapsed() < Duration::from_mins(2), "the operator is not ready");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    /// Writes and reads so far. A watch is one read when it begins.
    async fn calls(&self) -> Result<(u64, u64)> {
        let text = reqwest::get(format!("{}/metrics", self.url)).await?.text().await?;
        let of = |verb: &str| {
            let lines = text.lines().filter(|line| {
                line.starts_with("real_api_requests_total") && line.contains(&format!("verb=\"{verb}\""))
            });
            lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum::<u64>()
        };
        let sum = |verbs: &[&str]| verbs.iter().map(|verb| of(verb)).sum();
        Ok((sum(&["create", "patch", "update", "delete"]), sum(&["get", "list", "watch"])))
    }

    /// What the calls were, to standard error.
    async fn list_calls(&self, jobs: usize) -> Result<()> {
        let text = reqwest::get(format!("{}/metrics", self.url)).await?.text().await?;
        for line in text.lines().filter(|line| line.starts_with("real_api_requests_total")) {
            let (call, calls) = line.rsplit_once(' ').context("no sample")?;
            eprintln!("{:8.2} a job: {call}", calls.parse::<f64>()? / jobs as f64);
        }
        Ok(())
    }

    /// Ends it, starts another, and counts what that one reads until it has looked at everything.
    async fn followed_by_another(mut self, plane: &ControlPlane) -> Result<u64> {
        self.child.kill()?;
        self.child.wait()?;
        let next = Self::start(&self.program, plane)?;
        next.until_ready().await?;
        let mut last = next.calls().await?;
        loop {
            tokio::time::sleep(Duration::from_secs(5)).await;
            let now = next.calls().await?;
            if now == last {
                return Ok(now.1);
            }
            last = now;
        }
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn process(file: &Path) -> Result<u32> {
    Ok(fs::read_to_string(file).with_context(|| format!("no {}", file.display()))?.trim().parse()?)
}

/// Seconds of processor time that a process has used: fields 14 and 15 of proc(5)'s `stat`.
fn cpu(process: u32) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let (_, fields) = text.rsplit_once(") ").context("no stat")?;
    let fields: Vec<&str> = fields.split(' ').collect();
    let ticks: u64 = [11, 12].iter().filter_map(|at| fields.get(*at)?.parse::<u64>().ok()).sum();
    Ok(ticks as f64 / TICKS)
}

/// The largest resident set of a process, in MiB.
fn peak(process: u32) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse::<f64>()? / 1024.0)
}
