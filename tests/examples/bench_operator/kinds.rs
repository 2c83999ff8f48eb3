//! What is run: jobs of ours, and bare Indexed Jobs.

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::PodTemplateSpec;
use real_crds::v1alpha1::RealTrainingJob;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Pods of a job.
pub(crate) const PODS: u32 = 2;

/// What is created, and how it is told that it is done.
pub(crate) trait Kind {
    const WHAT: &'static str;
    fn named(name: &str) -> Self;
    fn is_complete(&self) -> bool;
    /// Name of the Job that does the work of the object `name`.
    fn job_of(name: &str) -> String;
}

impl Kind for Job {
    const WHAT: &'static str = "bare Jobs";

    fn named(name: &str) -> Self {
        let pod = json!({"restartPolicy": "Never", "containers": [{"name": "trainer", "image": "trainer"}]});
        parse(json!({"metadata": {"name": name}, "spec": {
            "completionMode": "Indexed", "completions": PODS, "parallelism": PODS, "backoffLimit": 0, "template": {"spec": pod},
        }}))
    }

    fn is_complete(&self) -> bool {
        let conditions = self.status.iter().flat_map(|status| status.conditions.iter().flatten());
        conditions.into_iter().any(|condition| condition.type_ == "Complete" && condition.status == "True")
    }

    fn job_of(name: &str) -> String {
        name.to_owned()
    }
}

/// A bare Job of the pods that the operator makes, as a Job of its own has them on the server. They have a configuration, volumes and
/// bounds, and every write of a pod carries them.
pub(crate) fn as_heavy(template: &PodTemplateSpec, name: &str) -> Job {
    let mut job = Job::named(name);
    let mut template = template.clone();
    // The server's own, of the Job that it was read from.
    let labels = template.metadata.iter_mut().filter_map(|metadata| metadata.labels.as_mut());
    labels.for_each(|labels| labels.retain(|key, _| !key.ends_with("controller-uid") && !key.ends_with("job-name")));
    if let Some(spec) = &mut job.spec {
        spec.template = template;
    }
    job
}

impl Kind for RealTrainingJob {
    const WHAT: &'static str = "RealTrainingJobs";

    fn named(name: &str) -> Self {
        parse(json!({"metadata": {"name": name}, "spec": {
            "model": {"storageUri": "bundled://quickstart-base"},
            "datasets": {"train": [{"name": "quickstart", "storageUri": "bundled://quickstart-train"}]},
            "algorithm": {"sft": {"steps": 10}}, "trainer": {"nodes": PODS},
        }}))
    }

    fn is_complete(&self) -> bool {
        let conditions = self.status.iter().flat_map(|status| &status.conditions);
        conditions.into_iter().any(|condition| condition.type_ == "Complete" && condition.status == "True")
    }

    fn job_of(name: &str) -> String {
        format!("{name}-1")
    }
}

pub(crate) fn parse<T: DeserializeOwned>(object: Value) -> T {
    serde_json::from_value(object).expect("an object of its kind")
}
