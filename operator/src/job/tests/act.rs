//! Carries plans out as the controller and an API server would, in memory.

use k8s_openapi::api::batch::v1::{Job, JobStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::situation::Situation;
use crate::child::Child;
use crate::conditions::whole_seconds;
use crate::job::{Plan, merged};
use crate::refusal::Refusal;

/// Children, the attempt's Job, deletions, the status, in this order; of a refused plan only the status.
pub(super) fn carry_out(situation: &mut Situation, plan: &Plan) {
    // What was edited since is not refused any more.
    let generation = situation.job.metadata.generation;
    let mended = |refusal: &Refusal| refusal.lasting.as_ref().is_some_and(|lasting| lasting.generation != generation);
    if situation.observed.refused.as_ref().is_some_and(mended) {
        situation.observed.refused = None;
    }
    if situation.observed.refused.is_none() {
        for child in &plan.apply {
            apply(situation, child);
        }
        if let Some(child) = &plan.create {
            let job = started(situation, child);
            situation.observed.jobs.push(job);
        }
        for deletion in &plan.delete {
            situation.delete_job(&deletion.name);
        }
    }
    if let (Some(boost), Some(workload)) = (&plan.boost, &mut situation.observed.workload) {
        workload.boost = Some(boost.value.to_string());
    }
    if plan.status.is_some() || plan.progress.is_some() {
        let status = merged(situation.job.status.as_ref(), plan.status.as_ref(), plan.progress.as_ref());
        situation.job.status = Some(through_json(&status));
    }
}

/// What a server keeps of an object is what its JSON says.
fn through_json<T: serde::Serialize + DeserializeOwned>(object: &T) -> T {
    serde_json::from_value(serde_json::to_value(object).unwrap()).unwrap()
}

fn apply(situation: &mut Situation, child: &Child) {
    let children = &mut situation.observed.children;
    let mut body = child.body.clone();
    body["metadata"]["uid"] = json!(format!("uid-of-{}", child.name));
    match child.resource.kind.as_str() {
        "Service" => children.service = Some(parse(with_defaults(body))),
        "NetworkPolicy" => children.network_policy = Some(parse(body)),
        other => panic!("a plan applied a {other}"),
    }
}

fn parse<T: DeserializeOwned>(body: Value) -> T {
    serde_json::from_value(body).unwrap()
}

/// What an API server adds to a Service.
fn with_defaults(mut service: Value) -> Value {
    service["spec"]["type"] = json!("ClusterIP");
    service["spec"]["sessionAffinity"] = json!("None");
    for port in service["spec"]["ports"].as_array_mut().unwrap() {
        port["protocol"] = json!("TCP");
        port["targetPort"] = port["port"].clone();
    }
    service
}

/// A Job as it is right after its creation.
fn started(situation: &Situation, child: &Child) -> Job {
    let mut job: Job = parse(child.body.clone());
    let name = job.name_any();
    assert!(situation.observed.jobs.iter().all(|other| other.name_any() != name), "{name} exists");
    let now = Time(whole_seconds(situation.now));
    let suspended = job.spec.as_ref().and_then(|spec| spec.suspend) == Some(true);
    job.metadata.uid = Some(format!("uid-of-{name}"));
    job.metadata.creation_timestamp = Some(now.clone());
    job.status = Some(JobStatus { start_time: (!suspended).then_some(now), ..JobStatus::default() });
    job
}
