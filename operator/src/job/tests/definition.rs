//! What the definition of `RealTrainingJob` says about a status. The API server refuses what does not fit.

use std::sync::LazyLock;

use kube::CustomResourceExt;
use real_crds::v1alpha1::{RealTrainingJob, RealTrainingJobStatus};
use serde_json::{Value, json};

use crate::schema_check;

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let definition = serde_json::to_value(RealTrainingJob::crd()).unwrap();
    definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"].clone()
});

/// What does not fit, a line each.
pub(super) fn misfits(status: &RealTrainingJobStatus) -> Vec<String> {
    schema_check::misfits(&SCHEMA, &serde_json::to_value(status).unwrap())
}

#[test]
fn what_does_not_fit_is_found() {
    let status = |value: Value| serde_json::from_value::<RealTrainingJobStatus>(value).unwrap();
    let long = "x".repeat(65);
    let checkpoint = json!({ "step": 1, "uri": "", "sha256": long });
    for (value, misfit) in [
        (json!({ "jobName": long }), "status.jobName is or has 65"),
        (json!({ "reason": "not a word" }), "status.reason is no word"),
        (
            json!({ "progress": { "step": 1, "totalSteps": 1, "percentage": 101 } }),
            "status.progress.percentage is or has 101",
        ),
        (json!({ "checkpoints": [checkpoint] }), "status.checkpoints[0].sha256 is or has 65"),
        (
            json!({ "checkpoints": vec![json!({ "step": 1, "uri": "", "sha256": "" }); 11] }),
            "status.checkpoints is or has 11",
        ),
    ] {
        assert_eq!(misfits(&status(value)), [misfit]);
    }
}
