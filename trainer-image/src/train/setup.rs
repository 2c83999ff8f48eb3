//! From a configuration to everything a run needs.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use real_crds::config::{self, Algorithm as Algorithms, Initialize, TrainerConfig};
use real_reward::{QualitySource, Scorer, ScorerConfig};
use tch::Device;
use tokio::runtime::Handle;

use super::algorithm::{Algorithm, Surroundings};
use super::evaluation::Evaluator;
use super::seeds::{Purpose, derived};
use super::stop::Stop;
use super::tasks::{Loader, TaskSet};
use crate::compute;
use crate::model::{Base, Decoder, ModelConfig, resolve};
use crate::plan::Plan;
use crate::plan::room::{self, Verdict, judge};
use crate::ppo::recipe::Recipe;
use crate::ppo::trainer::{PolicyParts, PolicyTrainer};
use crate::scoring::Scoring;
use crate::sft::trainer::{DemonstrationSet, SftTrainer};
use crate::tokenizer::Tokenizer;

/// What the C library may keep of what tensors gave back, and what the process takes beside tensors.
const MEMORY_KEPT: u64 = 4 << 30;

/// The parts of a run.
pub struct Parts {
    /// The algorithm, at step 0.
    pub algorithm: Box<dyn Algorithm>,
    /// Evaluates; absent where there are no suites.
    pub evaluator: Option<Evaluator>,
    /// Copied into every checkpoint.
    pub tokenizer: Arc<Tokenizer>,
    /// Optimisation steps in all.
    pub total_steps: u64,
}

/// Reads and checks a configuration.
pub fn read_config(path: &Path) -> anyhow::Result<TrainerConfig> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let config: TrainerConfig =
        serde_json::from_str(&text).with_context(|| format!("{} is not a trainer configuration", path.display()))?;
    check(&config).with_context(|| path.display().to_string())?;
    Ok(config)
}

/// A model's folder, with its tokenizer and shape. `scratch` takes the files of a bundled model; what is elsewhere is fetched, which may
/// take long.
///
/// # Errors
/// One of them cannot be had, or someone asked to stop meanwhile ([`super::stop::StoppedEarly`]).
pub(crate) fn look(uri: &str, scratch: &Path, stop: &Stop) -> anyhow::Result<(PathBuf, Tokenizer, ModelConfig)> {
    let (uri, scratch) = (uri.to_owned(), scratch.to_path_buf());
    stop.unless_requested(move || {
        let folder = resolve(&uri, &scratch)?;
        let (tokenizer, shape) = (Tokenizer::load(&folder)?, ModelConfig::load(&folder)?);
        Ok((folder, tokenizer, shape))
    })?
}

/// Builds everything on `device`. `scratch` takes the files of a bundled model; scoring runs on `runtime`.
///
/// # Errors
/// Something that the configuration names is missing, broken or too long, or someone asked to stop meanwhile
/// ([`super::stop::StoppedEarly`]).
pub fn build(
    config: &TrainerConfig,
    device: Device,
    scratch: &Path,
    runtime: &Handle,
    surroundings: &Surroundings<'_>,
) -> anyhow::Result<Parts> {
    compute::set_threads(config.compute.threads as usize);
    let (folder, tokenizer, shape) = look(&config.model.uri, scratch, surroundings.stop)?;
    let tokenizer = Arc::new(tokenizer);
    let (prompt, answer) = (config.rollout.max_prompt_tokens, config.rollout.max_response_tokens);
    let remedy = "lower rollout.maxPromptTokens or rollout.maxResponseTokens";
    shape.check_lengths(&folder, prompt, answer, remedy)?;
    match judge(config, &shape, device, room::of(device)) {
        Verdict::Fits => {}
        Verdict::Tight(sentence) => surroundings.progress.warn("MemoryTight", sentence),
        Verdict::Impossible(sentence) => anyhow::bail!("{sentence}"),
    }
    let kept = Plan::new(config, &shape, device).peak().saturating_add(MEMORY_KEPT);
    if device == Device::Cpu && room::available().is_some_and(|free| free < kept) {
        compute::give_memory_back();
    }
    // What is wrong with the data is told before the model is loaded, which may take minutes.
    let loader = Loader {
        tokenizer: &tokenizer,
        limits: &config.rollout,
        vocabulary: shape.vocab_size,
        quality: quality(&config.reward),
        surroundings,
    };
    let suites = load_sets(&config.evaluation.suites, &loader)?;
    let (tasks, demonstrations) = match &config.algorithm {
        Algorithms::Ppo(_) | Algorithms::PolicyGradient(_) => (load_sets(&config.train, &loader)?, Vec::new()),
        Algorithms::Sft(_) => {
            let load = |dataset| DemonstrationSet::load(dataset, &loader);
            (Vec::new(), config.train.iter().map(load).collect::<anyhow::Result<_>>()?)
        }
    };
    let (place, initialize) = (folder.clone(), config.model.initialize);
    let seed = derived(config.seed, Purpose::Initialisation, &[]);
    let (kind, frozen) = (compute::kind(config.compute.dtype), config.model.lora.is_some());
    let load = move || match initialize {
        Initialize::Pretrained if frozen => Decoder::load_frozen(&place, device, kind),
        Initialize::Pretrained => Decoder::load(&place, device),
        Initialize::Random => Ok(Decoder::random(ModelConfig::load(&place)?, seed, device)),
    };
    let initial = surroundings
        .stop
        .unless_requested(load)??
        .with_compute(kind)
        .with_checkpointing(config.compute.gradient_checkpointing);
    let initial = match &config.model.lora {
        None => initial,
        Some(lora) => {
            let place = folder.clone();
            let base = surroundings.stop.unless_requested(move || Base::of(&place))??;
            initial.with_lora(lora, base, derived(config.seed, Purpose::Initialisation, &[1]))
        }
    };
    tracing::info!("model {}: {} parameters on {device:?}", config.model.uri, initial.parameter_count());

    surroundings.stop.check()?;
    let longest = config.rollout.max_response_tokens;
    let by = |recipe: Recipe, initial| -> anyhow::Result<(Box<dyn Algorithm>, u64)> {
        let total_steps = recipe.steps;
        let parts = PolicyParts {
            initial,
            data: tasks,
            tokenizer: Arc::clone(&tokenizer),
            scoring: scoring(&config.reward, config.reward.max_tests, runtime)?,
            recipe,
            limits: config.rollout.clone(),
            normalization: config.reward.normalization,
            seed: config.seed,
        };
        Ok((Box::new(PolicyTrainer::new(parts)), total_steps))
    };
    let (algorithm, total_steps): (Box<dyn Algorithm>, u64) = match &config.algorithm {
        Algorithms::Ppo(settings) => by(Recipe::ppo(settings, longest), initial)?,
        Algorithms::PolicyGradient(settings) => by(Recipe::policy_gradient(settings, longest), initial)?,
        Algorithms::Sft(settings) => {
            (Box::new(SftTrainer::new(initial, demonstrations, settings.clone(), config.seed)), settings.steps)
        }
    };
    let evaluator = if suites.is_empty() {
        None
    } else {
        Some(Evaluator::new(
            suites,
            config.evaluation.clone(),
            config.rollout.max_response_tokens as usize,
            config.seed,
            Arc::clone(&tokenizer),
            // Every test: an evaluation says what an answer is worth, not what a glance at it says.
            scoring(&config.reward, 0, runtime)?,
        ))
    };
    Ok(Parts { algorithm, evaluator, tokenizer, total_steps })
}

fn load_sets(datasets: &[config::Dataset], loader: &Loader<'_>) -> anyhow::Result<Vec<TaskSet>> {
    datasets.iter().map(|dataset| TaskSet::load(dataset, loader)).collect()
}

fn quality(reward: &config::Reward) -> QualitySource {
    match reward.quality {
        config::Quality::Analysis => QualitySource::Analysis,
        config::Quality::SafetyTests => QualitySource::SafetyTests,
    }
}

/// Judges answers by `reward` and the services that it names, with at most `max_tests` tests each; all where 0.
pub(crate) fn scoring(reward: &config::Reward, max_tests: u64, runtime: &Handle) -> anyhow::Result<Scoring> {
    let urls = |field: &str, texts: &[String]| {
        let parse = |text: &String| {
            url::Url::parse(text)
                .with_context(|| format!("reward.{field}: '{text}' is not a URL like http://host:port"))
        };
        texts.iter().map(parse).collect::<anyhow::Result<Vec<_>>>()
    };
    let config = ScorerConfig {
        alpha: reward.alpha,
        profile: match reward.profile {
            config::Profile::Paper => real_reward::Profile::Paper,
            config::Profile::Reference => real_reward::Profile::Reference,
        },
        penalty: reward.penalty,
        quality: quality(reward),
        extraction: match reward.extraction {
            config::Extraction::Paper => real_reward::Extraction::Paper,
            config::Extraction::Tolerant => real_reward::Extraction::Tolerant,
        },
        empty_outputs: match reward.empty_outputs {
            config::EmptyOutputs::Count => real_reward::EmptyOutputs::Count,
            config::EmptyOutputs::Ignore => real_reward::EmptyOutputs::Ignore,
        },
        cwes: (!reward.cwes.is_empty()).then(|| reward.cwes.clone()),
        max_tests: (max_tests > 0).then_some(max_tests as usize),
        detectors: urls("detectors", &reward.detectors)?,
        sandboxes: urls("sandboxes", &reward.sandboxes)?,
        timeout: Duration::from_secs(reward.timeout_seconds),
        ..ScorerConfig::default()
    };
    Ok(Scoring::new(runtime.clone(), Scorer::new(config).context("reward")?))
}

/// What no field can say for itself; single fields were checked where the job was validated, but a configuration may
/// also be written by hand.
fn check(config: &TrainerConfig) -> anyhow::Result<()> {
    let positive = |field: &str, value: u64| {
        anyhow::ensure!(value > 0, "{field} is 0; it has to be at least 1");
        Ok(())
    };
    anyhow::ensure!(!config.train.is_empty(), "train is empty; name at least one data set");
    for dataset in config.train.iter().chain(&config.evaluation.suites) {
        let weight = dataset.weight;
        anyhow::ensure!(
            weight > 0.0 && weight.is_finite(),
            "weight of data set {} is {weight}; it has to be > 0",
            dataset.name
        );
    }
    anyhow::ensure!(
        (0.0..=1.0).contains(&config.reward.alpha),
        "reward.alpha is {}; it has to lie in [0, 1]",
        config.reward.alpha
    );
    if let Some(lora) = &config.model.lora {
        positive("model.lora.rank", lora.rank)?;
        anyhow::ensure!(
            lora.alpha > 0.0 && lora.alpha.is_finite(),
            "model.lora.alpha is {}; it has to be > 0",
            lora.alpha
        );
        anyhow::ensure!(!lora.targets.is_empty(), "model.lora.targets is empty; name at least one matrix");
        anyhow::ensure!(
            config.model.initialize == Initialize::Pretrained,
            "model.lora needs a model that was trained before: model.initialize is random"
        );
    }
    positive("rollout.maxPromptTokens", config.rollout.max_prompt_tokens)?;
    positive("rollout.maxResponseTokens", config.rollout.max_response_tokens)?;
    let temperature = config.rollout.temperature;
    anyhow::ensure!(
        temperature > 0.0,
        "rollout.temperature is {temperature}; it has to be > 0 to train on what is sampled"
    );
    check_numbers(config)?;
    let (name, samples, epochs, [steps, batch, mini, micro]) = match &config.algorithm {
        Algorithms::Ppo(ppo) => (
            "ppo",
            ppo.samples_per_prompt,
            ppo.epochs,
            [ppo.steps, ppo.batch_size, ppo.mini_batch_size, ppo.micro_batch_size],
        ),
        Algorithms::PolicyGradient(gradient) => (
            "policyGradient",
            gradient.samples_per_prompt,
            gradient.epochs,
            [gradient.steps, gradient.batch_size, gradient.mini_batch_size, gradient.micro_batch_size],
        ),
        Algorithms::Sft(sft) => ("sft", 1, 1, [sft.steps, sft.batch_size, sft.batch_size, sft.micro_batch_size]),
    };
    positive(&format!("algorithm.{name}.samplesPerPrompt"), samples)?;
    positive(&format!("algorithm.{name}.epochs"), epochs)?;
    anyhow::ensure!(
        mini <= batch.saturating_mul(samples),
        "algorithm.{name}.miniBatchSize is {mini}, more than the {} samples of a step",
        batch.saturating_mul(samples)
    );
    positive("steps", steps)?;
    positive("batchSize", batch)?;
    positive("miniBatchSize", mini)?;
    positive("microBatchSize", micro)
}

/// Numbers with which an optimiser would go the wrong way, or nowhere, without a word.
fn check_numbers(config: &TrainerConfig) -> anyhow::Result<()> {
    let (rates, betas, norm, decay) = match &config.algorithm {
        Algorithms::Ppo(ppo) => (
            vec![("actorLearningRate", ppo.actor_learning_rate), ("criticLearningRate", ppo.critic_learning_rate)],
            ppo.betas,
            ppo.max_grad_norm,
            ppo.weight_decay,
        ),
        Algorithms::PolicyGradient(gradient) => (
            vec![("learningRate", gradient.learning_rate)],
            gradient.betas,
            gradient.max_grad_norm,
            gradient.weight_decay,
        ),
        Algorithms::Sft(sft) => {
            (vec![("learningRate", sft.learning_rate)], sft.betas, sft.max_grad_norm, sft.weight_decay)
        }
    };
    let above_0 = |value: f64| value > 0.0 && value.is_finite();
    for (field, value) in rates.into_iter().chain([("maxGradNorm", norm)]) {
        anyhow::ensure!(above_0(value), "{field} is {value}; it has to be a number above 0");
    }
    anyhow::ensure!(
        betas.iter().all(|beta| (0.0..1.0).contains(beta)),
        "betas are {betas:?}; each has to be from 0 and below 1"
    );
    anyhow::ensure!(decay >= 0.0 && decay.is_finite(), "weightDecay is {decay}; it has to be a number from 0");
    let top_p = config.rollout.top_p;
    anyhow::ensure!(top_p > 0.0 && top_p <= 1.0, "rollout.topP is {top_p}; it has to be above 0 and at most 1");
    Ok(())
}
