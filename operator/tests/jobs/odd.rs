//! Odd objects, as somebody new to it writes them: each is refused at its field, told to be unacceptable and why, or runs. None is
//! accepted and then waits for ever without a word.

use kube::api::PostParams;
use real_crds::v1alpha1::{RealTrainingJob, RewardPool};
use serde_json::{Value, json};

use crate::rig::{Rig, sft};

/// What becomes of an object.
enum End {
    /// The definition refuses it, in these words.
    Refused(&'static str),
    /// It is not accepted, for this reason and in these words.
    Unaccepted(&'static str, &'static str),
    /// It starts.
    Starts,
}
use End::{Refused, Starts, Unaccepted};

fn jobs() -> Vec<(&'static str, Value, End)> {
    let patch = |patch: Value| json!({"trainer": {"podPatch": patch}});
    let limits = |limits: Value| json!({"trainer": {"resourcesPerNode": {"limits": limits}}});
    let env = |env: Value| json!({"trainer": {"env": [env]}});
    let volume = |volume: Value| json!({"trainer": {"podPatch": {"volumes": [volume]}}});
    let model = |uri: &str| json!({"model": {"storageUri": uri}});
    let claim = json!({"persistentVolumeClaim": {"claimName": "runs"}, "objectStore": {"uri": "s3://bucket/runs"}});
    vec![
        ("image-blank", json!({"trainer": {"image": "real trainer:1"}}), Refused("spec.trainer.image")),
        ("image-address", json!({"trainer": {"image": "https://ghcr.io/real:1"}}), Refused("spec.trainer.image")),
        ("helper-image", patch(json!({"sidecars": [{"name": "log", "image": " a"}]})), Refused("sidecars[0].image")),
        ("memory-milli", limits(json!({"memory": "512m"})), Refused("did you mean 512M?")),
        (
            "disk-milli",
            json!({"trainer": {"resourcesPerNode": {"requests": {"ephemeral-storage": "100m"}}}}),
            Refused("did you mean 100M?"),
        ),
        ("memory-words", limits(json!({"memory": "16 gigabytes"})), Refused("is not a quantity")),
        ("env-reserved", env(json!({"name": "REAL_CREDENTIALS", "value": "a"})), Refused("except REAL_CACHE")),
        ("env-cache", env(json!({"name": "REAL_CACHE", "value": "/data/cache"})), Starts),
        ("env-hyphen", env(json!({"name": "HF-TOKEN", "value": "a"})), Refused("env[0].name")),
        (
            "env-both",
            env(json!({"name": "A", "value": "a", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}})),
            Refused("at most one of value and valueFrom"),
        ),
        (
            "helper-name",
            patch(json!({"sidecars": [{"name": "trainer", "image": "a"}]})),
            Refused("is the operator's own"),
        ),
        (
            "volume-path",
            volume(json!({"name": "a", "mountPath": "data", "emptyDir": {}})),
            Refused("volumes[0].mountPath"),
        ),
        (
            "volume-sub-path",
            volume(json!({"name": "a", "mountPath": "/data",
                "persistentVolumeClaim": {"claimName": "a", "subPath": "/abs"}})),
            Refused("subPath"),
        ),
        ("two-stores", json!({"checkpoint": {"storage": claim}}), Refused("exactly one of persistentVolumeClaim")),
        ("nodes-many", json!({"trainer": {"nodes": 5000}}), Refused("spec.trainer.nodes")),
        ("seed-huge", json!({"seed": 9_007_199_254_740_992_u64}), Refused("spec.seed")),
        (
            "claims-both",
            patch(
                json!({"resourceClaims": [{"name": "a", "resourceClaimName": "b", "resourceClaimTemplateName": "c"}]}),
            ),
            Refused("exactly one of resourceClaimName"),
        ),
        ("pool-elsewhere", json!({"rewardPoolRef": {"name": "team/judges"}}), Refused("spec.rewardPoolRef.name")),
        (
            "annotations-large",
            patch(json!({"annotations": {"note": "a".repeat(270_000)}})),
            Unaccepted("Invalid", "spec.trainer.podPatch.annotations"),
        ),
        (
            "nameserver",
            patch(json!({"dnsConfig": {"nameservers": ["dns.example.org"]}})),
            Unaccepted("Invalid", "spec.trainer.podPatch.dnsConfig"),
        ),
        (
            "search",
            patch(json!({"dnsConfig": {"searches": ["not a domain"]}})),
            Unaccepted("Invalid", "spec.trainer.podPatch.dnsConfig"),
        ),
        (
            "effect",
            patch(json!({"tolerations": [{"key": "gpu", "operator": "Exists", "effect": "Never"}]})),
            Refused("spec.trainer.podPatch.tolerations[0].effect"),
        ),
        (
            "node-key",
            patch(json!({"nodeSelector": {"gpu type": "h200"}})),
            Unaccepted("Invalid", "spec.trainer.podPatch.nodeSelector"),
        ),
        (
            "spread-word",
            patch(json!({"topologySpreadConstraints":
                [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "Maybe"}]})),
            Unaccepted("Invalid", "spec.trainer.podPatch.topologySpreadConstraints"),
        ),
        (
            "helper-request",
            patch(json!({"sidecars": [{"name": "log", "image": "a",
                "resources": {"requests": {"memory": "2Gi"}, "limits": {"memory": "1Gi"}}}]})),
            Unaccepted("Invalid", "spec.trainer.podPatch.initContainers or sidecars"),
        ),
        ("model-colon", model("hf:org/name"), Refused("storageUri must be a path, or begin with")),
        ("model-shouted", model("HF://org/name"), Refused("storageUri must be a path, or begin with")),
        (
            "model-data-set",
            model("hf://datasets/org/name"),
            Unaccepted("UnsupportedSource", "must be hf://ORG/NAME[@REVISION][/PATH]"),
        ),
        (
            "judged-by-nobody",
            json!({"datasets": {"train": [{"name": "a", "storageUri": "bundled://quickstart-train"}],
                "eval": [{"name": "b", "storageUri": "bundled://quickstart-eval"}]}}),
            Unaccepted("RewardPoolRequired", "spec.rewardPoolRef is missing"),
        ),
        ("plain", json!({}), Starts),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_odd_job_is_refused_in_words_or_starts() {
    let rig = Rig::new("odd").await;
    let _operator = rig.operator();
    let mut left = Vec::new();
    for (name, spec, end) in jobs() {
        let job: RealTrainingJob = match serde_json::from_value(sft(name, spec.clone())) {
            Ok(job) => job,
            Err(error) => panic!("{name}: {error}"),
        };
        match (rig.api().create(&PostParams::default(), &job).await, &end) {
            // At its field is better than afterwards.
            (Err(refused), Refused(words) | Unaccepted(_, words)) => {
                assert!(refused.to_string().contains(words), "{name}: {refused}");
            }
            (Ok(_), Unaccepted(..) | Starts) => left.push((name, end)),
            (Ok(_), Refused(words)) => panic!("{name} was taken, and not refused for {words}"),
            (Err(refused), Starts) => panic!("{name}: {refused}"),
        }
    }
    for (name, end) in left {
        match end {
            Refused(_) => {}
            Unaccepted(reason, words) => {
                let job = rig.phase(name, "Pending", reason).await;
                let status = serde_json::to_value(&job.status).unwrap();
                let conditions = status["conditions"].as_array().unwrap().iter();
                let accepted = conditions.clone().find(|condition| condition["type"] == "Accepted").unwrap();
                assert_eq!(accepted["status"], "False", "{name}");
                assert!(accepted["message"].as_str().unwrap().contains(words), "{name}: {accepted}");
            }
            Starts => drop(rig.phase(name, "Starting", "AttemptStarted").await),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_odd_pool_is_refused_at_its_field() {
    let rig = Rig::new("odd-pools").await;
    for (spec, words) in [
        (json!({"sandbox": {"image": "real sandbox"}}), "spec.sandbox.image"),
        (json!({"detector": {"image": "//ghcr.io/real"}}), "spec.detector.image"),
        (json!({"sandbox": {"limits": {"memory": "512m"}}}), "did you mean 512M?"),
        (json!({"detector": {"resources": {"requests": {"memory": "100m"}}}}), "did you mean 100M?"),
    ] {
        let pool = json!({"apiVersion": "real-rl.dev/v1alpha1", "kind": "RewardPool", "metadata": {"name": "odd"}, "spec": spec});
        let pool: RewardPool = serde_json::from_value(pool).unwrap();
        let refused = rig.api().create(&PostParams::default(), &pool).await.expect_err(words);
        assert!(refused.to_string().contains(words), "{refused}");
    }
}
