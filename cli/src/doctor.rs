//! `real doctor`: whether this machine has what a run needs.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use real_sandbox_api::{BatchRequest, BatchResponse};
use real_terminal::{causes, exit, outln};
use serde_json::json;

use crate::run::disk;
use crate::services::scratch::Scratch;
use crate::services::{Kind, Services};
use crate::{programs, python};

/// Less than this and even the quickstart may not fit.
const LEAST_MEMORY_MIB: u64 = 2048;
const LEAST_DISK_MIB: u64 = 1024;

/// Arguments of `real doctor`.
#[derive(Debug, clap::Args)]
pub struct DoctorArgs {}

/// Looks at everything and says what is there and what is missing; 1 where something is.
pub async fn run(_: DoctorArgs) -> anyhow::Result<ExitCode> {
    let checks = [
        ("real-detector", program("real-detector")),
        ("real-sandbox", program("real-sandbox")),
        ("real-trainer and libtorch", program("real-trainer")),
        ("Python", python::check().map(|path| path.display().to_string()).map_err(anyhow::Error::from)),
        ("mypy", mypy()),
        ("isolation", isolation().await),
        ("memory", memory()),
        ("disk", room(Path::new("."))),
        ("devices", Ok(devices())),
    ];
    let mut missing = 0;
    for (what, outcome) in checks {
        match outcome {
            Ok(found) => outln!("ok       {what}: {found}"),
            Err(error) => {
                missing += 1;
                outln!("missing  {what}: {}", causes(error.as_ref()));
            }
        }
    }
    if missing == 0 {
        outln!("this machine can run jobs; start with: real run examples/quickstart.yaml");
        return Ok(exit::DONE.into());
    }
    outln!("{missing} of these are missing; `real run` says so too, and what to do");
    Ok(exit::FAILED.into())
}

/// A program of the project: where it is and what it calls itself. It does not start where its libraries are missing.
fn program(name: &str) -> anyhow::Result<String> {
    let path = programs::find(name)?;
    let output = Command::new(&path)
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {}", path.display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().last().unwrap_or_default();
    // The loader's message begins with the program, too.
    let reason = last.strip_prefix(&format!("{}: ", path.display())).unwrap_or(last);
    ensure!(output.status.success(), "{} does not start: {reason}", path.display());
    Ok(format!("{} in {}", String::from_utf8_lossy(&output.stdout).trim(), path.display()))
}

fn mypy() -> anyhow::Result<String> {
    let path = python::check()?;
    let output = Command::new(&path)
        .args(["-I", "-c", "import mypy.version; print(mypy.version.__version__)"])
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {}", path.display()))?;
    ensure!(output.status.success(), "{} has no mypy; run `make setup`, or install mypy there", path.display());
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Runs a program in a sandbox, and names the tier that isolated it.
async fn isolation() -> anyhow::Result<String> {
    let logs = Scratch::new("doctor")?;
    let services = Services::start(&[Kind::Sandbox], logs.path()).await?;
    let answer = ask(&services.urls(Kind::Sandbox)).await;
    services.stop().await;
    let answer = answer?;
    let passed = answer.results.iter().all(|result| result.status == real_sandbox_api::Status::Passed);
    ensure!(passed && !answer.results.is_empty(), "a program that prints 1 did not pass: {:?}", answer.results);
    Ok(format!("tier {:?}", answer.tier))
}

async fn ask(urls: &[String]) -> anyhow::Result<BatchResponse> {
    let url = urls.first().context("no sandbox")?;
    let test = json!({"kind": "stdin", "stdin": "", "stdout": "1\n"});
    let request: BatchRequest = serde_json::from_value(json!({"program": "print(1)", "tests": [test]}))?;
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_mins(1)).build()?;
    Ok(client.post(format!("{url}/v1/batch")).json(&request).send().await?.error_for_status()?.json().await?)
}

fn memory() -> anyhow::Result<String> {
    let text = fs::read_to_string("/proc/meminfo").context("cannot read /proc/meminfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib: u64 = line.and_then(|line| line.split_whitespace().next()?.parse().ok()).context("it does not say")?;
    enough(kib / 1024, LEAST_MEMORY_MIB)
}

fn room(folder: &Path) -> anyhow::Result<String> {
    match disk::free(folder)? {
        Some(bytes) => enough(bytes >> 20, LEAST_DISK_MIB),
        None => Ok("the file system does not say how much is free".to_owned()),
    }
}

fn enough(mib: u64, least: u64) -> anyhow::Result<String> {
    ensure!(mib >= least, "{mib} MiB are free; the quickstart needs {least} MiB");
    Ok(format!("{mib} MiB are free"))
}

fn devices() -> String {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let gpus = (0..64).filter(|n| Path::new(&format!("/dev/nvidia{n}")).exists()).count();
    format!("{cpus} CPUs, {gpus} NVIDIA GPUs{}", if gpus == 0 { "; jobs train on the CPUs" } else { "" })
}
