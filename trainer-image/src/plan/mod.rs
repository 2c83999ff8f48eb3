//! What a job needs on each device, before it starts: parameters, optimisers, activations, cache.
//!
//! The numbers are upper bounds: every prompt and every answer is as long as the job allows. What cannot be avoided, the
//! models with one sequence at a time, is told apart from it: a job of which not even that fits is refused.

pub mod command;
pub mod room;

use real_crds::config::{
    Algorithm, Dtype, GradientCheckpointing, Initialize, Lora, LoraTarget, Rollout, TrainerConfig,
};
use tch::Device;

use crate::model::{ModelConfig, footprint};
use crate::ppo::recipe::Recipe;
use crate::sampling::READ_AT_A_TIME;
use crate::train::memory::rows_at_a_time;

/// Numbers of the size of a chunk of logits that are alive at once, the first in the type of the activations and the others 32 bits:
/// logits, log-probabilities, and the gradients with respect to both.
const LOGIT_COPIES: u64 = 4;
/// The same where logits are divided by a temperature.
const LOGIT_COPIES_TEMPERED: u64 = 5;
/// The same where an entropy is learnt from, which also keeps probabilities.
const LOGIT_COPIES_ENTROPY: u64 = 6;
/// Numbers of the size of a chunk of logits that there are beside them while an entropy is computed that is only reported.
const ENTROPY_COPIES: u64 = 3;
/// Bytes that libraries take for a while.
const SCRATCH: u64 = 5 << 18;
/// Bytes for each of the tokens that an answer may have, in a row of generation: the token, its log-probability and its draw.
const ANSWER_BYTES: u64 = 16;

/// A part of what a job needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What it is.
    pub what: &'static str,
    /// When it is there.
    pub when: When,
    /// Bytes.
    pub bytes: u64,
}

/// When a part is in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// From the start to the end.
    Always,
    /// While answers are generated.
    Rollout,
    /// While a model learns.
    Update,
}

/// What a job needs on a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Its parts.
    pub items: Vec<Item>,
}

/// What of a job decides how much it needs.
#[derive(Clone, Debug)]
struct Demand {
    critic: bool,
    reference: bool,
    rollout_rows: u64,
    micro_rows: u64,
    micro_tokens: u64,
    longest: u64,
    logit_copies: u64,
    /// Numbers of the size of a chunk of logits beside them while an entropy is reported; none where there is no entropy.
    reported_copies: Option<u64>,
}

impl Demand {
    fn of(config: &TrainerConfig) -> Self {
        let longest = config.rollout.max_prompt_tokens + config.rollout.max_response_tokens;
        let rows = |size: u64, tokens: u64| if tokens > 0 { (tokens / longest).max(1) } else { size };
        let answers = config.rollout.max_response_tokens;
        let tempered = (config.rollout.temperature - 1.0).abs() > f64::EPSILON;
        let of_policy = |entropy: f64| match tempered {
            _ if entropy > 0.0 => LOGIT_COPIES_ENTROPY,
            true => LOGIT_COPIES_TEMPERED,
            false => LOGIT_COPIES,
        };
        let by = |recipe: &Recipe, size, tokens| Self {
            critic: recipe.critic.is_some(),
            reference: recipe.reference,
            rollout_rows: recipe.batch_size * recipe.samples_per_prompt,
            micro_rows: rows(size, tokens).min(recipe.mini_batch_size),
            micro_tokens: tokens.max(rows(size, tokens) * longest).min(recipe.mini_batch_size * longest),
            longest,
            logit_copies: of_policy(recipe.loss.entropy),
            reported_copies: Some(ENTROPY_COPIES + u64::from(tempered)),
        };
        match &config.algorithm {
            Algorithm::Ppo(ppo) => by(&Recipe::ppo(ppo, answers), ppo.micro_batch_size, ppo.micro_batch_tokens),
            Algorithm::PolicyGradient(gradient) => {
                by(&Recipe::policy_gradient(gradient, answers), gradient.micro_batch_size, gradient.micro_batch_tokens)
            }
            Algorithm::Sft(sft) => {
                let micro = rows(sft.micro_batch_size, sft.micro_batch_tokens).min(sft.batch_size);
                let micro_tokens = sft.micro_batch_tokens.max(micro * longest).min(sft.batch_size * longest);
                let (critic, reference) = (false, false);
                // Suites are answered as many at a time as there is room for.
                let rollout_rows = if config.evaluation.suites.is_empty() { 0 } else { u64::MAX };
                let logit_copies = LOGIT_COPIES;
                Self {
                    critic,
                    reference,
                    rollout_rows,
                    micro_rows: micro,
                    micro_tokens,
                    longest,
                    logit_copies,
                    reported_copies: None,
                }
            }
        }
    }
}

impl Plan {
    /// What `config` needs with a model of this shape on a device of this kind.
    pub fn new(config: &TrainerConfig, model: &ModelConfig, device: Device) -> Self {
        let element: u64 = if config.compute.dtype == Dtype::Bf16 { 2 } else { 4 };
        let demand = Demand::of(config);
        let whole = |number: i64| number.unsigned_abs();
        let (parameters, layers) = (whole(model.parameters()), whole(model.num_hidden_layers));
        let (hidden, words) = (whole(model.hidden_size), whole(model.vocab_size));
        let mut items = Vec::new();
        let mut add = |when, what, bytes: u64| items.push(Item { what, when, bytes });

        let adapters = config.model.lora.as_ref().map(|lora| whole(model.adapter_parameters(lora)));
        let learnt = adapters.unwrap_or(parameters);
        if let Some(adapters) = adapters {
            // Actor, critic and reference are adapters on one base, or none.
            add(When::Always, "base: parameters", element * parameters);
            add(When::Always, "actor: adapters (32 bits)", 4 * adapters);
            add(When::Always, "actor: optimiser (two moments)", 8 * adapters);
            if demand.critic {
                add(When::Always, "critic: adapters (32 bits)", 4 * adapters);
                add(When::Always, "critic: optimiser (two moments)", 8 * adapters);
            }
        } else {
            add(When::Always, "actor: parameters (32 bits)", 4 * parameters);
            add(When::Always, "actor: optimiser (two moments)", 8 * parameters);
            if demand.critic {
                add(When::Always, "critic: parameters (32 bits)", 4 * parameters);
                add(When::Always, "critic: optimiser (two moments)", 8 * parameters);
            }
            if demand.reference {
                add(When::Always, "reference: parameters", element * parameters);
            }
        }

        if demand.rollout_rows > 0 {
            let rows = (rows_at_a_time(model, element, demand.longest) as u64).min(demand.rollout_rows);
            let width = whole(model.key_value_heads() * model.head_width());
            add(When::Rollout, "keys and values", rows * demand.longest * 2 * layers * width * element);
            let Rollout { max_prompt_tokens, max_response_tokens, top_p, top_k, .. } = config.rollout;
            // Logits and probabilities, logits in the type of the activations, and what sorting makes.
            let word = 8 + if element < 4 { element } else { 0 } + if top_p < 1.0 { 24 } else { u64::from(top_k > 0) };
            let answers = rows * max_response_tokens * ANSWER_BYTES;
            add(When::Rollout, "logits of the next tokens, answers", rows * words * word + answers);
            let read = (rows * max_prompt_tokens).min(max_prompt_tokens.max(READ_AT_A_TIME as u64)).max(rows);
            add(When::Rollout, "prompts that are read at a time", read * whole(model.passing()) * element);
            let lora = config.model.lora.as_ref();
            let copy = model.generation_bytes(lora, element as i64, device, rows as i64);
            add(When::Rollout, "parameters for generation", whole(copy));
        }

        let tokens = demand.micro_tokens;
        let answers = demand.micro_rows * config.rollout.max_response_tokens;
        let layer = whole(model.activations()) * tokens * element;
        let kept =
            model.layers_kept(config.compute.gradient_checkpointing, tokens as i64, element as i64, device) as u64;
        // Parameters that learn are cast for each layer, and their gradients made 32 bits, one matrix at a time.
        let of_layer = whole(model.layer_parameters());
        let cast = if element < 4 && adapters.is_none() { element } else { 0 };
        let gradient = if adapters.is_none() { 4 * whole(model.widest_matrix()) } else { 0 };
        let of_critic = if demand.critic && adapters.is_some() { 4 * hidden } else { 0 };
        add(When::Update, "gradients (32 bits)", 4 * learnt + of_critic);
        add(When::Update, "inputs of layers", (layers - kept + 1) * tokens * hidden * element);
        add(When::Update, "activations that are kept", kept * (layer + cast * of_layer));
        let predicted = answers.min(whole(model.tokens_at_a_time(device)));
        let chunk = predicted * words;
        let of_rows = |count: u64, width: u64| count.min(whole(footprint::rows_at_a_time(width as i64))) * width;
        let head = if adapters.is_none() { cast * hidden * words + element * of_rows(words, hidden) } else { 0 };
        // With a cast of the logits.
        let reported = demand
            .reported_copies
            .map_or(0, |copies| element * chunk + (copies + u64::from(element < 4)) * 4 * of_rows(predicted, words));
        // The logits themselves are of the type of the activations.
        let learnt_from = (4 * (demand.logit_copies - 1) + element) * chunk;
        let logits = learnt_from.max(reported) + head + SCRATCH;
        // They follow each other: the loss, the way back through what was kept, and through the rest without that.
        let of_kept = if kept > 0 { layer + cast * of_layer + gradient } else { 0 };
        let again = if kept < layers { 2 * (layer + cast * of_layer) + gradient } else { 0 };
        let busiest = logits.max(of_kept).max(again.saturating_sub(kept * layer));
        add(When::Update, "a chunk of logits and the head, or a layer", busiest);
        Self { items }
    }

    /// Bytes of the parts that are there at a time.
    pub fn sum(&self, when: When) -> u64 {
        self.items.iter().filter(|item| item.when == When::Always || item.when == when).map(|item| item.bytes).sum()
    }

    /// The most bytes at once.
    pub fn peak(&self) -> u64 {
        self.sum(When::Rollout).max(self.sum(When::Update))
    }
}

/// Bytes without which no step is possible: the models and one gradient.
pub fn least(config: &TrainerConfig, model: &ModelConfig, device: Device) -> u64 {
    let plan = Plan::new(config, model, device);
    let learnt = config.model.lora.as_ref().map_or(model.parameters(), |lora| model.adapter_parameters(lora));
    plan.sum(When::Always) + 4 * learnt.unsigned_abs()
}

/// A change to a job, in the words of its fields, and what it would then need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remedy {
    /// What to set.
    pub set: String,
    /// Most bytes at once.
    pub peak: u64,
}

/// Changes that each make a job need less, those that help most first.
pub fn remedies(config: &TrainerConfig, model: &ModelConfig, device: Device) -> Vec<Remedy> {
    let now = Plan::new(config, model, device).peak();
    let mut remedies = Vec::new();
    let mut try_out = |set: &str, change: &dyn Fn(&mut TrainerConfig)| {
        let mut changed = config.clone();
        change(&mut changed);
        let peak = Plan::new(&changed, model, device).peak();
        if peak < now {
            remedies.push(Remedy { set: set.to_owned(), peak });
        }
    };
    if config.model.lora.is_none() && config.model.initialize == Initialize::Pretrained {
        try_out("model.lora.rank: 16 (adapters)", &|config| {
            config.model.lora = Some(Lora { rank: 16, alpha: 32.0, targets: LoraTarget::ALL.to_vec() });
        });
    }
    try_out("trainer.dtype: bf16", &|config| config.compute.dtype = Dtype::Bf16);
    try_out("trainer.gradientCheckpointing: always", &|config| {
        config.compute.gradient_checkpointing = GradientCheckpointing::Always;
    });
    try_out("microBatchSize: 1", &|config| match &mut config.algorithm {
        Algorithm::Ppo(ppo) => (ppo.micro_batch_size, ppo.micro_batch_tokens) = (1, 0),
        Algorithm::PolicyGradient(gradient) => (gradient.micro_batch_size, gradient.micro_batch_tokens) = (1, 0),
        Algorithm::Sft(sft) => (sft.micro_batch_size, sft.micro_batch_tokens) = (1, 0),
    });
    try_out("half of maxPromptTokens and maxResponseTokens", &|config| {
        config.rollout.max_prompt_tokens = config.rollout.max_prompt_tokens.div_ceil(2);
        config.rollout.max_response_tokens = config.rollout.max_response_tokens.div_ceil(2);
    });
    if let Algorithm::PolicyGradient(_) = &config.algorithm {
        try_out("klCoefficient: 0 (no reference model)", &|config| {
            if let Algorithm::PolicyGradient(gradient) = &mut config.algorithm {
                gradient.kl.coefficient = 0.0;
            }
        });
    }
    if let (Algorithm::Ppo(_), None) = (&config.algorithm, &config.model.lora) {
        let without: u64 = 12 * model.parameters().unsigned_abs();
        let peak = now.saturating_sub(without);
        remedies.push(Remedy { set: "an algorithm without a critic: grpo, rloo, …".to_owned(), peak });
    }
    remedies.sort_by_key(|remedy| remedy.peak);
    remedies
}

/// Bytes as people read them.
pub fn readable(bytes: u64) -> String {
    let gib = bytes as f64 / f64::from(1 << 30);
    if gib >= 1.0 { format!("{gib:.1} GiB") } else { format!("{:.0} MiB", gib * 1024.0) }
}
