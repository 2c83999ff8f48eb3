//! What may be changed after creation, by the rules on changes.

use kube::core::cel::Validator;
use real_crds::definitions;
use serde_json::{Value, json};

fn schema(kind: &str) -> Value {
    let definition = definitions().into_iter().find(|definition| definition.spec.names.kind == kind).unwrap();
    let version = definition.spec.versions.into_iter().next().unwrap();
    serde_json::to_value(version.schema.unwrap().open_api_v3_schema.unwrap()).unwrap()
}

fn job() -> Value {
    json!({
        "apiVersion": "real-rl.dev/v1alpha1",
        "kind": "RealTrainingJob",
        "metadata": { "name": "job" },
        "spec": {
            "model": { "storageUri": "models/base" },
            "datasets": { "train": [{ "name": "a", "storageUri": "a.jsonl" }] },
            "algorithm": { "ppo": { "steps": 10 } },
        },
    })
}

/// What the server says to setting `pointer` to `value`.
fn change(pointer: &str, value: Value) -> Vec<String> {
    let old = job();
    let mut new = old.clone();
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    let parent = parent.split('/').skip(1).fold(&mut new, |value, key| match key.parse::<usize>() {
        Ok(index) => &mut value[index],
        Err(_) => &mut value[key],
    });
    parent[field] = value;
    match Validator::new().validate(&schema("RealTrainingJob"), &new, Some(&old)) {
        Ok(()) => Vec::new(),
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn what_decides_the_result_cannot_be_changed() {
    let changes = [
        ("/spec/model/storageUri", json!("models/other"), "spec.model: model cannot be changed after creation"),
        ("/spec/model/initialize", json!("random"), "spec.model: model cannot be changed after creation"),
        (
            "/spec/datasets/train/0/storageUri",
            json!("b.jsonl"),
            "spec.datasets.train: datasets.train cannot be changed after creation",
        ),
        ("/spec/algorithm/ppo/steps", json!(11), "spec.algorithm: algorithm cannot be changed after creation"),
        ("/spec/rollout", json!({ "temperature": 0.7 }), "spec.rollout: rollout cannot be changed after creation"),
        ("/spec/reward", json!({ "alpha": 1 }), "spec.reward: reward cannot be changed after creation"),
        ("/spec/seed", json!(2), "spec.seed: seed cannot be changed after creation"),
        ("/spec/trainer", json!({ "nodes": 2 }), "spec.trainer.nodes: nodes cannot be changed after creation"),
        ("/spec/trainer", json!({ "image": "x" }), "spec.trainer.image: image cannot be changed after creation"),
        (
            "/spec/trainer",
            json!({ "processesPerNode": 8 }),
            "spec.trainer.processesPerNode: processesPerNode cannot be changed after creation",
        ),
        (
            "/spec/trainer",
            json!({ "resourcesPerNode": { "limits": { "cpu": "1" } } }),
            "spec.trainer.resourcesPerNode: resourcesPerNode cannot be changed after creation",
        ),
        (
            "/spec/checkpoint",
            json!({ "storage": { "persistentVolumeClaim": { "claimName": "c" } } }),
            "spec.checkpoint.storage: storage cannot be changed after creation",
        ),
        (
            "/spec/managedBy",
            json!("real-rl.dev/operator"),
            "spec.managedBy: managedBy cannot be changed after creation",
        ),
    ];
    for (pointer, value, message) in changes {
        assert_eq!(change(pointer, value), [message], "{pointer}");
    }
}

#[test]
fn what_does_not_decide_the_result_can_be_changed() {
    for (pointer, value) in [
        ("/spec/suspend", json!(true)),
        ("/spec/evaluation", json!({ "everySteps": 5 })),
        ("/spec/datasets/eval", json!([{ "name": "b", "storageUri": "b.jsonl" }])),
        ("/spec/restartPolicy", json!({ "backoffLimit": 9 })),
        ("/spec/activeDeadlineSeconds", json!(60)),
        ("/spec/ttlSecondsAfterFinished", json!(0)),
        ("/spec/checkpoint", json!({ "everySteps": 7, "retain": 1 })),
        ("/spec/rewardPoolRef", json!({ "name": "pool" })),
        // The same as the default: no change at all.
        ("/spec/reward", json!({})),
    ] {
        assert_eq!(change(pointer, value), Vec::<String>::new(), "{pointer}");
    }
}
