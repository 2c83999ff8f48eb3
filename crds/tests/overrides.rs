//! `--set` on a whole job: an override is validated like the file, and blamed by its own name.

use real_crds::validate::parse_job;

const JOB: &str = "\
apiVersion: real-rl.dev/v1alpha1
kind: RealTrainingJob
metadata:
  name: job
spec:
  model: {storageUri: models/base}
  datasets:
    train:
      - {name: a, storageUri: a.jsonl}
  algorithm:
    ppo: {steps: 10}
";

fn set(arguments: &[&str]) -> Result<real_crds::v1alpha1::RealTrainingJob, String> {
    let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    parse_job(JOB, "job.yaml", &arguments).map_err(|errors| errors.to_string())
}

#[test]
fn overrides_change_the_job() {
    let job = set(&[
        "metadata.name=other",
        "spec.algorithm.ppo.steps=3",
        "spec.datasets.train[0].storageUri=x",
        "spec.reward.alpha=1",
        "spec.algorithm.ppo.actorLearningRate=3e-4",
        "spec.reward.cwes=[89, 78]",
    ])
    .unwrap();
    let ppo = job.spec.algorithm.ppo.unwrap();
    assert_eq!(job.metadata.name.as_deref(), Some("other"));
    assert_eq!((ppo.steps, ppo.actor_learning_rate.to_bits()), (3, 3e-4_f64.to_bits()));
    assert_eq!(job.spec.datasets.train[0].storage_uri, "x");
    assert_eq!(job.spec.reward.alpha.to_bits(), 1.0_f64.to_bits());
    assert_eq!(job.spec.reward.cwes, [89, 78]);
}

#[test]
fn the_algorithm_can_be_exchanged() {
    let job = set(&["spec.algorithm.ppo=null", "spec.algorithm.sft.steps=5"]).unwrap();
    assert!(job.spec.algorithm.ppo.is_none());
    assert_eq!(job.spec.algorithm.sft.unwrap().steps, 5);
}

#[test]
fn errors_name_the_override() {
    for (argument, message) in [
        ("spec.reward.alpha=1.5", "spec.reward.alpha: 1.5 is not allowed: must be at least 0 and at most 1"),
        ("spec.reward.alpah=1", "spec.reward.alpah: unknown field (did you mean alpha?)"),
        (
            "spec.algorithm.sft.steps=5",
            "spec.algorithm: exactly one of ppo, grpo, drGrpo, dapo, rloo, reinforcePlusPlus, remax and sft must be set",
        ),
        ("spec.algorithm.ppo.steps=many", "spec.algorithm.ppo.steps: must be a whole number, but is the text \"many\""),
        (
            "spec.algorithm.ppo.miniBatchSize=1024",
            "spec.algorithm.ppo.miniBatchSize: miniBatchSize (1024) must not be more than batchSize · samplesPerPrompt (256)",
        ),
    ] {
        let first = set(&[argument]).unwrap_err().lines().next().unwrap().to_owned();
        assert_eq!(first, format!("--set {argument}: {message}"));
    }
}
