//! `bench_operator OPERATOR [JOBS…]`: the operator beside bare Indexed Jobs, on a real API server, etcd and Job controller.
//! `bench_operator OPERATOR --cells [CELLS…]` is the same for one sweep of many cells.
//!
//! Nodes are simulated: every pod runs for a second and succeeds. Each run has a control plane of its own. What is printed is a
//! table in Markdown: jobs a second from the first creation to the last completion; processor time of the API server and of the
//! operator; the operator's largest resident set; its writes and reads a job, by its own metrics; how long after a job its Job
//! was there; and how much a new leader asks when all jobs are finished. Bare Jobs are run twice: as small as Jobs can be, and of the
//! pods that ours have. To standard error: what everything else used, what the API server answered, and what
//! it sent to watches, a job. Where `BENCH_PROFILES` names a folder, profiles of the API server go there, for `go tool pprof`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the table is what it is for")]

mod kinds;
mod nodes;
mod operator;
mod process;
mod server;
mod sweep;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::PodTemplateSpec;
use kube::api::PostParams;
use kube::core::NamespaceResourceScope;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Resource, ResourceExt as _};
use real_crds::v1alpha1::RealTrainingJob;
use real_test_kube::ControlPlane;
use serde::{Serialize, de::DeserializeOwned};

use kinds::{Kind, PODS, as_heavy};
use nodes::nodes;
use operator::Operator;
use server::Server;

const PATIENCE: Duration = Duration::from_mins(30);
/// Objects that are created at once.
const AT_ONCE: usize = 16;
/// Seconds that a profile covers.
const PROFILE: u64 = 30;

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1).peekable();
    let operator = PathBuf::from(arguments.next().context("usage: bench_operator OPERATOR [JOBS…]")?);
    ensure!(operator.is_file(), "{} is no program: make build", operator.display());
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
        let bare = Run::start(None).await?.finish(count, Job::WHAT, Job::named).await?;
        let ours =
            Run::start(Some(&operator)).await?.finish(count, RealTrainingJob::WHAT, RealTrainingJob::named).await?;
        let heavy = |name: &str| as_heavy(&ours.template, name);
        let heavy = Run::start(None).await?.finish(count, "bare Jobs of the same pods", heavy).await?;
        for (what, other) in [("bare", &bare), ("bare of the same pods", &heavy)] {
            let (rate, cpu) = (ours.rate / other.rate, ours.api_cpu / other.api_cpu);
            println!("| {count}, ours ÷ {what} | {rate:.2} | {cpu:.2} | | | | | |");
        }
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
    /// Pods of a Job that ran.
    template: PodTemplateSpec,
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
    async fn finish<K>(mut self, count: usize, what: &str, make: impl Fn(&str) -> K) -> Result<Figures>
    where
        K: Kind + Resource<DynamicType = (), Scope = NamespaceResourceScope>,
        K: Clone + std::fmt::Debug + Serialize + DeserializeOwned + Send + Sync + 'static,
    {
        let api: Api<K> = Api::namespaced(self.plane.client(), &self.namespace);
        let mut server = Server::of(&self.plane)?;
        server.begin().await?;
        let profile = std::env::var_os("BENCH_PROFILES").map(|folder| {
            let name = format!("{}-{count}.pprof", what.replace(' ', "-"));
            server.profile(Path::new(&folder).join(name), PROFILE)
        });
        let begun = Instant::now();
        let done = tokio::spawn(completed(api.clone(), count));
        let seen = tokio::spawn(jobs_seen(Api::namespaced(self.plane.client(), &self.namespace), count));
        let created: HashMap<String, Instant> = stream::iter(0..count)
            .map(|number| {
                let (api, name) = (api.clone(), format!("job-{number}"));
                let object = make(&name);
                async move {
                    api.create(&PostParams::default(), &object).await?;
                    anyhow::Ok((name, Instant::now()))
                }
            })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        done.await??;
        let seconds = begun.elapsed().as_secs_f64();
        let (rate, api_cpu) = (count as f64 / seconds, server.cpu()?);
        let seen = seen.await??;
        server.tell(what, count).await?;
        if let Some(profile) = profile {
            profile.await??;
        }
        let jobs: Api<Job> = Api::namespaced(self.plane.client(), &self.namespace);
        let template = jobs.get(&K::job_of("job-0")).await?.spec.context("a Job has a spec")?.template;
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
                let (cpu, rss) = (process::cpu(operator.process())?, process::peak(operator.process())?);
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
        println!("| {count} {what} | {rate:.1} | {api_cpu:.1} | {own} |");
        Ok(Figures { rate, api_cpu, template })
    }
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
