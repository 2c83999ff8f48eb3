//! A job's life, played by a cluster that only looks at what is there: attempt 1 is preempted, attempt 2 does all steps.

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::ListParams;
use kube::{Resource, ResourceExt, core::NamespaceResourceScope};
use real_crds::progress::{LastWords, Outcome, Progress};
use real_crds::v1alpha1::{Phase, RealTrainingJob};
use real_test_kube::Call;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::lives::Life;
use crate::rig::cluster::address;
use crate::rig::{Rig, sft};

/// The job of all lives.
pub(crate) const NAME: &str = "life";

/// The life of a job.
pub(crate) struct OfAJob;

impl Life for OfAJob {
    const CALM_BEGINNING: bool = false;

    fn has(call: &Call) -> bool {
        call.verb.is_write()
    }

    async fn begin(rig: &Rig) {
        rig.create::<RealTrainingJob>(sft(NAME, json!({"restartPolicy": {"maxPreemptions": 3}}))).await;
    }

    async fn step(rig: &Rig) {
        step(rig).await;
    }

    async fn end(rig: &Rig) -> Value {
        end(rig).await
    }
}

/// One look at what there is, and what a cluster would do about it.
async fn step(rig: &Rig) {
    let jobs = rig.api::<Job>().list(&ListParams::default()).await.expect("Jobs").items;
    let open: Vec<&Job> = jobs.iter().filter(|job| !is_over(job)).collect();
    let names: Vec<_> = open.iter().map(|job| job.name_any()).collect();
    assert!(open.len() <= 1, "two gangs: {names:?}");
    let Some(job) = open.first() else { return };
    let name = job.name_any();
    if job.metadata.deletion_timestamp.is_some() {
        rig.collect(&name).await;
        return;
    }
    let pods = rig.api::<Pod>().list(&ListParams::default()).await.expect("pods").items;
    let Some(pod) = pods.iter().find(|pod| pod.owner_references().iter().any(|owner| owner.name == name)) else {
        for pod in rig.make_pods(&name).await {
            rig.run_pod(&pod, address()).await;
        }
        return;
    };
    // Not before the operator has seen it run: a life that is always the same can be compared.
    let status = rig.api::<RealTrainingJob>().get(NAME).await.expect("the job").status.unwrap_or_default();
    if status.phase != Some(Phase::Running) || status.job_name.as_ref() != Some(&name) {
        return;
    }
    if name.ends_with("-1") {
        rig.preempt_pod(&pod.name_any()).await;
        rig.fail_job(&name, "PodFailurePolicy", "Pod has condition DisruptionTarget matching FailJob rule at index 1")
            .await;
    } else {
        let done = Progress { attempt: 2, step: 10, total_steps: 10, loss: Some(0.25), ..Progress::default() };
        rig.end_pod(&pod.name_any(), 0, &LastWords::compose(Outcome::Done, None, "", &done)).await;
        rig.complete_job(&name).await;
    }
}

fn is_over(job: &Job) -> bool {
    let conditions = job.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    conditions
        .iter()
        .any(|condition| matches!(condition.type_.as_str(), "Complete" | "Failed") && condition.status == "True")
}

/// What is left at the end, without what differs from life to life: uids, times, versions.
async fn end(rig: &Rig) -> Value {
    let job = rig.api::<RealTrainingJob>().get(NAME).await.expect("the job");
    let status = job.status.unwrap_or_default();
    let conditions: Vec<_> = status
        .conditions
        .iter()
        .map(|condition| {
            format!("{}={} ({}) {}", condition.type_, condition.status, condition.reason, condition.message)
        })
        .collect();
    json!({
        "phase": status.phase, "reason": status.reason, "attempt": status.attempt, "restarts": status.restarts,
        "jobName": status.job_name, "conditions": conditions, "progress": status.progress.map(|progress| progress.step),
        "Job": objects::<Job>(rig).await,
        "Service": objects::<Service>(rig).await,
        "NetworkPolicy": objects::<NetworkPolicy>(rig).await,
    })
}

async fn objects<K>(rig: &Rig) -> Vec<Value>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned
        + Serialize,
{
    let found = rig.api::<K>().list(&ListParams::default()).await.expect("a list").items;
    let ours = found.iter().filter(|object| object.labels().contains_key("real-rl.dev/job"));
    ours.map(|object| {
        let owners: Vec<_> =
            object.owner_references().iter().map(|owner| format!("{} {}", owner.kind, owner.name)).collect();
        let full = serde_json::to_value(object).expect("JSON");
        let text = json!({
            "name": object.name_any(), "owners": owners, "labels": object.labels(),
            "spec": full["spec"], "data": full["data"],
        })
        .to_string();
        // Namespaces differ in their names, Jobs in the uid that the server puts into selectors and labels.
        let text = text.replace(&rig.namespace, "NAMESPACE").replace(&object.uid().unwrap_or_default(), "UID");
        let mut value: Value = serde_json::from_str(&text).expect("JSON");
        for address in ["clusterIPs", "clusterIP"] {
            value["spec"].as_object_mut().map(|spec| spec.remove(address));
        }
        value
    })
    .collect()
}
