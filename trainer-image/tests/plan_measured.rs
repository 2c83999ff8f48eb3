//! What is planned for the CPU beside the bytes of tensors that are counted while models load, answer and learn.

use real_crds::config::{Algorithm as Configured, TrainerConfig};
use real_crds::validate::parse_job;
use real_crds::{Endpoints, render};
use real_trainer::compute;
use real_trainer::model::{Base, Decoder, ModelConfig, ValueModel};
use real_trainer::optim::guard::Guard;
use real_trainer::optim::{AdamW, AdamWConfig};
use real_trainer::plan::{Plan, When};
use real_trainer::ppo::batch::Batch;
use real_trainer::ppo::recipe::Recipe;
use real_trainer::ppo::update::{Learner, UpdateSettings, update_actor, update_critic};
use real_trainer::progress::SharedProgress;
use real_trainer::sampling::{SamplingOptions, generate};
use real_trainer::sequences::Sequence;
use real_trainer::sft::trainer::{DemonstrationSet, SftTrainer};
use real_trainer::shim::memory;
use real_trainer::train::algorithm::{Algorithm as _, Surroundings};
use real_trainer::train::memory::prompts_at_a_time;
use real_trainer::train::stop::Stop;
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

const PROMPT: usize = 96;
const ANSWER: usize = 64;
const ROWS: usize = 8;

const PPO: [&str; 3] = ["ppo.steps=1", "ppo.batchSize=8", "ppo.microBatchSize=4"];
const GRPO: [&str; 4] = ["grpo.steps=1", "grpo.batchSize=2", "grpo.samplesPerPrompt=4", "grpo.microBatchSize=4"];
const SFT: [&str; 3] = ["sft.steps=2", "sft.batchSize=8", "sft.microBatchSize=4"];

/// A job of full-length prompts and answers.
fn job(algorithm: &[&str], set: &[&str]) -> TrainerConfig {
    let text = "apiVersion: real-rl.dev/v1alpha1\nkind: RealTrainingJob\nmetadata: {name: counted}\nspec:\n  model: {storageUri: m}\n  \
                datasets: {train: [{name: d, storageUri: d.jsonl}]}\n  rewardPoolRef: {name: p}\n";
    let own = [format!("spec.rollout.maxPromptTokens={PROMPT}"), format!("spec.rollout.maxResponseTokens={ANSWER}")];
    let algorithm = algorithm.iter().map(|text| format!("spec.algorithm.{text}"));
    let set: Vec<String> = own.into_iter().chain(algorithm).chain(set.iter().map(|text| (*text).to_owned())).collect();
    render(&parse_job(text, "counted", &set).unwrap_or_else(|errors| panic!("{errors}")), &Endpoints::default())
}

fn shape(changes: &[(&str, Value)]) -> ModelConfig {
    let mut config = json!({
        "model_type": "qwen2", "hidden_size": 64, "intermediate_size": 160, "num_hidden_layers": 3, "num_attention_heads": 4,
        "num_key_value_heads": 2, "vocab_size": 2_000, "tie_word_embeddings": true, "initializer_range": 0.05,
    });
    for (key, value) in changes {
        config[key] = value.clone();
    }
    serde_json::from_value(config).expect("a configuration")
}

/// Planned and counted bytes must be this near.
struct Near {
    what: String,
    planned: u64,
    counted: u64,
}

/// Runs what a job does, and counts: models, loading, generation, update.
fn measure(name: &str, config: &TrainerConfig, shape: &ModelConfig, base: &Base) -> Vec<Near> {
    let answers = config.rollout.max_response_tokens;
    let recipe = match &config.algorithm {
        Configured::Ppo(ppo) => Recipe::ppo(ppo, answers),
        Configured::PolicyGradient(gradient) => Recipe::policy_gradient(gradient, answers),
        Configured::Sft(_) => return measure_sft(name, config, shape, base),
    };
    let plan = Plan::new(config, shape, Device::Cpu);

    memory::take_peak();
    let start = memory::live();
    let actor = loaded(config, base);
    let loading = memory::take_peak() - start;
    let _reference = recipe.reference.then(|| actor.frozen());
    let mut critic = recipe.critic.map(|_| {
        let critic = ValueModel::new(actor.deep_copy());
        let optimizer = AdamW::new(critic.named_parameters(), AdamWConfig::default());
        (critic, optimizer)
    });
    let mut of_actor = AdamW::new(actor.named_parameters(), AdamWConfig::default());
    let models = memory::live() - start;
    memory::take_peak();

    let (rollout, answers) = answered(config, &actor, ROWS);
    let rollout = rollout - start;
    assert_eq!(memory::live() - start, models, "{name}: generation leaves nothing behind");

    let sequences: Vec<Sequence> = (0..ROWS).map(|row| Sequence::new(&tokens(row, PROMPT), &answers[row])).collect();
    let numbers = || Tensor::full([ROWS as i64, ANSWER as i64], -0.5, (Kind::Float, Device::Cpu));
    let batch = Batch {
        sequences,
        old_log_probs: numbers(),
        reference: recipe.reference.then(numbers),
        old_values: recipe.critic.map(|_| numbers()),
        advantages: numbers(),
        returns: numbers(),
        weights: None,
    };
    let settings = UpdateSettings {
        step: 1,
        micro: recipe.micro,
        temperature: config.rollout.temperature,
        loss: recipe.loss,
        value_clip: 0.5,
        max_grad_norm: 1.0,
    };
    let steps = vec![(0..ROWS).collect::<Vec<_>>(); 2];
    if let Some((model, optimizer)) = &mut critic {
        let mut guard = Guard::new("critic", 0);
        let learner = Learner { model: &*model, optimizer, guard: &mut guard, rate: 1e-4 };
        update_critic(learner, &batch, &steps, &settings).expect("an update");
    }
    let mut guard = Guard::new("actor", 0);
    let learner = Learner { model: &actor, optimizer: &mut of_actor, guard: &mut guard, rate: 1e-4 };
    update_actor(learner, &batch, &steps, &settings).expect("an update");
    let update = memory::take_peak() - start;

    near(name, &plan, loading, models, rollout, update)
}

/// The same for demonstrations, by the trainer of them: what is generated are answers to the suites, where there are any.
fn measure_sft(name: &str, config: &TrainerConfig, shape: &ModelConfig, base: &Base) -> Vec<Near> {
    let Configured::Sft(sft) = &config.algorithm else { panic!("SFT") };
    let plan = Plan::new(config, shape, Device::Cpu);
    memory::take_peak();
    let start = memory::live();
    let model = loaded(config, base);
    let loading = memory::take_peak() - start;
    let sequences = (0..ROWS).map(|row| Sequence::new(&tokens(row, PROMPT), &tokens(row + 1, ANSWER))).collect();
    let data = vec![DemonstrationSet { weight: 1.0, sequences }];
    let mut trainer = SftTrainer::new(model, data, sft.clone(), 1);
    let models = memory::live() - start;
    memory::take_peak();
    let mut rollout = models;
    if !config.evaluation.suites.is_empty() {
        let rows = prompts_at_a_time(trainer.policy(), PROMPT + ANSWER);
        rollout = answered(config, trainer.policy(), rows).0 - start;
        assert_eq!(memory::live() - start, models, "{name}: generation leaves nothing behind");
    }
    let (progress, stop) = (SharedProgress::default(), Stop::default());
    for step in 1..=2 {
        trainer.step(step, &Surroundings { progress: &progress, stop: &stop }).expect("a step");
    }
    near(name, &plan, loading, models, rollout, memory::take_peak() - start)
}

fn loaded(config: &TrainerConfig, base: &Base) -> Decoder {
    let kind = compute::kind(config.compute.dtype);
    let ready = |model: Decoder| model.with_compute(kind).with_checkpointing(config.compute.gradient_checkpointing);
    match &config.model.lora {
        Some(lora) => {
            let loaded = ready(Decoder::load_frozen(&base.folder, Device::Cpu, kind).expect("loads"));
            loaded.with_lora(lora, base.clone(), 1)
        }
        None => ready(Decoder::load(&base.folder, Device::Cpu).expect("loads")),
    }
}

fn tokens(row: usize, count: usize) -> Vec<i64> {
    (0..count).map(|t| (3 + row * 7 + t * 5) as i64 % 97).collect()
}

/// Peak of what is alive while so many prompts are answered, and the answers.
fn answered(config: &TrainerConfig, policy: &Decoder, rows: usize) -> (i64, Vec<Vec<i64>>) {
    let prompts: Vec<Vec<i64>> = (0..rows).map(|row| tokens(row, PROMPT)).collect();
    let options = SamplingOptions {
        max_new_tokens: ANSWER,
        temperature: config.rollout.temperature,
        top_p: config.rollout.top_p,
        top_k: config.rollout.top_k as usize,
        seed: 1,
        batch_size: rows,
        eos: vec![1_000_000],
    };
    let mut answers = vec![Vec::new(); rows];
    generate(policy, &prompts, &options, &mut |index, sampled| answers[index] = sampled.ids).expect("answers");
    (memory::take_peak(), answers)
}

fn near(name: &str, plan: &Plan, loading: i64, models: i64, rollout: i64, update: i64) -> Vec<Near> {
    let near = |what: &str, planned: u64, counted: i64| Near {
        what: format!("{name}: {what}"),
        planned,
        counted: counted.unsigned_abs(),
    };
    vec![
        near("loading", plan.peak(), loading),
        near("models", plan.sum(When::Always), models),
        near("rollout", plan.sum(When::Rollout), rollout),
        near("update", plan.sum(When::Update), update),
    ]
}

/// Headers of small blocks, and numbers that are counted in no part of the plan.
const UNPLANNED: u64 = 64 << 10;
/// What is planned for scratch, which these models are too small for.
const SCRATCH: u64 = 5 << 18;

#[test]
fn what_is_planned_is_what_is_counted_and_never_less() {
    memory::count().expect("another allocator");
    let bf16 = "spec.trainer.dtype=bf16";
    let lora = "spec.model.lora.rank=8";
    let always = "spec.trainer.gradientCheckpointing=always";
    let (unweighted, cool) = ("spec.algorithm.ppo.entropyCoefficient=0", "spec.rollout.temperature=0.8");
    let jobs = [
        ("f32", vec![]),
        ("bf16", vec![bf16]),
        ("bf16, always", vec![bf16, always]),
        ("f32, always, no entropy", vec![always, unweighted]),
        ("bf16, no entropy, tempered", vec![bf16, unweighted, cool]),
        ("f32, adapters", vec![lora]),
        ("bf16, adapters, always", vec![lora, bf16, always]),
        ("f32, packed", vec!["spec.algorithm.ppo.microBatchTokens=480"]),
        ("bf16, nucleus", vec![bf16, "spec.rollout.topP=0.9"]),
    ];
    let small = shape(&[]);
    let untied = shape(&[("tie_word_embeddings", json!(false)), ("model_type", json!("qwen3"))]);
    let large = shape(&[
        ("hidden_size", json!(192)),
        ("intermediate_size", json!(576)),
        ("vocab_size", json!(9_000)),
        ("num_hidden_layers", json!(4)),
    ]);
    let free = "spec.algorithm.grpo.klCoefficient=0";
    let surprised = "spec.algorithm.grpo.entropyCoefficient=0.01";
    let of_groups = [
        ("GRPO, f32", vec![]),
        ("GRPO, bf16, tempered", vec![bf16, cool]),
        ("GRPO, no reference", vec![free]),
        ("GRPO, bf16, entropy", vec![bf16, surprised]),
        ("GRPO, bf16, adapters, always", vec![lora, bf16, always]),
        ("GRPO, packed", vec!["spec.algorithm.grpo.microBatchTokens=480"]),
    ];
    let suite = "spec.datasets.eval=[{name: e, storageUri: e.jsonl}]";
    let of_demonstrations = [
        ("SFT, f32", vec![]),
        ("SFT, bf16, always", vec![bf16, always]),
        ("SFT, packed", vec!["spec.algorithm.sft.microBatchTokens=480"]),
        ("SFT, bf16, adapters", vec![lora, bf16]),
        ("SFT, suites", vec![suite]),
    ];
    let mut wrong = Vec::new();
    for (size, shape, algorithm, jobs) in [
        ("small", &small, &PPO[..], &jobs[..]),
        ("untied", &untied, &PPO[..], &jobs[1..6]),
        ("large", &large, &PPO[..], &jobs[2..5]),
        ("small", &small, &GRPO[..], &of_groups[..]),
        ("untied", &untied, &GRPO[..], &of_groups[1..2]),
        ("large", &large, &GRPO[..], &of_groups[2..3]),
        ("small", &small, &SFT[..], &of_demonstrations[..]),
        ("large", &large, &SFT[..], &of_demonstrations[1..2]),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        Decoder::random(shape.clone(), 1, Device::Cpu).save(folder.path()).expect("writable");
        let base = Base::of(folder.path()).expect("readable");
        for (name, set) in jobs {
            for Near { what, planned, counted } in
                measure(&format!("{size}, {name}"), &job(algorithm, set), shape, &base)
            {
                let line = format!("{what:44} planned {planned:>11} counted {counted:>11}");
                eprintln!("{line}");
                let (least, most) = (counted, counted / 10 * 11 + SCRATCH);
                if planned + UNPLANNED < least || (planned > most && !what.ends_with("loading")) {
                    wrong.push(line);
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
