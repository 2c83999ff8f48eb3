//! The part of `metadata` that a person writes, and how the API server checks it.

use serde_json::{Value, json};

/// Schema of `metadata`. Fields that only the server sets are known but not looked into, so that what `kubectl get -o yaml`
/// prints can be read back.
pub(super) fn schema() -> Value {
    let anything = json!({ "x-kubernetes-preserve-unknown-fields": true });
    json!({
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": { "type": "string", "minLength": 1, "maxLength": 253 },
            "namespace": {
                "type": "string", "minLength": 1, "maxLength": 63, "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
            },
            "labels": {
                "type": "object",
                "additionalProperties": {
                    "type": "string", "maxLength": 63, "pattern": "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$",
                },
            },
            "annotations": { "type": "object", "additionalProperties": { "type": "string" } },
            "finalizers": { "type": "array", "items": { "type": "string" } },
            "ownerReferences": anything,
            "generateName": anything,
            "uid": anything,
            "resourceVersion": anything,
            "generation": anything,
            "creationTimestamp": anything,
            "deletionTimestamp": anything,
            "deletionGracePeriodSeconds": anything,
            "managedFields": anything,
            "selfLink": anything,
        },
    })
}
