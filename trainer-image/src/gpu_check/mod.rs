//! `real-trainer gpu-check`: what has to be seen on a card, in one go: JSON, each check in a process and a time of its own.
//!
//! The same checks run with a tiny model on a CPU, which shows that they work, and says nothing about a card.

mod checks;
mod shape;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use real_terminal::{errln, outln};
use serde_json::{Value, json};

use crate::compute;
use shape::Setting;

/// Seconds that all checks may take together where nothing else is said.
const BUDGET: u64 = 540;

/// Arguments of `real-trainer gpu-check`.
#[derive(Clone, Debug, clap::Args)]
pub struct GpuCheckArgs {
    /// Device to check: cuda, or cpu for a dry run
    #[arg(long, value_name = "DEVICE", default_value = "cuda")]
    pub device: String,
    /// A tiny model and a few tokens in place of a 0.5B-shaped one
    #[arg(long)]
    pub tiny: bool,
    /// Only these checks
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Seconds for all checks together
    #[arg(long, value_name = "N", default_value_t = BUDGET)]
    pub seconds: u64,
    /// Where the report goes; standard output where absent
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// A Python with torch and transformers, for the peer's figures
    #[arg(long, value_name = "PROGRAM", default_value = "python3")]
    pub python: PathBuf,
    /// The peer's program
    #[arg(long, value_name = "FILE")]
    pub peer: Option<PathBuf>,
    /// Run one check in this process and print its figures
    #[arg(long, value_name = "NAME", hide = true)]
    pub here: Option<String>,
}

/// One check: what it is called and how long it may take.
struct Check {
    name: &'static str,
    seconds: u64,
    run: Runs,
}

/// What runs a check.
enum Runs {
    /// This program.
    Here(fn(&Setting) -> Result<Value>),
    /// The peer's program, with this argument.
    Peer(&'static str),
}

/// The most valuable first: what comes after may be cut off by the end of the time.
const CHECKS: [Check; 12] = [
    Check { name: "numbers", seconds: 90, run: Runs::Here(checks::numbers) },
    Check { name: "attention", seconds: 30, run: Runs::Here(checks::attention) },
    Check { name: "decode-64", seconds: 60, run: Runs::Here(|setting| checks::decode(setting, 64)) },
    Check { name: "step", seconds: 120, run: Runs::Here(checks::step) },
    Check { name: "memory-8", seconds: 45, run: Runs::Here(|setting| checks::update_memory(setting, 8)) },
    Check { name: "resume", seconds: 60, run: Runs::Here(checks::resume) },
    Check { name: "peer-generate", seconds: 90, run: Runs::Peer("generate") },
    Check { name: "peer-step", seconds: 90, run: Runs::Peer("step") },
    Check { name: "decode-256", seconds: 60, run: Runs::Here(|setting| checks::decode(setting, 256)) },
    Check { name: "decode-16", seconds: 60, run: Runs::Here(|setting| checks::decode(setting, 16)) },
    Check { name: "memory-16", seconds: 45, run: Runs::Here(|setting| checks::update_memory(setting, 16)) },
    Check { name: "memory-4", seconds: 45, run: Runs::Here(|setting| checks::update_memory(setting, 4)) },
];

/// Runs the checks and writes the report.
///
/// # Errors
/// A check failed, or the report cannot be written; that a check failed stops no other one.
pub fn run(args: &GpuCheckArgs) -> Result<()> {
    let known = CHECKS.iter().map(|check| check.name).collect::<Vec<_>>();
    if let Some(other) = args.only.iter().chain(&args.here).find(|name| !known.contains(&name.as_str())) {
        bail!("there is no check {other}; there are {}", known.join(", "));
    }
    if let Some(name) = &args.here {
        return here(args, name);
    }
    let started = Instant::now();
    let mut results = Vec::new();
    for check in CHECKS.iter().filter(|check| args.only.is_empty() || args.only.iter().any(|name| name == check.name)) {
        let left = args.seconds.saturating_sub(started.elapsed().as_secs());
        let result = attempt(args, check, Duration::from_secs(check.seconds.min(left)));
        errln!("gpu-check: {result}");
        results.push(result);
    }
    let failed: Vec<&Value> = results.iter().filter(|result| result["status"] == "failed").collect();
    let verdict = if failed.is_empty() {
        Ok(())
    } else {
        let names: Vec<&str> = failed.iter().filter_map(|result| result["check"].as_str()).collect();
        Err(anyhow::anyhow!("these checks failed: {}", names.join(", ")))
    };
    let report = json!({
        "what": concat!("real-trainer ", env!("CARGO_PKG_VERSION")),
        "device": args.device,
        "tiny": args.tiny,
        "seconds": started.elapsed().as_secs_f64(),
        "checks": results,
    });
    let text = serde_json::to_string_pretty(&report)?;
    match &args.out {
        Some(path) => std::fs::write(path, text + "\n").with_context(|| format!("cannot write {}", path.display()))?,
        None => outln!("{text}"),
    }
    verdict
}

/// One check in this process.
fn here(args: &GpuCheckArgs, name: &str) -> Result<()> {
    let device = match args.device.as_str() {
        "cpu" => real_crds::config::Device::Cpu,
        "cuda" => real_crds::config::Device::Cuda,
        other => bail!("--device is {other}: it has to be cpu or cuda"),
    };
    let device = compute::device(device, 0).map_err(anyhow::Error::msg)?;
    compute::set_threads(0);
    let setting = Setting::new(device, args.tiny);
    let Some(Check { run: Runs::Here(run), .. }) = CHECKS.iter().find(|check| check.name == name) else {
        bail!("{name} is the peer's");
    };
    outln!("{}", run(&setting)?);
    Ok(())
}

/// Runs a check as a process of its own, which is ended when its time is over.
fn attempt(args: &GpuCheckArgs, check: &Check, limit: Duration) -> Value {
    let started = Instant::now();
    let told = |status: &str, key: &str, value: Value| {
        let seconds = (started.elapsed().as_secs_f64() * 100.0).round() / 100.0;
        json!({"check": check.name, "status": status, "seconds": seconds, key: value})
    };
    if limit.is_zero() {
        return told("skipped", "reason", "the time of all checks is over".into());
    }
    let mut command = match check.run {
        Runs::Here(_) => match std::env::current_exe() {
            Ok(program) => {
                let mut command = Command::new(program);
                command.args(["gpu-check", "--here", check.name, "--device", &args.device]);
                command
            }
            Err(error) => return told("failed", "reason", error.to_string().into()),
        },
        Runs::Peer(what) => {
            let Some(peer) = args.peer.as_deref().filter(|peer| peer.is_file()) else {
                return told("skipped", "reason", "the peer's program is not given (--peer FILE)".into());
            };
            if let Err(why) = peer_is_there(&args.python) {
                return told("skipped", "reason", why.into());
            }
            let mut command = Command::new(&args.python);
            command.arg(peer).args([what, "--device", &args.device]);
            command
        }
    };
    if args.tiny {
        command.arg("--tiny");
    }
    match output(command, limit) {
        Ok(Some((true, out, _))) => match out.lines().last().map(serde_json::from_str::<Value>) {
            Some(Ok(figures)) => told("passed", "figures", figures),
            _ => told("failed", "reason", format!("its last line is no JSON: {}", last_line(&out)).into()),
        },
        Ok(Some((false, _, errors))) => told("failed", "reason", last_line(&errors).into()),
        Ok(None) => told("failed", "reason", format!("not done after {} s", limit.as_secs()).into()),
        Err(error) => told("failed", "reason", error.to_string().into()),
    }
}

fn last_line(text: &str) -> &str {
    text.trim_end().lines().last().unwrap_or_default()
}

/// Whether the peer can run: its libraries are a condition of its figures and none of ours.
fn peer_is_there(python: &Path) -> Result<(), String> {
    let mut command = Command::new(python);
    // The program's own libtorch must not be the interpreter's.
    command.args(["-c", "import torch, transformers"]).env_remove("LD_LIBRARY_PATH").env_remove("LD_PRELOAD");
    let asked = command.output().map_err(|error| format!("{}: {error}", python.display()))?;
    if asked.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&asked.stderr);
    Err(format!("{} has no torch and transformers: {}", python.display(), last_line(&text)))
}

/// Success and the two outputs of a process; none where its time was over. Both pipes are read while it runs.
fn output(mut command: Command, limit: Duration) -> std::io::Result<Option<(bool, String, String)>> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let reader = |pipe: Option<Box<dyn Read + Send>>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            if let Some(mut pipe) = pipe {
                let _ = pipe.read_to_end(&mut bytes);
            }
            String::from_utf8_lossy(&bytes).into_owned()
        })
    };
    let out = reader(child.stdout.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>));
    let errors = reader(child.stderr.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>));
    let end = Instant::now() + limit;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if Instant::now() >= end {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let text = |thread: std::thread::JoinHandle<String>| thread.join().unwrap_or_default();
    Ok(Some((status.success(), text(out), text(errors))))
}
