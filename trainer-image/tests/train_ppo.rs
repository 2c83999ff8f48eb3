//! `real-trainer train` with PPO, on rewards from the real detector and the real sandbox.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "tests print through their harness, which captures it")]

mod job;
#[path = "job/running.rs"]
#[allow(dead_code, reason = "what these jobs read is not looked at")]
mod running;
#[path = "job/service.rs"]
mod service;

use std::fs;
use std::net::TcpListener;

use job::{Job, read_json, stderr};
use real_crds::progress::{Outcome, Phase};
use running::Running;
use serde_json::{Value, json};
use service::Service;

/// A PPO job that starts from the quickstart's policy: some of its answers are programs that run.
fn ppo(detectors: &[&str], sandboxes: &[&str], steps: u64) -> Job {
    let mut job = Job::sft(1);
    let quickstart =
        |split: &str| json!([{"name": "quickstart", "uri": format!("bundled://quickstart-{split}"), "weight": 1.0}]);
    job.config["model"] = json!({"uri": "bundled://quickstart-base", "initialize": "pretrained"});
    job.config["train"] = quickstart("train");
    job.config["evaluation"]["suites"] = quickstart("eval");
    job.config["evaluation"]["limit"] = 6.into();
    job.config["reward"]["detectors"] = json!(detectors);
    job.config["reward"]["sandboxes"] = json!(sandboxes);
    job.config["algorithm"] = json!({"ppo": {
        "steps": steps, "batchSize": 8, "samplesPerPrompt": 2, "miniBatchSize": 8, "microBatchSize": 3, "epochs": 2,
        "actorLearningRate": 3e-4, "criticLearningRate": 1e-3, "klCoefficient": 0.01, "klTarget": 0.02, "klHorizon": 100, "rolloutCorrection": "token", "entropyCoefficient": 0.001,
        "clipRange": 0.2, "valueClipRange": 0.5, "gamma": 1.0, "gaeLambda": 1.0, "whitenAdvantages": true,
        "maxGradNorm": 1.0, "weightDecay": 0.01, "betas": [0.9, 0.999], "criticWarmupSteps": 1,
        "warmupSteps": 0, "schedule": "constant", "maxSkippedUpdates": 3,
    }});
    job
}

#[test]
fn ppo_runs_on_real_rewards_and_a_resumed_run_is_the_run_that_was_never_stopped() {
    let (Some(detector), Some(sandbox)) = (Service::start("real-detector"), Service::start("real-sandbox")) else {
        return;
    };
    let job = || ppo(&[&detector.address], &[&sandbox.address], 4);
    let (straight, stopped) = (job(), job());
    straight.run_well(&[]);
    stopped.run_well(&[]);
    for step in [3, 4] {
        fs::remove_dir_all(stopped.checkpoint(step, "")).expect("a checkpoint of each step");
    }
    stopped.run_well(&["--resume"]);
    assert_eq!(straight.metrics(), stopped.metrics());
    for file in ["model.safetensors", "critic/model.safetensors", "optimizer/critic.safetensors", "state.json"] {
        let [a, b] = [&straight, &stopped].map(|job| fs::read(job.checkpoint(4, file)).expect("a checkpoint's file"));
        assert!(a == b, "{file} differs");
    }

    let metrics = straight.metrics();
    assert_eq!(metrics.len(), 4);
    assert!(!metrics[0].contains_key("actor/pg_loss"), "only the critic learns in the first step");
    let number = |line: usize, name: &str| metrics[line][name].as_f64().unwrap_or_else(|| panic!("{name}"));
    assert!(number(0, "critic/kl_per_answer").abs() < 1e-4, "the policy starts as the reference");
    assert!(number(3, "actor/grad_norm") > 0.0 && number(3, "reward/dropped") == 0.0);
    for step in 0..4 {
        // One policy, two ways to compute it.
        let (divergence, ratio) = (number(step, "rollout/kl"), number(step, "rollout/max_ratio"));
        assert!(divergence.abs() < 1e-5 && (1.0..1.001).contains(&ratio), "step {}: {divergence}, {ratio}", step + 1);
        assert!(number(step, "critic/skipped") == 0.0);
        let weights = (number(step, "rollout/weight_mean"), number(step, "rollout/weight_capped"));
        assert!((weights.0 - 1.0).abs() < 1e-4 && weights.1 == 0.0, "nothing to correct: {weights:?}");
        // Sixteen answers a step and a horizon of 100; the policy has hardly moved, which is below the target.
        let expected = 0.01 * (1.0 - 0.2 * 0.16_f64).powi(step as i32);
        assert!(step > 1 || (number(step, "critic/kl_coeff") - expected).abs() < 1e-9, "step {}", step + 1);
    }
    assert!(number(3, "actor/skipped") == 0.0 && number(3, "val/joint") >= 0.0);
    let differ = |step| number(step, "critic/score/max") > number(step, "critic/score/min");
    assert!((0..4).any(differ), "some answers are better than others");

    let lines = fs::read_to_string(straight.run_dir().join("evaluations.jsonl")).expect("evaluations.jsonl");
    let evaluations: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let seen: Vec<_> =
        evaluations.iter().map(|e| (e["step"].as_u64(), e["decoding"].as_str(), e["n"].as_u64())).collect();
    let (greedy, sampled) = (Some("greedy"), Some("sampled"));
    assert_eq!(
        seen,
        [
            (Some(0), greedy, Some(6)),
            (Some(0), sampled, Some(12)),
            (Some(4), greedy, Some(6)),
            (Some(4), sampled, Some(12))
        ]
    );
    let answers = fs::read_to_string(straight.run_dir().join("samples/step-4.jsonl")).expect("samples");
    let sample: Value = serde_json::from_str(answers.lines().next().expect("a sample")).expect("JSON");
    assert!(sample["prompt"].is_string() && sample["scored"]["reward"].is_number(), "{sample}");
}

#[test]
fn adapters_learn_by_ppo_with_attacks_as_quality_and_a_resumed_run_is_the_run_that_was_never_stopped() {
    let (Some(detector), Some(sandbox)) = (Service::start("real-detector"), Service::start("real-sandbox")) else {
        return;
    };
    let job = || {
        let mut job = ppo(&[&detector.address], &[&sandbox.address], 2);
        job.config["evaluation"]["suites"] = json!([]);
        job.config["algorithm"]["ppo"]["batchSize"] = 4.into();
        job.config["algorithm"]["ppo"]["criticWarmupSteps"] = 0.into();
        job.config["reward"]["quality"] = "safetyTests".into();
        job.config["model"]["lora"] = json!({"rank": 4, "alpha": 8.0, "targets": ["q_proj", "v_proj", "down_proj"]});
        job
    };
    let (straight, stopped) = (job(), job());
    straight.run_well(&[]);
    stopped.run_well(&[]);
    fs::remove_dir_all(stopped.checkpoint(2, "")).expect("a checkpoint of each step");
    stopped.run_well(&["--resume"]);
    assert_eq!(straight.metrics(), stopped.metrics());
    for file in ["adapter_model.safetensors", "critic/adapter_model.safetensors", "optimizer/critic.safetensors"] {
        let [a, b] = [&straight, &stopped].map(|job| fs::read(job.checkpoint(2, file)).expect("a checkpoint's file"));
        assert!(a == b, "{file} differs");
    }
    let metrics = straight.metrics();
    let number = |line: usize, name: &str| metrics[line][name].as_f64().unwrap_or_else(|| panic!("{name}"));
    assert!(number(0, "critic/kl_per_answer").abs() < 1e-4, "without adapters the policy is the reference");
    assert!(number(1, "actor/grad_norm") > 0.0 && number(1, "reward/dropped") == 0.0);
    // The reward's quality is what the attacks say: nothing was analysed.
    let answers = fs::read_to_string(straight.run_dir().join("samples/step-1.jsonl")).expect("samples");
    let samples: Vec<Value> = answers.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let attacks = |sample: &Value| -> Vec<Value> {
        let verdicts = sample["scored"]["verdicts"].as_array().cloned().unwrap_or_default();
        verdicts.into_iter().filter(|verdict| verdict["group"] == "safety").collect()
    };
    assert!(samples.iter().any(|sample| !attacks(sample).is_empty()), "{answers}");
    for sample in samples.iter().filter(|sample| sample["scored"]["quality"] == 1.0) {
        assert!(attacks(sample).iter().all(|verdict| verdict["status"] == "passed"), "{sample}");
    }
}

/// The same job by an algorithm without a critic.
fn policy_gradient(estimator: &str, detectors: &[&str], sandboxes: &[&str], changes: &[(&str, Value)]) -> Job {
    let mut job = ppo(detectors, sandboxes, 2);
    let mut gradient = json!({
        "estimator": estimator, "steps": 2, "batchSize": 4, "samplesPerPrompt": 4, "miniBatchSize": 16, "microBatchSize": 8,
        "microBatchTokens": 300, "epochs": 1, "learningRate": 3e-4, "clipRange": 0.2, "clipRangeHigh": 0.28, "dualClip": 3.0,
        "lossAggregation": "sequenceMean", "kl": {"coefficient": 0.001, "placement": "loss", "estimator": "k3"},
        "entropyCoefficient": 0.0, "gamma": 1.0, "overlongBufferTokens": 0, "overlongPenalty": 1.0, "maxResamples": 0,
        "maxGradNorm": 1.0, "weightDecay": 0.01, "betas": [0.9, 0.999], "warmupSteps": 0, "schedule": "constant",
        "maxSkippedUpdates": 3,
    });
    for (field, value) in changes {
        gradient[*field] = value.clone();
    }
    job.config["evaluation"]["suites"] = json!([]);
    job.config["reward"]["normalization"] = "none".into();
    job.config["algorithm"] = json!({"policyGradient": gradient});
    job
}

#[test]
fn algorithms_without_a_critic_train_on_real_rewards_and_resume_exactly() {
    let (Some(detector), Some(sandbox)) = (Service::start("real-detector"), Service::start("real-sandbox")) else {
        return;
    };
    let job = |estimator, changes: &[(&str, Value)]| {
        policy_gradient(estimator, &[&detector.address], &[&sandbox.address], changes)
    };
    let (straight, stopped) = (job("grpo", &[]), job("grpo", &[]));
    straight.run_well(&[]);
    stopped.run_well(&[]);
    fs::remove_dir_all(stopped.checkpoint(2, "")).expect("a checkpoint of each step");
    stopped.run_well(&["--resume"]);
    assert_eq!(straight.metrics(), stopped.metrics());
    let weights = |job: &Job, step| fs::read(job.checkpoint(step, "model.safetensors")).expect("weights");
    assert!(weights(&straight, 2) == weights(&stopped, 2) && weights(&straight, 1) != weights(&straight, 2));
    assert!(
        !straight.checkpoint(2, "critic").exists() && straight.checkpoint(2, "optimizer/actor.safetensors").exists()
    );
    let metrics = straight.metrics();
    let number = |name: &str| metrics[1][name].as_f64().unwrap_or_else(|| panic!("{name}"));
    assert!(number("actor/kl_loss") > 0.0, "the policy has left its reference");
    assert!(number("actor/grad_norm") > 0.0 && number("critic/advantages/max") > 0.0);
    assert!(!metrics[1].contains_key("critic/vf_loss") && !metrics[1].contains_key("critic/values/mean"));

    // No reference, answers penalised for their length, and new prompts for those whose answers all earn the same.
    let none = json!({"coefficient": 0.0, "placement": "loss", "estimator": "k3"});
    let dapo = job("dapo", &[("kl", none), ("overlongBufferTokens", 90.into()), ("maxResamples", 2.into())]);
    dapo.run_well(&[]);
    let metrics = dapo.metrics();
    assert!(metrics.iter().all(|line| !line.contains_key("critic/kl") && !line.contains_key("actor/kl_loss")));
    assert!(metrics[0]["reward/overlong_mean"].as_f64().is_some_and(|mean| mean < 0.0));

    let pull = json!({"coefficient": 0.01, "placement": "reward", "estimator": "k1"});
    let remax = job("remax", &[("kl", pull), ("samplesPerPrompt", 1.into()), ("miniBatchSize", 4.into())]);
    remax.run_well(&[]);
    let line = &remax.metrics()[0];
    assert!(line["critic/greedy/mean"].is_number() && line["critic/kl_coeff"] == json!(0.01), "{line:?}");
}

#[test]
fn where_no_answer_can_be_scored_the_run_fails_and_says_why() {
    // Nothing listens on port 1.
    let mut job = ppo(&["http://127.0.0.1:1"], &["http://127.0.0.1:1"], 1);
    job.config["evaluation"]["suites"] = json!([]);
    job.config["reward"]["timeoutSeconds"] = 3.into();
    let output = job.run(&[]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let text = stderr(&output);
    assert!(text.contains("none of 16 answers could be scored in 3 attempts"), "{text}");
    assert!(text.contains("gave no answer in time") && text.contains("http://127.0.0.1:1"), "{text}");
}

/// A place that takes requests and never answers.
fn silent() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    (listener, address)
}

#[test]
fn a_signal_while_an_evaluation_or_a_rollout_waits_for_its_rewards_leads_to_a_checkpoint() {
    for (before_training, phase) in [(true, Phase::Evaluating), (false, Phase::Rollout)] {
        let (services, address) = silent();
        let mut job = ppo(&[&address], &[&address], 3);
        job.config["evaluation"]["beforeTraining"] = before_training.into();
        let running = Running::start(&job);
        running.until(|progress| progress.phase == phase);
        // Somebody waits for rewards from now on.
        let _asked = services.accept().expect("a request");
        let (code, words, said) = running.stop();
        assert_eq!((code, words.outcome, words.progress.step), (Some(75), Outcome::Stopped, 0), "{said}");
        assert!(words.message.contains("a checkpoint was written"), "{}", words.message);
        assert_eq!(read_json(&job.checkpoint(0, "manifest.json"))["step"], 0);
    }
}

#[test]
fn a_signal_while_services_end_too_leads_to_a_checkpoint_and_no_failure() {
    let (services, address) = silent();
    let mut job = ppo(&[&address], &[&address], 3);
    job.config["evaluation"]["suites"] = json!([]);
    job.config["reward"]["timeoutSeconds"] = 1.into();
    let running = Running::start(&job);
    running.until(|progress| progress.phase == Phase::Rollout);
    let asked = services.accept().expect("a request");
    drop((asked, services));
    let (code, words, said) = running.stop();
    assert_eq!((code, words.outcome), (Some(75), Outcome::Stopped), "{said}");
}

#[test]
fn a_signal_in_any_phase_of_a_step_leads_to_a_checkpoint_of_the_last_step_that_was_done() {
    let (Some(detector), Some(sandbox)) = (Service::start("real-detector"), Service::start("real-sandbox")) else {
        return;
    };
    for phase in [Phase::Rollout, Phase::Updating, Phase::Checkpointing] {
        let mut job = ppo(&[&detector.address], &[&sandbox.address], 1000);
        job.config["evaluation"]["suites"] = json!([]);
        let running = Running::start(&job);
        running.until(|progress| progress.phase == phase);
        let (code, words, said) = running.stop();
        assert_eq!((code, words.outcome), (Some(75), Outcome::Stopped), "{phase:?}: {said}");
        let step = words.progress.step;
        assert_eq!(read_json(&job.checkpoint(step, "manifest.json"))["step"], step, "{phase:?}");
        assert_eq!(job.metrics().len() as u64, step, "{phase:?}: what was begun is not told as done");
    }
}
