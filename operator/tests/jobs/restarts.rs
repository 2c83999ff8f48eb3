//! What ended an attempt, what it counts as, and what comes next.

use jiff::SignedDuration;
use k8s_openapi::api::batch::v1::Job;
use real_crds::progress::{LastWords, Outcome, Progress};
use real_crds::v1alpha1::{RealTrainingJob, RealTrainingJobStatus};
use serde_json::{Value, json};

use crate::rig::Rig;

fn counts(status: &RealTrainingJobStatus) -> (u32, u32) {
    let restarts = status.restarts.clone().unwrap_or_default();
    (restarts.failures, restarts.preemptions)
}

/// What a Job says whose pod an entry of its failure policy is about.
fn by_policy(pod: &str, what: &str, rule: u32) -> String {
    format!("Container trainer for pod default/{pod} failed with {what} matching FailJob rule at index {rule}")
}

/// The container of the attempt's pods.
async fn container(rig: &Rig, attempt: &str) -> Value {
    let job = rig.until::<Job>(attempt, "the next attempt", |_| true).await;
    serde_json::to_value(&job.spec.unwrap().template.spec.unwrap().containers[0]).unwrap()
}

fn variable<'a>(container: &'a Value, name: &str) -> &'a Value {
    container["env"].as_array().unwrap().iter().find(|variable| variable["name"] == name).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rank_out_of_memory_is_a_failure_and_the_next_attempt_resumes() {
    let rig = Rig::new("oom").await;
    let _operator = rig.operator();
    let pods = rig.run("oom", json!({})).await;
    assert!(!container(&rig, "oom-1").await["args"].as_array().unwrap().contains(&json!("--resume-from")));
    rig.end_pod_for(&pods[0], "OOMKilled", 137, "").await;
    rig.fail_job("oom-1", "BackoffLimitExceeded", "Job has reached the specified backoff limit").await;
    let status = rig.phase("oom", "Restarting", "OutOfMemory").await.status.unwrap();
    assert_eq!((counts(&status), status.attempt), ((1, 0), Some(2)));
    let due = status.next_attempt_time.unwrap().0;
    let failed = rig.api::<Job>().get("oom-1").await.unwrap().status.unwrap().conditions.unwrap();
    let failed = failed.iter().find(|condition| condition.type_ == "Failed").unwrap().last_transition_time.clone();
    assert_eq!(due, failed.unwrap().0 + SignedDuration::from_secs(10), "ten seconds after the first failure");
    assert!(rig.notes("OutOfMemory").await[0].contains("spec.trainer.resourcesPerNode"), "the event says what to do");

    let next = container(&rig, "oom-2").await;
    let created = rig.api::<Job>().get("oom-2").await.unwrap().metadata.creation_timestamp.unwrap().0;
    assert!(created >= due, "none before its time: {created}, {due}");
    assert!(next["args"].as_array().unwrap().contains(&json!("--resume")), "{next:#}");
    assert_eq!(variable(&next, "REAL_ATTEMPT")["value"], "2");
    let status = rig.phase("oom", "Starting", "AttemptStarted").await.status.unwrap();
    assert_eq!((counts(&status), status.job_name.as_deref()), ((1, 0), Some("oom-2")));
    let pods = rig.make_pods("oom-2").await;
    rig.run_pods("oom", &pods).await;
    rig.quiet().await;
    assert!(rig.api::<Job>().get_opt("oom-1").await.unwrap().is_some(), "the last attempt's logs stay");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trainer_that_is_started_again_in_its_pod_has_failed_and_its_attempt_goes_on() {
    let rig = Rig::new("again").await;
    let _operator = rig.operator();
    let pods = rig.run("again", json!({})).await;
    let rules = &container(&rig, "again-1").await["restartPolicyRules"];
    assert_eq!(rules[0]["exitCodes"]["values"], json!([0, 2, 75]), "the API server keeps the rules: {rules}");
    assert_eq!(rules[0]["action"], "Restart");

    rig.restart_pod(&pods[0], 1, 137, None).await;
    let counted = |job: &RealTrainingJob| job.status.as_ref().is_some_and(|status| counts(status) == (1, 0));
    let job: RealTrainingJob = rig.until("again", "a failure that is counted", counted).await;
    let status = job.status.unwrap();
    assert_eq!((status.attempt, status.restarts.as_ref().unwrap().in_place), (Some(1), 1));
    let condition = status.conditions.iter().find(|condition| condition.type_ == "RestartedInPlace").unwrap();
    assert_eq!(rig.notes("TrainerFailed").await, [condition.message.as_str()]);
    assert!(condition.message.contains(&format!("rank 0 ({}) was killed (SIGKILL)", pods[0])), "{}", condition.message);
    rig.quiet().await;
    assert_eq!(rig.all::<Job>().await.len(), 1, "the same attempt goes on");

    rig.restart_pod(&pods[0], 1, 1, Some("CrashLoopBackOff")).await;
    let status = rig.phase("again", "Restarting", "TrainerFailed").await.status.unwrap();
    assert_eq!((counts(&status), status.attempt, status.restarts.unwrap().in_place), ((2, 0), Some(2), 0));
    let leaves = |job: &Job| job.metadata.deletion_timestamp.is_some();
    rig.until::<Job>("again-1", "its end, before the kubelet starts it once more", leaves).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_cannot_run_is_not_tried_again() {
    let rig = Rig::new("invalid").await;
    let _operator = rig.operator();
    let pods = rig.run("invalid", json!({})).await;
    let words =
        LastWords::compose(Outcome::Failed, None, "algorithm.sft.steps is less than done", &Progress::default());
    rig.end_pod(&pods[0], 2, &words).await;
    rig.fail_job("invalid-1", "PodFailurePolicy", &by_policy(&pods[0], "exit code 2", 0)).await;
    let job = rig.phase("invalid", "Failed", "InvalidConfig").await;
    let text = serde_json::to_string(&job.status).unwrap();
    assert!(text.contains("algorithm.sft.steps is less than done"), "what the trainer said: {text}");
    rig.quiet().await;
    assert_eq!(rig.all::<Job>().await.len(), 1);
    let status = rig.api::<RealTrainingJob>().get("invalid").await.unwrap().status.unwrap();
    assert_eq!((counts(&status), status.next_attempt_time, status.attempt), ((0, 0), None, Some(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rank_that_was_asked_to_stop_counts_as_nothing() {
    let rig = Rig::new("asked").await;
    let _operator = rig.operator();
    let pods = rig.run("asked", json!({"restartPolicy": {"backoffLimit": 0, "maxPreemptions": 0}})).await;
    rig.end_pod(&pods[0], 75, "").await;
    rig.fail_job("asked-1", "PodFailurePolicy", &by_policy(&pods[0], "exit code 75", 2)).await;
    let status = rig.phase("asked", "Restarting", "Checkpointed").await.status.unwrap();
    assert_eq!(counts(&status), (0, 0));
    let next = container(&rig, "asked-2").await;
    assert!(next["args"].as_array().unwrap().contains(&json!("--resume")));
    let status = rig.phase("asked", "Starting", "AttemptStarted").await.status.unwrap();
    assert_eq!((counts(&status), status.attempt), ((0, 0), Some(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preemption_is_no_failure() {
    let rig = Rig::new("preempted").await;
    let _operator = rig.operator();
    let pods = rig.run("preempted", json!({"restartPolicy": {"backoffLimit": 0, "maxPreemptions": 1}})).await;
    rig.disrupt_pod(&pods[0], "PreemptionByScheduler", "preempting to accommodate a higher priority pod").await;
    let said = "Pod default/x has condition DisruptionTarget matching FailJob rule at index 1";
    rig.fail_job("preempted-1", "PodFailurePolicy", said).await;
    let status = rig.phase("preempted", "Restarting", "Preempted").await.status.unwrap();
    assert_eq!(counts(&status), (0, 1));
    assert!(rig.notes("Preempted").await[0].contains("accommodate a higher priority pod"));

    // One is allowed; the second is one too many.
    rig.until::<Job>("preempted-2", "the next attempt", |_| true).await;
    rig.phase("preempted", "Starting", "AttemptStarted").await;
    let pods = rig.make_pods("preempted-2").await;
    rig.disrupt_pod(&pods[0], "EvictionByEvictionAPI", "drained").await;
    rig.fail_job("preempted-2", "PodFailurePolicy", said).await;
    let status = rig.phase("preempted", "Failed", "MaxPreemptionsExceeded").await.status.unwrap();
    assert_eq!(counts(&status), (0, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_failure_too_many_fails_the_job() {
    let rig = Rig::new("limit").await;
    let _operator = rig.operator();
    let pods = rig.run("limit", json!({"restartPolicy": {"backoffLimit": 0}})).await;
    rig.end_pod(&pods[0], 1, "Traceback\nRuntimeError: the disk is full").await;
    rig.fail_job("limit-1", "BackoffLimitExceeded", "Job has reached the specified backoff limit").await;
    let status = rig.phase("limit", "Failed", "BackoffLimitExceeded").await.status.unwrap();
    assert_eq!(counts(&status), (1, 0));
    assert!(status.completion_time.is_some());
    let note = rig.notes("BackoffLimitExceeded").await.pop().expect("an event");
    assert!(note.contains("RuntimeError: the disk is full"), "{note}");
    rig.quiet().await;
    assert_eq!(rig.all::<Job>().await.len(), 1);
}
