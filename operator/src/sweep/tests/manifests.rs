//! What is written into the cluster.

use real_crds::cell::CellConfig;
use real_crds::v1alpha1::{ResultsStore, SecretRef, SweepModel, SweepResults};
use serde_json::{Value, json};

use super::situation::Situation;
use crate::labels;
use crate::sweep::cell_job::CELL;
use crate::sweep::index;

#[test]
fn a_cell_is_an_indexed_job_that_carries_its_configuration() {
    let case = Situation::ready().edited(|spec| spec.suites[0].shards = 3).labelled(labels::KUEUE_QUEUE, "gpu");
    let plan = case.plan();
    let mut body = plan.create[1].body.clone();
    let annotations = &mut body["spec"]["template"]["metadata"]["annotations"];
    let config: CellConfig = serde_json::from_str(annotations[CELL].take().as_str().unwrap()).unwrap();
    assert_eq!(config.cell, plan.create[1].name);
    insta::assert_yaml_snapshot!("manifests_job", body);
    insta::assert_yaml_snapshot!("manifests_config", config);
    let others: Vec<_> = plan.apply.iter().map(|child| &child.body).collect();
    insta::assert_yaml_snapshot!("manifests_others", others);
}

/// The pod of the first cell and what it is told.
fn cell(case: &Situation) -> (Value, CellConfig) {
    let plan = case.plan();
    let template = plan.create[1].body["spec"]["template"].clone();
    let config = template["metadata"]["annotations"][CELL].as_str().expect("a configuration");
    (template["spec"].clone(), serde_json::from_str(config).expect("JSON"))
}

fn mounted(pod: &Value) -> Vec<(String, bool)> {
    let mounts = pod["containers"][0]["volumeMounts"].as_array().expect("mounts");
    let mount = |mount: &Value| {
        let path = mount["mountPath"].as_str()?.to_owned();
        Some((path, mount["readOnly"] == true))
    };
    mounts.iter().filter_map(mount).collect()
}

#[test]
fn a_cell_says_beside_the_checkpoints_that_it_reads_one_and_may_change_nothing_else_of_them() {
    let (pod, config) = cell(&Situation::ready());
    assert_eq!(config.leases.as_deref(), Some("/var/lib/real/leases"));
    let (run, _) =
        config.model.strip_prefix("/mnt/real/").and_then(|at| at.split_once("/checkpoints/")).expect("a claim");
    let mounts = pod["containers"][0]["volumeMounts"].as_array().expect("mounts");
    let leases = mounts.iter().find(|mount| mount["name"] == "real-leases").expect("a mount");
    let (claim, folder) = run.split_once('/').expect("a claim and a folder");
    assert_eq!(leases["subPath"], format!("{folder}/leases"));
    let volume = pod["volumes"].as_array().expect("volumes").iter().find(|volume| volume["name"] == "real-leases");
    assert_eq!(volume.expect("a volume")["persistentVolumeClaim"], json!({"claimName": claim}));
    assert!(mounted(&pod).contains(&(format!("/mnt/real/{claim}"), true)), "{pod:#}");
}

#[test]
fn checkpoints_and_results_in_buckets_need_no_claim_and_each_secret_is_for_its_own() {
    let mut case = Situation::ready().edited(|spec| {
        spec.targets.secret_ref = Some(SecretRef { name: "checkpoints".to_owned() });
        let store =
            ResultsStore { uri: "s3://out/sweeps/".to_owned(), secret_ref: Some(SecretRef { name: "out".to_owned() }) };
        spec.results = Some(SweepResults { persistent_volume_claim: None, object_store: Some(store) });
    });
    for job in &mut case.observed.jobs {
        for checkpoint in &mut std::sync::Arc::make_mut(job).status.as_mut().expect("a status").checkpoints {
            checkpoint.uri = format!("s3://runs/one/checkpoints/step-{}", checkpoint.step);
        }
    }
    let (pod, config) = cell(&case);
    assert!(config.model.starts_with("s3://runs/one/checkpoints/step-"), "{}", config.model);
    assert_eq!((config.results.as_deref(), config.leases), (Some("s3://out/sweeps"), None));
    assert!(!pod.to_string().contains("persistentVolumeClaim"), "{pod:#}");
    let variables = pod["containers"][0]["env"].as_array().expect("variables");
    let credentials = variables.iter().find(|one| one["name"] == "REAL_CREDENTIALS").expect("credentials");
    let lines =
        format!("/etc/real-credentials/checkpoints={}\n/etc/real-credentials/out=s3://out/sweeps", config.model);
    assert_eq!(credentials["value"], lines);
    assert_eq!(index::folder(&case.sweep).as_deref(), Some("s3://out/sweeps"));
}

#[test]
fn a_model_behind_an_api_is_a_target_as_any_other_with_its_key_from_a_secret() {
    let uri = "http://llm.serving.svc:8000/v1?model=a/b";
    let case = Situation::ready().edited(|spec| {
        let secret_ref = Some(SecretRef { name: "key".to_owned() });
        spec.targets.job_selector = None;
        spec.targets.models = vec![SweepModel { name: None, storage_uri: uri.to_owned(), secret_ref }];
    });
    let (pod, config) = cell(&case);
    assert_eq!((config.model.as_str(), config.leases), (uri, None));
    assert!(mounted(&pod).contains(&("/etc/real-credentials/key".to_owned(), true)), "{pod:#}");
}
