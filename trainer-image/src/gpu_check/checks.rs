//! The checks. Each gives its figures, or an error that says what is wrong.

use anyhow::{Context as _, Result, ensure};
use real_crds::config::{KlEstimator, LossAggregation};
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor, no_grad};

use super::shape::Setting;
use crate::model::{Decoder, Entropy, ValueModel};
use crate::optim::guard::Guard;
use crate::optim::{AdamW, AdamWConfig};
use crate::plan::room;
use crate::ppo::advantage::Estimator;
use crate::ppo::batch::{Batch, Experience};
use crate::ppo::experience;
use crate::ppo::losses::Clip;
use crate::ppo::recipe::{PolicyLossSpec, Pull};
use crate::ppo::update::{Learner, UpdateSettings, schedule, update_actor, update_critic};
use crate::sampling::{SamplingOptions, generate};
use crate::sequences::{MicroBatches, Packed, Sequence, answer_mask, longest_answer};
use crate::shim::memory;
use crate::train::optimizer_state;
use crate::train::seeds::{Purpose, stream};
use crate::train::stop::Stop;

/// Largest difference of logits in 32 bits from those of the CPU, and of log-probabilities in bfloat16 on the mean, nats.
const LOGITS: f64 = 2e-2;
const LOG_PROBS: f64 = 5e-2;

/// (a) The device is there, and computes what the CPU does.
pub(super) fn numbers(setting: &Setting) -> Result<Value> {
    let (on_cpu, here) = (Setting::new(Device::Cpu, setting.tiny), setting);
    let tokens = if setting.tiny { 12 } else { 64 };
    let sequences = setting.sequences(2, tokens);
    let logits = |model: &Decoder| {
        let packed = Packed::of(&sequences, &[0, 1], longest_answer(&sequences), model.device());
        no_grad(|| {
            model.logits(&model.hidden(&packed.ids, &packed.lengths)).to_kind(Kind::Float).to_device(Device::Cpu)
        })
    };
    let log_probs = |model: &Decoder| {
        experience::log_probs(model, &sequences, MicroBatches::Sequences(2), 1.0).to_device(Device::Cpu)
    };
    let ours = here.model(Kind::Float);
    let (expected, expected_log_probs) = {
        let reference = on_cpu.model(Kind::Float);
        (logits(&reference), log_probs(&reference))
    };
    let difference = (logits(&ours) - &expected).abs().max().double_value(&[]);
    let in_bf16 = log_probs(&ours.with_compute(Kind::BFloat16)) - expected_log_probs;
    let mean = in_bf16.abs().mean(Kind::Float).double_value(&[]);
    let figures = json!({
        "device": format!("{:?}", setting.device), "bytes": room::of(setting.device), "cuda": tch::Cuda::is_available(),
        "cuda_devices": tch::Cuda::device_count(), "logits_max_difference": difference, "bf16_log_prob_mean_difference": mean,
    });
    ensure!(
        difference <= LOGITS,
        "logits in 32 bits differ by {difference} from the CPU's, at most {LOGITS} is allowed: {figures}"
    );
    ensure!(
        mean <= LOG_PROBS,
        "log-probabilities in bfloat16 differ by {mean} nats on the mean, at most {LOG_PROBS}: {figures}"
    );
    Ok(figures)
}

/// (b) Which kernel of attention each kind of call takes. On a card `math` is a failure: it expands keys and values and keeps
/// all scores.
pub(super) fn attention(setting: &Setting) -> Result<Value> {
    const KERNELS: [&str; 4] = ["math", "flash", "efficient", "cudnn"];
    let config = &setting.config;
    let (heads, keys, width) = (config.num_attention_heads, config.key_value_heads(), config.head_width());
    let length = (setting.prompt + setting.answer) as i64;
    let options = (Kind::BFloat16, setting.device);
    let tensor = |heads: i64, length: i64| Tensor::randn([4, heads, length, width], options);
    let mask = |queries: i64| Tensor::zeros([4, 1, queries, length], options);
    let calls = [
        ("update", length, true, None, true),
        ("prefill", setting.prompt as i64, true, None, true),
        ("decode", 1, false, None, true),
        // What a batch with padding on the left asks for: told, and no failure where the program need not call it.
        ("decode with a mask", 1, false, Some(mask(1)), false),
    ];
    let mut kernels = serde_json::Map::new();
    let mut slow = Vec::new();
    for (name, queries, causal, mask, needed) in calls {
        let memory = if causal { queries } else { length };
        let (q, k, v) = (tensor(heads, queries), tensor(keys, memory), tensor(keys, memory));
        let mask = mask.as_ref().map(|mask| mask.narrow(3, 0, memory));
        let choice = no_grad(|| {
            Tensor::f_internal_fused_sdp_choice(&q, &k, &v, mask.as_ref(), 0.0, causal, None, heads != keys)
        })?;
        let kernel = usize::try_from(choice).ok().and_then(|choice| KERNELS.get(choice)).copied().unwrap_or("none");
        if needed && ["math", "none"].contains(&kernel) {
            slow.push(name);
        }
        kernels.insert(name.to_owned(), kernel.into());
    }
    ensure!(
        slow.is_empty() || setting.device == Device::Cpu,
        "attention falls back to {}: {}",
        slow.join(", "),
        Value::Object(kernels)
    );
    Ok(Value::Object(kernels))
}

/// (c) Tokens a second of generation, and as a share of what reading weights and cache at the device's bandwidth allows.
pub(super) fn decode(setting: &Setting, rows: usize) -> Result<Value> {
    let rows = if setting.tiny { rows.min(4) } else { rows };
    let new = if setting.tiny { 8 } else { 128 };
    let model = setting.model(Kind::BFloat16).frozen();
    let prompts = setting.prompts(rows);
    let run = |new: usize| -> Result<f64> {
        let (done, seconds) = setting.timed(|| generate(&model, &prompts, &options(new, rows), &mut |_, _| ()));
        done?;
        Ok(seconds)
    };
    run(2)?;
    // The prompts alone, to be taken off.
    let prefill = run(1)?;
    let seconds = (run(1 + new)? - prefill).max(1e-9);
    let steps = new as f64;
    let bandwidth = bandwidth(setting);
    let config = &setting.config;
    let token = (2 * 2 * config.num_hidden_layers * config.key_value_heads() * config.head_width()) as f64;
    let remembered: usize = prompts.iter().map(|prompt| prompt.len() + new / 2).sum();
    let floor = (2.0 * config.parameters() as f64 + token * remembered as f64) / bandwidth;
    Ok(json!({
        "rows": rows, "mode": "eager", "tokens_per_s": (rows as f64 * steps / seconds).round(),
        "ms_per_step": 1e3 * seconds / steps, "prefill_s": prefill, "bandwidth_gb_per_s": bandwidth / 1e9,
        "share_of_floor": floor / (seconds / steps),
    }))
}

/// Bytes a second that a copy reads and writes.
fn bandwidth(setting: &Setting) -> f64 {
    let count: i64 = if setting.tiny { 1 << 16 } else { 1 << 28 };
    let source = Tensor::zeros([count], (Kind::Float, setting.device));
    let mut target = source.zeros_like();
    target.copy_(&source);
    let times = 5;
    let ((), seconds) = setting.timed(|| (0..times).for_each(|_| target.copy_(&source)));
    (times * 2 * 4 * count) as f64 / seconds.max(1e-9)
}

fn options(new: usize, rows: usize) -> SamplingOptions {
    SamplingOptions {
        max_new_tokens: new,
        temperature: 1.0,
        top_p: 1.0,
        top_k: 0,
        seed: 3,
        batch_size: rows,
        eos: Vec::new(),
    }
}

/// (d) Memory of an update with so many sequences of 2,048 tokens at a time.
pub(super) fn update_memory(setting: &Setting, micro: usize) -> Result<Value> {
    let tokens = if setting.tiny { 16 } else { 2048 };
    if setting.device == Device::Cpu {
        memory::count()?;
    }
    let model = setting.model(Kind::BFloat16);
    let mut optimizer = AdamW::new(model.named_parameters(), AdamWConfig::default());
    let static_bytes = in_use(setting);
    let sequences = setting.sequences(micro, tokens);
    let rows: Vec<usize> = (0..micro).collect();
    let packed = Packed::of(&sequences, &rows, longest_answer(&sequences), setting.device);
    let mut seconds = 0.0;
    for _ in 0..2 {
        let (done, time) = setting.timed(|| -> Result<()> {
            optimizer.zero_grad()?;
            let count = packed.targets.numel() as f64;
            model.learn(&packed, 1.0, Entropy::Learnt, |prediction, _| {
                -(&prediction.log_probs + &prediction.entropy * 1e-3).sum(Kind::Float) / count
            })?;
            optimizer.clip_grad_norm(1.0)?;
            Ok(optimizer.step(1e-6)?)
        });
        done?;
        seconds = time;
    }
    let peak = if setting.device == Device::Cpu { Some(memory::take_peak().unsigned_abs()) } else { in_use(setting) };
    Ok(json!({
        "micro_batch": micro, "tokens": tokens, "static_bytes": static_bytes, "peak_bytes": peak,
        "tokens_per_s": ((micro * tokens) as f64 / seconds).round(),
        "what": if setting.device == Device::Cpu { "bytes of tensors" } else { "bytes that the allocator holds, other processes included" },
    }))
}

/// Bytes that are taken on the device. libtorch's allocator keeps what it had: after the work this is the most there was.
fn in_use(setting: &Setting) -> Option<u64> {
    match setting.device {
        Device::Cuda(_) => room::in_use_cuda(),
        _ => Some(memory::live().unsigned_abs()),
    }
}

/// (e) One whole step of PPO with rewards drawn at random: rollout, three models' opinions, advantages, two updates.
pub(super) fn step(setting: &Setting) -> Result<Value> {
    let rows = if setting.tiny { 4 } else { 64 };
    let micro = MicroBatches::Sequences(if setting.tiny { 2 } else { 8 });
    let actor = setting.model(Kind::BFloat16);
    let reference = actor.frozen();
    let critic = ValueModel::new(actor.deep_copy());
    let mut optimizers = (
        AdamW::new(actor.named_parameters(), AdamWConfig::default()),
        AdamW::new(critic.named_parameters(), AdamWConfig::default()),
    );
    let prompts = setting.prompts(rows);
    let mut answers: Vec<Vec<i64>> = vec![Vec::new(); rows];
    let mut times = serde_json::Map::new();
    let mut note =
        |what: &str, seconds: f64| drop(times.insert(what.to_owned(), ((seconds * 1e4).round() / 1e4).into()));

    let (generated, seconds) = setting.timed(|| {
        generate(&actor, &prompts, &options(setting.answer, rows), &mut |index, answer| answers[index] = answer.ids)
    });
    generated?;
    note("gen", seconds);
    let sequences: Vec<Sequence> =
        prompts.iter().zip(&answers).map(|(prompt, answer)| Sequence::new(prompt, answer)).collect();
    let tokens: usize = answers.iter().map(Vec::len).sum();
    let (log_probs, seconds) = setting.timed(|| experience::log_probs(&actor, &sequences, micro, 1.0));
    note("old_log_prob", seconds);
    let (of_reference, seconds) = setting.timed(|| experience::log_probs(&reference, &sequences, micro, 1.0));
    note("ref", seconds);
    let (values, seconds) = setting.timed(|| experience::values(&critic, &sequences, micro));
    note("values", seconds);
    let scores: Vec<f64> = (0..rows).map(|row| f64::from(row as u32 % 3) / 2.0).collect();
    let evidence = Experience {
        mask: answer_mask(&sequences, setting.device),
        log_probs,
        reference: Some(of_reference),
        values: Some(values),
        groups: (0..rows).collect(),
        greedy: None,
    };
    let pull = Some(Pull { coefficient: 1e-3, estimator: KlEstimator::K1 });
    let gae = Estimator::Gae { gamma: 1.0, lambda: 1.0, whiten: true };
    let ((batch, metrics), seconds) = setting.timed(|| Batch::new(sequences, &scores, evidence, pull, gae));
    note("adv", seconds);
    let settings = UpdateSettings {
        step: 1,
        micro,
        temperature: 1.0,
        loss: PolicyLossSpec {
            clip: Clip { low: 0.2, high: 0.2, dual: Some(3.0) },
            aggregation: LossAggregation::TokenMean,
            longest: setting.answer as u64,
            kl: None,
            entropy: 1e-3,
        },
        value_clip: 0.5,
        max_grad_norm: 1.0,
    };
    let steps = schedule(rows, rows, 1, &mut stream(1, Purpose::Update, &[1]));
    let mut guard = Guard::new("critic", 0);
    let learner = Learner { model: &critic, optimizer: &mut optimizers.1, guard: &mut guard, rate: 1e-5 };
    let (of_critic, seconds) = setting.timed(|| update_critic(learner, &batch, &steps, &settings));
    note("update_critic", seconds);
    let mut guard = Guard::new("actor", 0);
    let learner = Learner { model: &actor, optimizer: &mut optimizers.0, guard: &mut guard, rate: 1e-6 };
    let (of_actor, seconds) = setting.timed(|| update_actor(learner, &batch, &steps, &settings));
    note("update_actor", seconds);
    let (of_actor, of_critic) = (of_actor?, of_critic?);
    let loss = |metrics: &crate::metrics::Metrics, name: &str| metrics.get(name).context("an update has a loss");
    let all: f64 = times.values().filter_map(Value::as_f64).sum();
    Ok(json!({
        "answers": rows, "answer_tokens": tokens, "seconds": all, "timing_s": times, "answer_tokens_per_s": tokens as f64 / all,
        "kl": metrics.get("critic/kl"), "pg_loss": loss(&of_actor, "actor/pg_loss")?, "vf_loss": loss(&of_critic, "critic/vf_loss")?,
        "bytes_in_use": in_use(setting),
    }))
}

/// (g) What is saved and loaded goes on as if nothing had been.
pub(super) fn resume(setting: &Setting) -> Result<Value> {
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let sequences = setting.sequences(2, if setting.tiny { 12 } else { 256 });
    let learn = |model: &Decoder, optimizer: &mut AdamW| -> Result<()> {
        let packed = Packed::of(&sequences, &[0, 1], longest_answer(&sequences), setting.device);
        optimizer.zero_grad()?;
        let count = packed.targets.numel() as f64;
        model.learn(&packed, 1.0, Entropy::Unused, |prediction, _| -prediction.log_probs.sum(Kind::Float) / count)?;
        optimizer.clip_grad_norm(1.0)?;
        Ok(optimizer.step(1e-3)?)
    };
    let model = setting.model(Kind::Float);
    let mut optimizer = AdamW::new(model.named_parameters(), AdamWConfig::default());
    learn(&model, &mut optimizer)?;
    let (saved, save_seconds) = setting.timed(|| -> Result<()> {
        let mut files = model.files();
        optimizer_state::add(&mut files, &optimizer, "actor");
        Ok(files.write(folder.path())?)
    });
    saved?;
    let (loaded, load_seconds) = setting.timed(|| -> Result<(Decoder, AdamW)> {
        let model = Decoder::load(folder.path(), setting.device)?;
        let mut optimizer = AdamW::new(model.named_parameters(), AdamWConfig::default());
        optimizer_state::load(&mut optimizer, folder.path(), "actor", setting.device, &Stop::default())?;
        Ok((model, optimizer))
    });
    let (again, mut its_optimizer) = loaded?;
    learn(&model, &mut optimizer)?;
    learn(&again, &mut its_optimizer)?;
    let difference = model
        .named_parameters()
        .zip(again.named_parameters())
        .map(|((_, one), (_, other))| (one.detach() - other.detach()).abs().max().double_value(&[]))
        .fold(0.0, f64::max);
    // Sums of a card need not come in the same order twice.
    let allowed = if setting.device == Device::Cpu { 0.0 } else { 1e-5 };
    ensure!(difference <= allowed, "after a step the two differ by {difference}, at most {allowed} is allowed");
    Ok(json!({"max_difference": difference, "save_s": save_seconds, "load_s": load_seconds}))
}
