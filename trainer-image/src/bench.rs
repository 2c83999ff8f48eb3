//! `real-trainer bench`: speed of generation and of a training step, as `benches/peer.py` measures the peers'.

use std::time::Instant;

use anyhow::{Context, Result};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use real_terminal::outln;
use serde::Deserialize;
use serde_json::json;
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
}

#[derive(Deserialize)]
struct Workload {
    config: ModelConfig,
    decode: Decode,
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
    learning_rate: f64,
}

/// Runs the command.
///
/// # Errors
/// A step fails.
pub fn run(args: &BenchArgs) -> Result<()> {
    let load: Workload =
        serde_json::from_str(include_str!("../benches/workload.json")).context("benches/workload.json")?;
    compute::set_threads(args.threads);
    let model = Decoder::random(load.config.clone(), 1, Device::Cpu);
    let decode = &load.decode;
    let prompts = random_rows(decode.rows, decode.prompt_tokens, load.config.vocab_size);
    let options = SamplingOptions {
        max_new_tokens: decode.new_tokens,
        temperature: 1.0,
        top_p: 1.0,
        top_k: 0,
        seed: 1,
        batch_size: decode.rows,
        eos: Vec::new(),
    };
    let seconds = best_seconds(load.repetitions, || Ok(generate(&model, &prompts, &options, &mut |_, _| ())?))?;
    let tokens_per_second = (decode.rows * decode.new_tokens) as f64 / seconds;

    let rows = random_rows(load.train.rows, load.train.tokens, load.config.vocab_size);
    let sequences: Vec<Sequence> = rows.iter().map(|row| Sequence::new(&row[..1], &row[1..])).collect();
    let all: Vec<usize> = (0..sequences.len()).collect();
    let batch = Packed::of(&sequences, &all, longest_answer(&sequences), Device::Cpu);
    let mut optimizer = AdamW::new(model.named_parameters(), AdamWConfig::default());
    let step_seconds =
        best_seconds(4 * load.repetitions, || train_step(&model, &mut optimizer, &batch, load.train.learning_rate))?;
    let result = json!({
        "decode_tokens_per_s": (tokens_per_second * 10.0).round() / 10.0,
        "train_step_ms": (step_seconds * 100_000.0).round() / 100.0,
        "threads": tch::get_num_threads(),
        "what": concat!("real-trainer ", env!("CARGO_PKG_VERSION")),
    });
    outln!("{result}");
    Ok(())
}

fn train_step(model: &Decoder, optimizer: &mut AdamW, batch: &Packed, lr: f64) -> Result<()> {
    optimizer.zero_grad()?;
    let tokens = batch.targets.numel() as f64;
    model.learn(batch, 1.0, Entropy::Unused, |prediction, _| -prediction.log_probs.sum(Kind::Float) / tokens)?;
    optimizer.clip_grad_norm(1.0)?;
    optimizer.step(lr)?;
    Ok(())
}

fn random_rows(rows: usize, columns: usize, vocabulary: i64) -> Vec<Vec<i64>> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    (0..rows).map(|_| (0..columns).map(|_| rng.random_range(3..vocabulary)).collect()).collect()
}

/// The shortest of some repetitions: what else runs on the machine can only add.
fn best_seconds(repetitions: usize, mut work: impl FnMut() -> Result<()>) -> Result<f64> {
    work()?; // the first run pays for allocations
    let mut best = f64::INFINITY;
    for _ in 0..repetitions {
        let start = Instant::now();
        work()?;
        best = best.min(start.elapsed().as_secs_f64());
    }
    Ok(best)
}
