//! The objects that plans make.

use k8s_openapi::api::batch::v1::Job;
use real_crds::v1alpha1::{
    CheckpointStorage, ClaimStorage, ConfigMapVolume, DnsPolicy, EmptyDirVolume, EnvVar, EnvVarSource, KeySelector,
    ObjectStore, PodPatch, PodUsers, Quantity, Resources, SecretRef, SecretVolume, Volume,
};
use serde_json::{Value, json};

use super::job_rules::refusals;
use super::situation::{Pool, Situation};
use super::table;
use crate::job::attempt::checkpoint_uri;

#[path = "../../../tests/support/pod_security.rs"]
mod pod_security;

use pod_security::violations;

fn attempt(situation: &Situation) -> Job {
    let create = situation.plan().create.expect("an attempt starts");
    serde_json::from_value(create.body).unwrap()
}

/// A job that makes use of everything that can be changed about its pods.
fn elaborate() -> Situation {
    let volume = |name: &str, path: &str| Volume {
        name: name.into(),
        mount_path: path.into(),
        read_only: true,
        persistent_volume_claim: None,
        config_map: None,
        secret: None,
        empty_dir: None,
    };
    let claim = |sub_path: Option<&str>| ClaimStorage { claim_name: "data".into(), sub_path: sub_path.map(Into::into) };
    let volumes = vec![
        Volume { persistent_volume_claim: Some(claim(Some("a/b"))), ..volume("data", "/data") },
        Volume { config_map: Some(ConfigMapVolume { name: "rules".into() }), ..volume("rules", "/rules") },
        Volume { secret: Some(SecretVolume { secret_name: "token".into() }), ..volume("token", "/token") },
        Volume {
            empty_dir: Some(EmptyDirVolume { medium: Some("Memory".into()), size_limit: Some(Quantity("1Gi".into())) }),
            ..volume("shm", "/dev/shm")
        },
    ];
    let key = KeySelector { name: "hub".into(), key: "token".into(), optional: true };
    let secret = EnvVarSource { secret_key_ref: Some(key.clone()), config_map_key_ref: None };
    let config = EnvVarSource { secret_key_ref: None, config_map_key_ref: Some(key) };
    let variable = |name: &str, value: Option<&str>, value_from| EnvVar {
        name: name.into(),
        value: value.map(Into::into),
        value_from,
    };
    Situation::ready().in_queue("gpu").edited(|spec| {
        spec.model.storage_uri = "pvc://models/qwen".into();
        spec.datasets.train[0].storage_uri = "pvc://data/train.jsonl".into();
        spec.trainer.nodes = 4096;
        spec.trainer.processes_per_node = 8;
        spec.trainer.image = Some("example.com/trainer:1".into());
        spec.trainer.resources_per_node = Some(Resources {
            requests: [("cpu".to_owned(), Quantity("8".into()))].into(),
            limits: [("nvidia.com/gpu".to_owned(), Quantity("8".into()))].into(),
        });
        spec.trainer.env = vec![
            variable("NCCL_DEBUG", Some("INFO"), None),
            variable("HUB", None, Some(secret)),
            variable("LEVEL", None, Some(config)),
            variable("EMPTY", None, None),
        ];
        spec.trainer.pod_patch = Some(PodPatch {
            labels: [("team".to_owned(), "sec".to_owned()), ("real-rl.dev/job".to_owned(), "other".to_owned())].into(),
            annotations: [("kueue.x-k8s.io/podset-required-topology".to_owned(), "rack".to_owned())].into(),
            node_selector: [("gpu".to_owned(), "h100".to_owned())].into(),
            tolerations: serde_json::from_value(json!([{ "key": "gpu", "operator": "Exists" }])).unwrap(),
            affinity: serde_json::from_value(json!({ "podAffinity": {} })).unwrap(),
            priority_class_name: Some("high".into()),
            runtime_class_name: Some("nvidia".into()),
            scheduler_name: Some("gang".into()),
            service_account_name: Some("reader".into()),
            image_pull_secrets: vec![SecretRef { name: "registry".into() }],
            volumes,
            topology_spread_constraints: serde_json::from_value(json!([{
                "maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule",
                "labelSelector": {"matchLabels": {"team": "sec"}},
            }]))
            .unwrap(),
            security_context: Some(PodUsers { run_as_user: Some(1000), fs_group: Some(2000), ..PodUsers::default() }),
            host_network: false,
            dns_policy: Some(DnsPolicy::None),
            dns_config: serde_json::from_value(json!({
                "nameservers": ["10.0.0.10"], "searches": ["lab"], "options": [{"name": "ndots", "value": "2"}],
            }))
            .unwrap(),
            resource_claims: serde_json::from_value(json!([{"name": "gpu", "resourceClaimTemplateName": "h100"}]))
                .unwrap(),
            env_from: serde_json::from_value(json!([{"prefix": "HUB_", "secretRef": {"name": "hub"}}])).unwrap(),
            init_containers: serde_json::from_value(json!([{"name": "fetch", "image": "fetch:1", "args": ["a"]}]))
                .unwrap(),
            sidecars: serde_json::from_value(
                json!([{"name": "logs", "image": "logs:1", "env": [{"name": "A", "value": "b"}],
                "resources": {"limits": {"memory": "64Mi"}}}]),
            )
            .unwrap(),
        });
    })
}

/// All Jobs of the table, and one that makes use of everything.
fn attempts() -> Vec<(String, Job)> {
    let mut attempts: Vec<(String, Job)> = table()
        .into_iter()
        .flat_map(|(_, cases)| cases)
        .filter_map(|(sentence, case)| Some((sentence.to_owned(), case.plan().create?)))
        .map(|(sentence, create)| (sentence, serde_json::from_value(create.body).unwrap()))
        .collect();
    assert!(!attempts.is_empty());
    attempts.push(("everything".into(), attempt(&elaborate())));
    let mut longest = elaborate();
    longest.job.metadata.name = Some("p".repeat(48));
    longest.job.status = Some(serde_json::from_value(json!({ "attempt": 101_001 })).unwrap());
    attempts.push(("the longest names".into(), attempt(&longest)));
    attempts
}

#[test]
fn pods_of_every_attempt_pass_pod_security_restricted() {
    for (what, job) in attempts() {
        let pod = job.spec.unwrap().template.spec.unwrap();
        assert_eq!(violations(&pod), Vec::<String>::new(), "{what}");
        for container in &pod.containers {
            let context = container.security_context.as_ref().unwrap();
            assert_eq!(context.read_only_root_filesystem, Some(true), "{what}");
        }
        assert_eq!(pod.automount_service_account_token, Some(false), "{what}");
    }
}

#[test]
fn every_attempt_is_a_job_that_the_api_server_takes() {
    for (what, job) in attempts() {
        assert_eq!(refusals(&job), Vec::<String>::new(), "{what}");
    }
}

/// The rules themselves: each of these is one step away from a Job that is taken.
#[test]
fn each_rule_is_checked() {
    let rule = |i: usize| format!("/spec/podFailurePolicy/rules/{i}");
    let container = "/spec/template/spec/containers/0";
    let cases = [
        ("/metadata/name".into(), json!("p".repeat(62)), "the last pod's host name would be"),
        ("/metadata/labels/real-rl.dev~1job".into(), json!("p-"), "label real-rl.dev/job is p-"),
        ("/spec/template/metadata/labels/real-rl.dev~1job".into(), json!("p q"), "label real-rl.dev/job is p q"),
        ("/spec/completionMode".into(), json!("NonIndexed"), "is not Indexed"),
        ("/spec/parallelism".into(), json!(1), "not all pods run at once"),
        ("/spec/podReplacementPolicy".into(), json!("TerminatingOrFailed"), "podReplacementPolicy is not Failed"),
        ("/spec/template/spec/restartPolicy".into(), json!("OnFailure"), "restartPolicy is not Never"),
        ("/spec/backoffLimit".into(), json!(6), "backoffLimit is not 0"),
        ("/spec/selector".into(), json!({}), "has a selector of its own"),
        (rule(0), json!({ "action": "FailJob" }), "rule 0 needs one of its conditions"),
        (rule(1) + "/onPodConditions/0/status", json!(null), "rule 1 has no status"),
        (rule(0) + "/onExitCodes/values", json!([2, 2]), "rule 0 has values that are not in order"),
        (rule(0) + "/onExitCodes/values", json!([0]), "rule 0 fails on 0"),
        (rule(2) + "/onExitCodes/containerName", json!("other"), "rule 2 is about a container that is not there"),
        ("/spec/template/spec/volumes/0/name".into(), json!("real-tmp"), "volume real-tmp is there twice"),
        ("/spec/template/spec/volumes/0/name".into(), json!("T"), "volume T is no label"),
        ("/spec/template/spec/subdomain".into(), json!("a.b"), "a.b is no label"),
        (format!("{container}/volumeMounts/0/name"), json!("none"), "mount none has no volume"),
        (format!("{container}/volumeMounts/0/subPath"), json!("a/../.."), "subPath a/../.. leads out of the volume"),
        (format!("{container}/volumeMounts/0/mountPath"), json!("/tmp"), "/tmp is mounted twice"),
        (format!("{container}/env/0/name"), json!("WORLD_SIZE"), "WORLD_SIZE is set twice"),
        (format!("{container}/env/0/valueFrom"), json!({}), "MASTER_ADDR has a value and a source"),
        (format!("{container}/ports/0/name"), json!("a-name-too-long-"), "port 8080 is none"),
    ];
    let whole = serde_json::to_value(attempt(&Situation::ready())).unwrap();
    for (pointer, value, refusal) in cases {
        let mut broken = whole.clone();
        set(&mut broken, &pointer, value);
        let found = refusals(&serde_json::from_value(broken).unwrap());
        assert!(found.iter().any(|found| found.starts_with(refusal)), "{pointer}: {found:?}");
    }
}

fn set(document: &mut Value, pointer: &str, value: Value) {
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    match document.pointer_mut(parent).unwrap_or_else(|| panic!("there is no {parent}")) {
        Value::Array(items) => items[field.parse::<usize>().unwrap()] = value,
        parent => parent[field.replace("~1", "/")] = value,
    }
}

#[test]
fn a_job_that_uses_everything_becomes_this_job() {
    insta::assert_yaml_snapshot!("everything", attempt(&elaborate()));
}

/// What the trainer is told by its command line and its environment.
#[test]
fn later_attempts_resume_whatever_the_first_one_began_with() {
    let arguments = |situation: &Situation| -> Vec<String> {
        let pod = attempt(situation).spec.unwrap().template.spec.unwrap();
        pod.containers[0].args.clone().unwrap()
    };
    let first = |resume_from: &str| Situation::ready().edited(|spec| spec.checkpoint.resume_from = resume_from.into());
    let later = |resume_from: &str| first(resume_from).settled().runs().failed_once_more().later(3600);
    let base =
        ["train", "--config", "/etc/real/trainer.json", "--run-dir", "/var/lib/real/run", "--listen", "0.0.0.0:8080"];
    let cases: Vec<(Situation, &[&str])> = vec![
        (first("latest"), &["--resume"]),
        (first("none"), &[]),
        (first("step-40"), &["--resume-from", "step-40"]),
        (later("latest"), &["--resume"]),
        (later("none"), &["--resume"]),
        (later("step-40"), &["--resume"]),
    ];
    for (situation, resume) in cases {
        assert_eq!(
            arguments(&situation),
            [base.as_slice(), resume].concat(),
            "{}",
            situation.job.spec.checkpoint.resume_from
        );
    }
}

#[test]
fn an_attempt_whose_checkpoints_go_to_a_bucket_has_no_claim_and_its_keys_for_that_bucket_alone() {
    let case = Situation::ready().edited(|spec| {
        let store = ObjectStore {
            uri: "s3://bucket/runs/ppo/".into(),
            secret_ref: Some(SecretRef { name: "store".into() }),
            timeout_seconds: 60,
        };
        spec.checkpoint.storage = Some(CheckpointStorage { persistent_volume_claim: None, object_store: Some(store) });
    });
    let pod = serde_json::to_value(attempt(&case).spec.expect("a spec").template).expect("plain data");
    assert!(!pod.to_string().contains("persistentVolumeClaim"), "{pod:#}");
    let variables = pod["spec"]["containers"][0]["env"].as_array().expect("variables");
    let credentials = variables.iter().find(|one| one["name"] == "REAL_CREDENTIALS").expect("credentials");
    assert_eq!(credentials["value"], "/etc/real-credentials/store=s3://bucket/runs/ppo");
    let config = pod["metadata"]["annotations"]["real-rl.dev/trainer.json"].as_str().expect("a configuration");
    let config: Value = serde_json::from_str(config).expect("JSON");
    assert_eq!(config["checkpoint"]["store"], json!({"uri": "s3://bucket/runs/ppo", "timeoutSeconds": 60}));
    assert_eq!(checkpoint_uri(&case.job, 40), "s3://bucket/runs/ppo/checkpoints/step-40");
}

#[test]
fn the_quickstart_becomes_these_objects() {
    let manifest = include_str!("../../../../examples/quickstart.yaml");
    let mut situation = Situation::of(manifest).pool_named("quickstart", Pool::Ready { detectors: 1, sandboxes: 1 });
    // A release changes it.
    situation.settings.images.trainer = "real-trainer:VERSION".to_owned();
    let plan = situation.plan();
    let objects: Vec<Value> = plan.apply.iter().chain(&plan.create).map(|child| child.body.clone()).collect();
    insta::assert_yaml_snapshot!("quickstart", objects);
}
