//! `real-trainer bench`: speed of generation and of a training step, as `benches/peer.py` measures the peers'.
use anyhow::{Context, Result};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use real_terminal::outln;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind};

use crate::compute;
use crate::model::{Decoder, Entropy, ModelConfig};
use crate::optim::{AdamW, AdamWConfig};
use crate::sampling::{SamplingOptions, generate};
use crate::sequences::{Packed, Sequence, longest_answer};

/// Measures and prints one line of JSON.
#[derive(clap::Args, Debug)]
pub struct BenchArgs {
    /// CPU threads; 0 for as many as there are cores.
    #[arg(long, value_name = "N", default_value_t = 0)]
    threads: usize,
    /// The one model of the workload to measure; all where absent.
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
}

#[derive(Deserialize)]
struct Workload {
    models: Vec<Load>,
}

#[derive(Deserialize)]
struct Load {
    name: String,
    config: ModelConfig,
    decode: Vec<Decode>,
    train: Train,
    repetitions: usize,
}

#[derive(Deserialize)]
struct Decode {
    rows: usize,
    prompt_tokens: usize,
    new_tokens: usize,
}

#[derive(Deserialize)]
struct Train {
    rows: usize,
    tokens: usize,
    repetitions: usize,
}

/// CPU milliseconds, user and system.
#[derive(Serialize)]
struct Figures {
    model: String,
    /// Rows, and a step that gives each of them a token.
    decode_step_ms: Vec<(usize, f64)>,
    /// Rows, and everything up to their first tokens.
    prefill_ms: Vec<(usize, f64)>,
    train_step_ms: f64,
}

#[derive(Serialize)]
struct Report {
    models: Vec<Figures>,
    threads: i32,
    what: &'static str,
}

/// Runs the command.
///
/// # Errors
/// A step fails.
pub fn run(args: &BenchArgs) -> Result<()> {
    let load: Workload =
        serde_json::from_str(include_str!("../benches/workload.json")).context("benches/workload.json")?;
    compute::set_threads(args.threads);
    let wanted = load.models.iter().filter(|load| args.model.as_ref().is_none_or(|name| *name == load.name));
    let report = Report {
        models: wanted.map(measure).collect::<Result<_>>()?,
        threads: tch::get_num_threads(),
        what: concat!("real-trainer ", env!("CARGO_PKG_VERSION")),
    };
    outln!("{}", serde_json::to_string(&report)?);
    Ok(())
}

fn measure(load: &Load) -> Result<Figures> {
    let model = Decoder::random(load.config.clone(), 1, Device::Cpu);
    let (mut decode_step_ms, mut prefill_ms) = (Vec::new(), Vec::new());
    for decode in &load.decode {
        let prompts = random_rows(decode.rows, decode.prompt_tokens, load.config.vocab_size);
        let answer = |new_tokens| {
            let options = SamplingOptions {
                max_new_tokens: new_tokens,
                temperature: 1.0,
                top_p: 1.0,
                top_k: 0,
                seed: 1,
                batch_size: decode.rows,
                eos: Vec::new(),
            };
            least(load.repetitions, || Ok(generate(&model, &prompts, &options, &mut |_, _| ())?))
        };
        let (first, all) = (answer(1)?, answer(decode.new_tokens)?);
        decode_step_ms.push((decode.rows, (all - first) / (decode.new_tokens - 1) as f64));
        prefill_ms.push((decode.rows, first));
    }
    let rows = random_rows(load.train.rows, load.train.tokens, load.config.vocab_size);
    let sequences: Vec<Sequence> = rows.iter().map(|row| Sequence::new(&row[..1], &row[1..])).collect();
    let all: Vec<usize> = (0..sequences.len()).collect();
    let batch = Packed::of(&sequences, &all, longest_answer(&sequences), Device::Cpu);
    let mut optimizer = AdamW::new(model.named_parameters(), AdamWConfig::default());
    let train_step_ms = least(load.train.repetitions, || train_step(&model, &mut optimizer, &batch))?;
    Ok(Figures { model: load.name.clone(), decode_step_ms, prefill_ms, train_step_ms })
}

fn train_step(model: &Decoder, optimizer: &mut AdamW, batch: &Packed) -> Result<()> {
    optimizer.zero_grad()?;
    let tokens = batch.targets.numel() as f64;
    model.learn(batch, 1.0, Entropy::Unused, |prediction, _| -prediction.log_probs.sum(Kind::Float) / tokens)?;
    optimizer.clip_grad_norm(1.0)?;
    optimizer.step(1e-4)?;
    Ok(())
}

fn random_rows(rows: usize, columns: usize, vocabulary: i64) -> Vec<Vec<i64>> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    (0..rows).map(|_| (0..columns).map(|_| rng.random_range(3..vocabulary)).collect()).collect()
}

/// The least CPU milliseconds of some repetitions: what else runs on the machine can only add.
fn least(repetitions: usize, mut work: impl FnMut() -> Result<()>) -> Result<f64> {
    work()?; // the first run pays for allocations
    let mut least = f64::INFINITY;
    for _ in 0..repetitions {
        let before = cpu_ms()?;
        work()?;
        least = least.min(cpu_ms()? - before);
    }
    Ok(least)
}

fn cpu_ms() -> Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF).context("reading CPU time")?;
    Ok((usage.user_time().num_microseconds() + usage.system_time().num_microseconds()) as f64 / 1e3)
}
