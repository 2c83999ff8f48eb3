//! Several nodes: one gang, that starts as a whole and ends as a whole.

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::rig::Rig;
use crate::rig::cluster::address;

async fn variables(rig: &Rig, pod: &str) -> Value {
    let pod = serde_json::to_value(rig.api::<Pod>().get(pod).await.unwrap()).unwrap();
    let all = pod["spec"]["containers"][0]["env"].as_array().unwrap().iter();
    all.map(|variable| {
        let name = variable["name"].as_str().unwrap().to_owned();
        let path = &variable["valueFrom"]["fieldRef"]["fieldPath"];
        (name, if path.is_null() { variable["value"].clone() } else { path.clone() })
    })
    .collect::<serde_json::Map<_, _>>()
    .into()
}

#[tokio::test(flavor = "multi_thread")]
async fn four_ranks_find_each_other_and_fail_together() {
    let rig = Rig::new("gang").await;
    let _operator = rig.operator();
    let spec = json!({"trainer": {"nodes": 4}, "algorithm": {"sft": {"steps": 10, "batchSize": 8}}});
    let pods = rig.start("gang", spec).await;
    assert_eq!(pods.len(), 4);
    let rank = "metadata.labels['batch.kubernetes.io/job-completion-index']";
    for (index, pod) in pods.iter().enumerate() {
        let variables = variables(&rig, pod).await;
        assert_eq!(variables["MASTER_ADDR"], format!("gang-1-0.gang.{}.svc", rig.namespace));
        assert_eq!(variables["WORLD_SIZE"], "4");
        assert_eq!(variables["LOCAL_WORLD_SIZE"], "1");
        assert_eq!(variables["NODE_RANK"], rank);
        let pod = rig.api::<Pod>().get(pod).await.unwrap();
        assert_eq!(pod.labels()["batch.kubernetes.io/job-completion-index"], index.to_string());
        assert_eq!(pod.spec.unwrap().subdomain.as_deref(), Some("gang"), "its name is the Service's");
    }

    for pod in &pods[..3] {
        rig.run_pod(pod, address()).await;
    }
    rig.quiet().await;
    rig.phase("gang", "Starting", "AttemptStarted").await;
    rig.run_pod(&pods[3], address()).await;
    let status = rig.phase("gang", "Running", "AllPodsRun").await.status.unwrap();
    let nodes = status.nodes.unwrap();
    assert_eq!((nodes.desired, nodes.ready), (4, 4));

    // The Job has noticed, and stops the others, which write checkpoints.
    rig.end_pod_for(&pods[2], "OOMKilled", 137, "").await;
    for index in [0, 1, 3] {
        rig.end_pod(&pods[index], 75, "").await;
    }
    rig.fail_job("gang-1", "BackoffLimitExceeded", "Job has reached the specified backoff limit").await;
    let status = rig.phase("gang", "Restarting", "OutOfMemory").await.status.unwrap();
    assert_eq!((status.restarts.unwrap().failures, status.nodes.unwrap().ready), (1, 0));
    let note = rig.notes("OutOfMemory").await.pop().expect("an event");
    assert!(note.contains("rank 2"), "{note}");

    let next = rig.until::<Job>("gang-2", "the whole gang again", |_| true).await;
    assert_eq!(next.spec.unwrap().completions, Some(4));
    rig.phase("gang", "Starting", "AttemptStarted").await;
    let pods = rig.make_pods("gang-2").await;
    let variables = variables(&rig, &pods[1]).await;
    assert_eq!(variables["MASTER_ADDR"], format!("gang-2-0.gang.{}.svc", rig.namespace));
    assert_eq!(variables["REAL_ATTEMPT"], "2");
    rig.run_pods("gang", &pods).await;
}
