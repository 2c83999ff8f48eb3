//! What is planned for the CPU beside the bytes of tensors that are counted while models load, answer and learn.

use real_crds::config::TrainerConfig;
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
use real_trainer::sampling::{SamplingOptions, generate};
use real_trainer::sequences::Sequence;
use real_trainer::shim::memory;
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

const PROMPT: usize = 96;
const ANSWER: usize = 64;
const ROWS: usize = 8;

/// A job of full-length prompts and answers.
fn job(set: &[&str]) -> TrainerConfig {
    let text = "apiVersion: real-rl.dev/v1alpha1\nkind: RealTrainingJob\nmetadata: {name: counted}\nspec:\n  model: {storageUri: m}\n  \
                datasets: {train: [{name: d, storageUri: d.jsonl}]}\n  rewardPoolRef: {name: p}\n";
    let own = [
        format!("spec.rollout.maxPromptTokens={PROMPT}"),
        format!("spec.rollout.maxResponseTokens={ANSWER}"),
        "spec.algorithm.ppo.steps=1".to_owned(),
        format!("spec.algorithm.ppo.batchSize={ROWS}"),
        "spec.algorithm.ppo.microBatchSize=4".to_owned(),
    ];
    let set: Vec<String> = own.into_iter().chain(set.iter().map(|text| (*text).to_owned())).collect();
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
    let real_crds::config::Algorithm::Ppo(ppo) = &config.algorithm else { panic!("PPO") };
    let recipe = Recipe::ppo(ppo, config.rollout.max_response_tokens);
    let kind = compute::kind(config.compute.dtype);
    let plan = Plan::new(config, shape, Device::Cpu);

    memory::take_peak();
    let start = memory::live();
    let ready = |model: Decoder| model.with_compute(kind).with_checkpointing(config.compute.gradient_checkpointing);
    let actor = match &config.model.lora {
        Some(lora) => {
            let loaded = ready(Decoder::load_frozen(&base.folder, Device::Cpu, kind).expect("loads"));
            loaded.with_lora(lora, base.clone(), 1)
        }
        None => ready(Decoder::load(&base.folder, Device::Cpu).expect("loads")),
    };
    let loading = memory::take_peak() - start;
    let _reference = actor.frozen();
    let critic = ValueModel::new(actor.deep_copy());
    let mut of_critic = AdamW::new(critic.named_parameters(), AdamWConfig::default());
    let mut of_actor = AdamW::new(actor.named_parameters(), AdamWConfig::default());
    let models = memory::live() - start;
    memory::take_peak();

    let tokens =
        |row: usize, count: usize| -> Vec<i64> { (0..count).map(|t| (3 + row * 7 + t * 5) as i64 % 97).collect() };
    let prompts: Vec<Vec<i64>> = (0..ROWS).map(|row| tokens(row, PROMPT)).collect();
    let options = SamplingOptions {
        max_new_tokens: ANSWER,
        temperature: config.rollout.temperature,
        top_p: config.rollout.top_p,
        top_k: config.rollout.top_k as usize,
        seed: 1,
        batch_size: ROWS,
        eos: vec![1_000_000],
    };
    let mut answers = vec![Vec::new(); ROWS];
    generate(&actor, &prompts, &options, &mut |index, sampled| answers[index] = sampled.ids).expect("answers");
    let rollout = memory::take_peak() - start;
    assert_eq!(memory::live() - start, models, "{name}: generation leaves nothing behind");

    let sequences: Vec<Sequence> = prompts.iter().zip(&answers).map(|(p, a)| Sequence::new(p, a)).collect();
    let numbers = || Tensor::full([ROWS as i64, ANSWER as i64], -0.5, (Kind::Float, Device::Cpu));
    let batch = Batch {
        sequences,
        old_log_probs: numbers(),
        reference: Some(numbers()),
        old_values: Some(numbers()),
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
    let mut guard = Guard::new("critic", 0);
    let learner = Learner { model: &critic, optimizer: &mut of_critic, guard: &mut guard, rate: 1e-4 };
    update_critic(learner, &batch, &steps, &settings).expect("an update");
    let mut guard = Guard::new("actor", 0);
    let learner = Learner { model: &actor, optimizer: &mut of_actor, guard: &mut guard, rate: 1e-4 };
    update_actor(learner, &batch, &steps, &settings).expect("an update");
    let update = memory::take_peak() - start;

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
    let mut wrong = Vec::new();
    for (size, shape, jobs) in
        [("small", small, &jobs[..]), ("untied", untied, &jobs[1..6]), ("large", large, &jobs[2..5])]
    {
        let folder = tempfile::tempdir().expect("a folder");
        Decoder::random(shape.clone(), 1, Device::Cpu).save(folder.path()).expect("writable");
        let base = Base::of(folder.path()).expect("readable");
        for (name, set) in jobs {
            for Near { what, planned, counted } in measure(&format!("{size}, {name}"), &job(set), &shape, &base) {
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
