//! A cluster without Kueue. Here, and not beside the other tests of queues, whose cluster has its API.

use k8s_openapi::api::batch::v1::Job;
use real_crds::v1alpha1::RealTrainingJob;
use serde_json::json;

use crate::rig::{Rig, sft};

#[tokio::test(flavor = "multi_thread")]
async fn a_job_in_a_queue_of_a_cluster_without_kueue_says_so() {
    let rig = Rig::new("noqueue").await;
    let _operator = rig.operator();
    let mut job = sft("noqueue", json!({}));
    job["metadata"]["labels"] = json!({"kueue.x-k8s.io/queue-name": "research"});
    rig.create::<RealTrainingJob>(job).await;
    let job = rig.phase("noqueue", "Pending", "KueueNotInstalled").await;
    let text = serde_json::to_string(&job.status).unwrap();
    assert!(text.contains("queue research") && text.contains("take the label away"), "{text}");
    assert_eq!(rig.all::<Job>().await.len(), 0);
    // The advice can be followed.
    rig.merge::<RealTrainingJob>("noqueue", json!({"metadata": {"labels": {"kueue.x-k8s.io/queue-name": null}}})).await;
    rig.phase("noqueue", "Starting", "AttemptStarted").await;
}
