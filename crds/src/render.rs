//! From a `RealTrainingJob` to the trainer's configuration: the one function that the operator and `real run` share, so
//! that what ran on a laptop runs on a cluster.

use crate::{
    config,
    v1alpha1::{self, RealTrainingJob},
};

/// Base URLs of the services that judge answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// Detectors.
    pub detectors: Vec<String>,
    /// Sandboxes.
    pub sandboxes: Vec<String>,
}

/// The configuration of the trainer for `job`, with every default resolved.
///
/// # Panics
///
/// If `job` was not validated: no algorithm is set, or it has no name.
pub fn render(job: &RealTrainingJob, endpoints: &Endpoints) -> config::TrainerConfig {
    let spec = &job.spec;
    config::TrainerConfig {
        job: job.metadata.name.clone().expect("a validated job has a name"),
        seed: spec.seed,
        model: config::Model {
            uri: spec.model.storage_uri.clone(),
            initialize: spec.model.initialize,
            lora: spec.model.lora.as_ref().map(v1alpha1::Lora::resolve),
        },
        train: spec.datasets.train.iter().map(dataset).collect(),
        algorithm: algorithm(&spec.algorithm, spec.rollout.max_response_tokens),
        reward: reward(&spec.reward, endpoints),
        rollout: config::Rollout {
            max_prompt_tokens: spec.rollout.max_prompt_tokens,
            max_response_tokens: spec.rollout.max_response_tokens,
            temperature: spec.rollout.temperature,
            top_p: spec.rollout.top_p,
            top_k: spec.rollout.top_k,
        },
        checkpoint: config::Checkpoint {
            every_steps: spec.checkpoint.every_steps,
            retain: spec.checkpoint.retain,
            keep_best: config::KeepBest {
                metric: spec.checkpoint.keep_best.metric.clone(),
                goal: spec.checkpoint.keep_best.goal,
                count: spec.checkpoint.keep_best.count,
            },
            store: spec.checkpoint.storage.as_ref().and_then(|storage| storage.object_store.as_ref()).map(|store| {
                config::Store {
                    uri: store.uri.trim_end_matches('/').to_owned(),
                    timeout_seconds: store.timeout_seconds,
                }
            }),
        },
        evaluation: config::Evaluation {
            every_steps: spec.evaluation.every_steps,
            before_training: spec.evaluation.before_training,
            suites: spec.datasets.eval.iter().map(dataset).collect(),
            limit: spec.evaluation.limit,
            greedy: spec.evaluation.greedy,
            samples: spec.evaluation.samples,
        },
        compute: config::Compute {
            device: spec.trainer.device,
            dtype: spec.trainer.dtype,
            threads: spec.trainer.threads,
            gradient_checkpointing: spec.trainer.gradient_checkpointing,
        },
    }
}

fn dataset(dataset: &v1alpha1::Dataset) -> config::Dataset {
    config::Dataset { name: dataset.name.clone(), uri: dataset.storage_uri.clone(), weight: dataset.weight }
}

/// `longest` is the most tokens of an answer.
fn algorithm(algorithm: &v1alpha1::Algorithm, longest: u64) -> config::Algorithm {
    use config::Estimator::{Dapo, DrGrpo, Grpo, ReinforcePlusPlus, Remax, Rloo};
    let without_critic = [
        (Grpo, &algorithm.grpo),
        (DrGrpo, &algorithm.dr_grpo),
        (Dapo, &algorithm.dapo),
        (Rloo, &algorithm.rloo),
        (ReinforcePlusPlus, &algorithm.reinforce_plus_plus),
        (Remax, &algorithm.remax),
    ];
    if let Some((estimator, given)) = without_critic.iter().find_map(|(e, given)| Some((*e, given.as_ref()?))) {
        return config::Algorithm::PolicyGradient(given.resolve(estimator, longest));
    }
    match (&algorithm.ppo, &algorithm.sft) {
        (Some(ppo), None) => config::Algorithm::Ppo(config::Ppo {
            steps: ppo.steps,
            batch_size: ppo.batch_size,
            samples_per_prompt: ppo.samples_per_prompt,
            mini_batch_size: ppo.mini_batch_size.unwrap_or(ppo.batch_size * ppo.samples_per_prompt),
            micro_batch_size: ppo.micro_batch_size,
            micro_batch_tokens: ppo.micro_batch_tokens.unwrap_or(0),
            epochs: ppo.epochs,
            actor_learning_rate: ppo.actor_learning_rate,
            critic_learning_rate: ppo.critic_learning_rate,
            kl_coefficient: ppo.kl_coefficient,
            kl_target: ppo.kl_target,
            kl_horizon: ppo.kl_horizon,
            entropy_coefficient: ppo.entropy_coefficient,
            clip_range: ppo.clip_range,
            value_clip_range: ppo.value_clip_range,
            gamma: ppo.gamma,
            gae_lambda: ppo.gae_lambda,
            whiten_advantages: ppo.whiten_advantages,
            max_grad_norm: ppo.max_grad_norm,
            weight_decay: ppo.weight_decay,
            betas: ppo.betas,
            critic_warmup_steps: ppo.critic_warmup_steps,
            warmup_steps: ppo.warmup_steps,
            schedule: ppo.schedule,
            rollout_correction: ppo.rollout_correction,
            rollout_correction_cap: ppo.rollout_correction_cap,
            max_skipped_updates: ppo.max_skipped_updates,
        }),
        (None, Some(sft)) => config::Algorithm::Sft(config::Sft {
            steps: sft.steps,
            batch_size: sft.batch_size,
            micro_batch_size: sft.micro_batch_size,
            micro_batch_tokens: sft.micro_batch_tokens.unwrap_or(0),
            learning_rate: sft.learning_rate,
            warmup_steps: sft.warmup_steps,
            schedule: sft.schedule,
            max_grad_norm: sft.max_grad_norm,
            weight_decay: sft.weight_decay,
            betas: sft.betas,
            max_skipped_updates: sft.max_skipped_updates,
        }),
        _ => panic!("a validated job has exactly one algorithm"),
    }
}

/// How answers are judged, by the services at `endpoints`.
pub fn reward(reward: &v1alpha1::Reward, endpoints: &Endpoints) -> config::Reward {
    config::Reward {
        alpha: reward.alpha,
        profile: reward.profile,
        penalty: reward.penalty,
        normalization: reward.normalization,
        quality: reward.quality,
        extraction: reward.extraction,
        empty_outputs: reward.empty_outputs,
        cwes: reward.cwes.clone(),
        max_tests: reward.max_tests,
        detectors: endpoints.detectors.clone(),
        sandboxes: endpoints.sandboxes.clone(),
        timeout_seconds: reward.timeout_seconds,
    }
}
