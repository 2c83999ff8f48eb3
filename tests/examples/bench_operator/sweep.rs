//! One sweep of many cells beside as many bare Jobs.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt as _};
use real_crds::cell::{ShardWords, Tally};
use real_crds::progress::Outcome;
use real_crds::v1alpha1::{RealEvalSweep, RewardPool};
use serde_json::json;

use crate::kinds::{Kind as _, PODS, parse};
use crate::process::{cpu, peak};
use crate::server::Server;
use crate::{PATIENCE, Run};

const NAME: &str = "sweep";
const POOL: &str = "judges";
/// Annotation of the pods of a cell.
const CELL: &str = "real-rl.dev/cell";
/// Cells of one suite: what one axis of the matrix may hold, squared.
const OF_A_SUITE: usize = 100;

/// What the container of a cell's pod says when it ends.
pub(crate) fn last_words(pod: &Pod) -> Option<String> {
    pod.annotations().get(CELL)?;
    let shard = pod.annotations().get("batch.kubernetes.io/job-completion-index")?.parse().ok()?;
    let tally = Tally { tasks: 8, n: 8, function: 6, quality: 5, joint: 4, ..Tally::default() };
    Some(ShardWords::compose(Outcome::Done, shard, "", Some(tally)))
}

/// Prints the head of the table.
pub(crate) fn head() {
    println!(
        "| cells of {PODS} pods | cells/s | seconds | API server CPU s | operator CPU s | operator RSS MiB | writes, reads a cell | LISTs of a new leader |"
    );
    println!("|---|---|---|---|---|---|---|---|");
}

/// Prints the rows of so many cells and Jobs.
pub(crate) async fn rows(program: &Path, cells: usize) -> Result<()> {
    ensure!(cells.is_multiple_of(OF_A_SUITE), "{cells} is no multiple of {OF_A_SUITE}");
    let begun = Instant::now();
    let bare = Run::start(None).await?.finish(cells, Job::WHAT, Job::named).await?;
    eprintln!("{cells} bare Jobs took {:.0} s with their control plane", begun.elapsed().as_secs_f64());
    let mut run = Run::start(Some(program)).await?;
    open(&run).await?;
    let operator = run.operator.take().context("an operator")?;
    let mut server = Server::of(&run.plane)?;
    server.begin().await?;
    let before = cpu(operator.process())?;
    let (writes_before, reads_before) = operator.calls().await?;
    let begun = Instant::now();
    let sweeps: Api<RealEvalSweep> = Api::all(run.plane.client());
    sweeps.create(&PostParams::default(), &sweep(&run.namespace, cells)).await?;
    finished(&sweeps, cells).await?;
    let seconds = begun.elapsed().as_secs_f64();
    let (rate, api) = (cells as f64 / seconds, server.cpu()?);
    let (writes, reads) = operator.calls().await?;
    let each = |calls: u64| calls as f64 / cells as f64;
    let (own, rss) = (cpu(operator.process())? - before, peak(operator.process())?);
    operator.list_calls(cells).await?;
    let again = operator.followed_by_another(&run.plane).await?;
    println!(
        "| {cells} of a sweep | {rate:.1} | {seconds:.0} | {api:.1} | {own:.1} | {rss:.0} | {:.2}, {:.2} | {again} |",
        each(writes - writes_before),
        each(reads - reads_before)
    );
    println!("| {cells}, ours ÷ bare | {:.2} | | {:.2} | | | | |", rate / bare.rate, api / bare.api_cpu);
    Ok(())
}

/// Lets sweeps into the namespace, and makes a pool ready.
async fn open(run: &Run) -> Result<()> {
    let (client, ours) = (run.plane.client(), PatchParams::default());
    let label = json!({"metadata": {"labels": {"real-rl.dev/eval-sweeps": "allowed"}}});
    Api::<Namespace>::all(client.clone()).patch(&run.namespace, &ours, &Patch::Merge(label)).await?;
    let pools: Api<RewardPool> = Api::namespaced(client.clone(), &run.namespace);
    // It sandboxes nothing, so nobody has to ask it how.
    let pool = json!({"metadata": {"name": POOL}, "spec": {"sandbox": {"isolation": {"required": false}}}});
    pools.create(&PostParams::default(), &parse(pool)).await?;
    let deployments: Api<Deployment> = Api::namespaced(client, &run.namespace);
    let begun = Instant::now();
    let ready = json!({"status": {"replicas": 8, "readyReplicas": 8, "updatedReplicas": 8, "availableReplicas": 8,
        "observedGeneration": 1}});
    for fleet in ["detector", "sandbox"] {
        let name = format!("{POOL}-{fleet}");
        while deployments.get_opt(&name).await?.is_none() {
            ensure!(begun.elapsed() < Duration::from_mins(1), "the operator makes no {name}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        deployments.patch_status(&name, &ours, &Patch::Merge(&ready)).await?;
    }
    loop {
        let status = serde_json::to_value(pools.get(POOL).await?.status)?;
        let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
        if conditions.iter().any(|one| one["type"] == "Ready" && one["status"] == "True") {
            return Ok(());
        }
        ensure!(begun.elapsed() < Duration::from_mins(1), "the pool is not ready: {status}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// One model on some suites, at ten temperatures with ten seeds each.
fn sweep(namespace: &str, cells: usize) -> RealEvalSweep {
    let suite = |number: usize| json!({"name": format!("suite-{number}"), "storageUri": "bundled://quickstart-eval", "shards": PODS});
    let ten = |value: &dyn Fn(u32) -> String| (1..=10).map(value).collect::<Vec<_>>();
    parse(json!({"metadata": {"name": NAME}, "spec": {
        "runNamespace": namespace, "rewardPoolRef": {"name": POOL}, "parallelism": 10_000,
        "targets": {"models": [{"storageUri": "bundled://quickstart-base"}]},
        "suites": (0..cells / OF_A_SUITE).map(suite).collect::<Vec<_>>(),
        "matrix": [
            {"name": "temperature", "values": ten(&|number| format!("{:.1}", f64::from(number) / 10.0))},
            {"name": "seed", "values": ten(&|number| number.to_string())},
        ],
    }}))
}

async fn finished(sweeps: &Api<RealEvalSweep>, cells: usize) -> Result<()> {
    let begun = Instant::now();
    loop {
        let status = serde_json::to_value(sweeps.get(NAME).await?.status)?;
        match status["phase"].as_str() {
            Some("Succeeded") => {
                ensure!(status["counts"]["succeeded"] == cells, "not all cells: {}", status["counts"]);
                return Ok(());
            }
            Some("Failed") => bail!("the sweep has failed: {status}"),
            _ if begun.elapsed() > PATIENCE => bail!("the sweep does not end: {}", status["counts"]),
            _ => tokio::time::sleep(Duration::from_millis(500)).await,
        }
    }
}
