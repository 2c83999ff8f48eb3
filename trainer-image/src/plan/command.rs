//! `real-trainer plan JOB`: what a job needs on each device, and whether that fits.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use real_crds::config::{self, TrainerConfig};
use real_crds::validate::parse_job;
use real_crds::{Endpoints, render};
use real_terminal::{OrRefused as _, outln};
use tch::Device;

use super::room::{self, Verdict, judge};
use super::{Plan, When, readable};
use crate::compute;
use crate::model::{ModelConfig, resolve};

/// Arguments of `real-trainer plan`.
#[derive(Clone, Debug, clap::Args)]
pub struct PlanArgs {
    /// A `RealTrainingJob` (YAML), or the configuration it renders to (JSON)
    #[arg(value_name = "JOB")]
    pub job: PathBuf,
    /// Change the job: PATH=VALUE as in `real run --set`
    #[arg(long, value_name = "PATH=VALUE")]
    pub set: Vec<String>,
    /// The model's config.json, where the model itself is not at hand
    #[arg(long, value_name = "FILE")]
    pub model_config: Option<PathBuf>,
    /// Memory of the device, such as 80Gi; what this machine has where absent
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<String>,
    /// Plan for this device: cpu or cuda; that of the job where absent
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<String>,
}

/// Far more than any job: `etcd` holds 1.5 MiB an object.
const LARGEST: u64 = 16 << 20;

/// Prints the plan.
///
/// # Errors
/// The job or the model's configuration cannot be read, or the job cannot fit.
pub fn run(args: &PlanArgs) -> Result<()> {
    // Nothing but what was asked for can be wrong with a plan.
    plan(args).or_refused()
}

fn plan(args: &PlanArgs) -> Result<()> {
    let config = read(&args.job, &args.set)?;
    let model = if let Some(file) = &args.model_config {
        ModelConfig::read(file)?
    } else {
        let scratch = tempfile::tempdir().context("cannot make a temporary folder")?;
        let folder = resolve(&config.model.uri, scratch.path())
            .context("the model is not on this machine: give its config.json by --model-config")?;
        ModelConfig::load(&folder)?
    };
    let device = match (args.device.as_deref(), config.compute.device) {
        (Some("cuda"), _) | (None, config::Device::Cuda) => Device::Cuda(0),
        (Some("cpu"), _) | (None, config::Device::Cpu) => Device::Cpu,
        (None, auto) => compute::device(auto, 0).map_err(anyhow::Error::msg)?,
        (Some(other), _) => bail!("--device is {other}: it has to be cpu or cuda"),
    };
    let room = match &args.memory {
        Some(text) => Some(bytes(text).with_context(|| format!("--memory is {text}: write it like 80Gi or 16G"))?),
        None => room::of(device),
    };
    outln!("{}", table(&config, &model, device).trim_end());
    match judge(&config, &model, device, room) {
        Verdict::Fits => outln!(
            "{}",
            room.map_or("how much the device has is not known".to_owned(), |room| format!(
                "fits: the device has {}",
                readable(room)
            ))
        ),
        Verdict::Tight(sentence) => outln!("tight: {sentence}"),
        Verdict::Impossible(sentence) => bail!("{sentence}"),
    }
    Ok(())
}

/// A job's configuration, from YAML or JSON.
fn read(path: &Path, set: &[String]) -> Result<TrainerConfig> {
    let place = path.display().to_string();
    let text = real_datasets::files::read_text(path, LARGEST).with_context(|| format!("cannot read {place}"))?;
    if path.extension().is_some_and(|extension| extension == "json") {
        ensure!(set.is_empty(), "--set changes a RealTrainingJob; {place} is a configuration");
        return serde_json::from_str(&text).with_context(|| format!("{place} is not a trainer configuration"));
    }
    let job = parse_job(&text, &place, set).map_err(|errors| anyhow::anyhow!("{errors}"))?;
    Ok(render(&job, &Endpoints::default()))
}

fn bytes(text: &str) -> Result<u64> {
    /// A number without a unit below this was meant in another one.
    const LEAST: f64 = 1e6;
    const UNITS: [(&str, u64); 8] = [
        ("Ki", 1 << 10),
        ("Mi", 1 << 20),
        ("Gi", 1 << 30),
        ("Ti", 1 << 40),
        ("k", 1_000),
        ("M", 1_000_000),
        ("G", 1_000_000_000),
        ("T", 1_000_000_000_000),
    ];
    // As people write it; on the side of what a card really has.
    let text = text.strip_suffix('B').filter(|text| text.ends_with(['k', 'M', 'G', 'T', 'i'])).unwrap_or(text);
    ensure!(
        !text.parse::<f64>().is_ok_and(|bytes| bytes < LEAST),
        "that many bytes are no device; for GiB write {text}Gi"
    );
    let (number, unit) =
        UNITS.iter().find_map(|(suffix, unit)| Some((text.strip_suffix(suffix)?, *unit))).unwrap_or((text, 1));
    let number: f64 = number.trim().parse().map_err(|_| anyhow::anyhow!("it has to be a number with a unit"))?;
    ensure!(number.is_finite() && number > 0.0, "it must be more than 0");
    Ok((number * unit as f64) as u64)
}

/// The plan as a table.
pub fn table(config: &TrainerConfig, model: &ModelConfig, device: Device) -> String {
    let plan = Plan::new(config, model, device);
    let mut text = format!("{} parameters\n", model.parameters());
    let parts = [(When::Always, "always"), (When::Rollout, "rollout"), (When::Update, "update")];
    for (when, name) in parts {
        for item in plan.items.iter().filter(|item| item.when == when && item.bytes > 0) {
            let _ = writeln!(text, "{name:8} {:36} {:>10}", item.what, readable(item.bytes));
        }
    }
    for (when, name) in [(When::Rollout, "while answers are generated"), (When::Update, "while a model learns")] {
        let _ = writeln!(text, "{:8} {name:36} {:>10}", "in all", readable(plan.sum(when)));
    }
    text
}
