//! A job as kubectl shows it. `cargo test --test jobs transcript -- --nocapture` prints it.

use std::thread;

use real_crds::progress::{LastWords, Outcome, Progress};
use real_crds::v1alpha1::RealTrainingJob;
use real_test_kube::shared;
use serde_json::json;

use crate::rig::Rig;
use crate::rig::cluster::{address, rank_0};

/// Runs a command of a user in this namespace, and prints both it and its answer.
fn kubectl(rig: &Rig, arguments: &str) -> String {
    let mut all: Vec<&str> = arguments.split(' ').collect();
    all.extend(["-n", &rig.namespace]);
    let answer = tokio::task::block_in_place(|| shared().kubectl(&all, None)).expect_success();
    println!("$ kubectl {arguments}\n{answer}");
    answer
}

fn row(table: &str) -> Vec<String> {
    table.lines().nth(1).unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_shows_how_a_job_fares() {
    let rig = Rig::new("show").await;
    let _operator = rig.operator();
    let pods = rig.start("quickstart", json!({})).await;
    let words = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu.";
    rig.leave_unscheduled(&pods[0], words).await;
    rig.phase("quickstart", "Starting", "Unschedulable").await;
    let table = kubectl(&rig, "get rtj");
    let head: Vec<_> = table.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(head, ["NAME", "PHASE", "STEP", "PROGRESS%", "REWARD", "NODES", "REASON", "AGE"]);
    kubectl(&rig, "get rtj -o wide");

    let address = address();
    let say = rank_0(address).await;
    rig.run_pod(&pods[0], address).await;
    let progress =
        Progress { sequence: 5, attempt: 1, step: 4, total_steps: 10, reward: Some(0.25), ..Progress::default() };
    say.send(progress.clone()).unwrap();
    rig.until("quickstart", "step 4", |job: &RealTrainingJob| {
        job.status.as_ref().and_then(|status| status.progress.as_ref()).is_some_and(|progress| progress.step == 4)
    })
    .await;
    let shown = row(&kubectl(&rig, "get rtj"));
    assert_eq!(shown[..7], ["quickstart", "Running", "4", "40", "0.2500", "1/1", "AllPodsRun"]);

    // Waits while the job still runs.
    let namespace = rig.namespace.clone();
    let wait = thread::spawn(move || {
        let command = ["wait", "--for=condition=Complete", "rtj/quickstart", "--timeout=60s", "-n", &namespace];
        shared().kubectl(&command, None).expect_success()
    });
    rig.quiet().await;
    assert!(!wait.is_finished());
    let last = Progress { step: 10, reward: Some(0.5), ..progress };
    rig.end_pod(&pods[0], 0, &LastWords::compose(Outcome::Done, None, "", &last)).await;
    rig.complete_job("quickstart-1").await;
    let answer = tokio::task::block_in_place(|| wait.join()).expect("kubectl ends with 0");
    println!("$ kubectl wait --for=condition=Complete rtj/quickstart\n{answer}");
    assert!(answer.contains("condition met"), "{answer}");
    rig.quiet().await;
    let described = kubectl(&rig, "describe rtj quickstart");
    for text in ["AllStepsDone", words, "Conditions:", "Events:", "Type:                  Complete"] {
        assert!(described.contains(text), "no {text:?}");
    }
    let shown = row(&kubectl(&rig, "get rtj -o wide"));
    assert_eq!(shown[..7], ["quickstart", "Succeeded", "10", "100", "0.5000", "0/1", "AllStepsDone"]);
    let explained = kubectl(&rig, "explain realtrainingjob.spec.reward");
    assert!(explained.contains("DESCRIPTION") && explained.contains("FIELDS"), "{explained}");
}
