//! What the page for those on call tells them to type is what a real API server takes.

use real_test_kube::shared;

const PAGE: &str = include_str!("../../../docs/how-to/on-call.md");

/// Verbs that need nodes or add-ons, which this control plane has none of: only their options are looked at.
const OF_NODES: [&str; 3] = ["logs", "top", "wait"];

const OBJECTS: &str = "\
apiVersion: real-rl.dev/v1alpha1
kind: RewardPool
metadata: {name: pool}
spec: {scaling: {mode: manual}}
---
apiVersion: real-rl.dev/v1alpha1
kind: RealTrainingJob
metadata: {name: job}
spec:
  rewardPoolRef: {name: pool}
  model: {storageUri: bundled://quickstart-base}
  datasets: {train: [{name: a, storageUri: bundled://quickstart-train}]}
  algorithm: {ppo: {steps: 1}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: real-operator}
spec:
  selector: {matchLabels: {app.kubernetes.io/name: real-operator}}
  template:
    metadata: {labels: {app.kubernetes.io/name: real-operator}}
    spec: {containers: [{name: operator, image: operator}]}
";

/// The commands of the page with names of this test in place of the reader's.
fn commands(namespace: &str) -> Vec<Vec<String>> {
    let blocks = PAGE.lines().filter_map(|line| line.strip_prefix("$ kubectl "));
    let ours = |word: &str| {
        let word = word.replace('\'', "").replace("NAMESPACE", namespace).replace("real-system", namespace);
        word.replace("=JOB", "=job").replace("/JOB", "/job").replace("=N", "=2")
    };
    let whole = |word: String| match word.as_str() {
        "JOB" => "job".to_owned(),
        "POOL" => "pool".to_owned(),
        _ => word,
    };
    blocks.map(|line| line.split_whitespace().map(|word| whole(ours(word))).collect()).collect()
}

#[tokio::test]
async fn a_real_api_server_takes_what_the_page_tells_to_type() {
    shared().apply_crds().await.unwrap();
    let namespace = shared().namespace("on-call").await;
    shared().kubectl(&["apply", "-n", &namespace, "-f", "-"], Some(OBJECTS)).expect_success();
    let (mut typed, mut wrong) = (0, Vec::new());
    for command in commands(&namespace) {
        let mut words: Vec<&str> = command.iter().map(String::as_str).collect();
        if OF_NODES.contains(&words[0]) {
            words.push("--help");
        }
        let said = shared().kubectl(&words, None);
        typed += 1;
        // `can-i` answers no by its exit code.
        let answered = words[0] == "auth" && matches!(said.stdout.trim(), "yes" | "no");
        if !said.success && !answered {
            wrong.push(format!("kubectl {}: {}", words.join(" "), said.stderr));
        }
    }
    assert!(typed > 15, "only {typed} commands are found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
