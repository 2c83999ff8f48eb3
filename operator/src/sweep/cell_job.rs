//! The Job of a cell: an Indexed Job, one pod a shard of the suite's tasks.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::{
    Job, JobSpec, PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement, PodFailurePolicyOnPodConditionsPattern,
    PodFailurePolicyRule,
};
use k8s_openapi::api::core::v1::{
    Container, DownwardAPIVolumeFile, DownwardAPIVolumeSource, EnvVar, ObjectFieldSelector,
    PersistentVolumeClaimVolumeSource, PodTemplateSpec, Volume, VolumeMount,
};
use kube::ResourceExt;
use real_crds::cell::CellConfig;
use real_crds::v1alpha1::RealEvalSweep;
use real_crds::{config, reward};

use super::cells::Cell;
use super::children::{labels, metadata};
use super::index::sub_path;
use super::plan::{Names, Settings};
use crate::job::CONTAINER;
use crate::labels;
use crate::pod::{self, PodParts};
use crate::pool::endpoints;
use crate::source::{MOUNTS, claims, fetching, in_the_pod};

/// Exit code of an evaluator whose cell cannot be evaluated.
pub(super) const INVALID: i32 = 2;
/// Failures of pods that a cell survives; lost nodes and preemptions do not count.
const RETRIES: i32 = 2;
/// Seconds between SIGTERM and SIGKILL: there is nothing to save.
const GRACE: i64 = 10;

/// Annotation of a cell's pods: the configuration. They read it as a file, through the downward API, so that a cell needs no
/// `ConfigMap`.
pub(super) const CELL: &str = "real-rl.dev/cell";
/// Annotations of a cell's Job, for people: what it evaluates.
const TARGET: &str = "real-rl.dev/target";
const SUITE: &str = "real-rl.dev/suite";
const SETTINGS: &str = "real-rl.dev/settings";

const FOLDER: &str = "/etc/real";
const FILE: &str = "cell.json";
/// Where a cell says that it reads a checkpoint.
const LEASES: &str = "/var/lib/real/leases";
/// Where the claim of the results is mounted.
const RESULTS: &str = "/var/lib/real/results";

/// The Job of a cell.
pub(super) fn job(sweep: &RealEvalSweep, cell: &Cell<'_>, settings: &Settings) -> Job {
    let mut metadata = metadata(sweep, cell.name.clone());
    let own = metadata.labels.get_or_insert_default();
    for label in [labels::KUEUE_QUEUE, labels::KUEUE_PRIORITY] {
        if let Some(value) = sweep.labels().get(label) {
            own.insert(label.to_owned(), value.clone());
        }
    }
    let about =
        [(TARGET, cell.target.name.clone()), (SUITE, cell.suite.name.clone()), (SETTINGS, cell.named.label.clone())];
    metadata.annotations = Some(about.map(|(key, value)| (key.to_owned(), value)).into());
    let shards = cell.suite.shards as i32;
    Job {
        metadata,
        spec: Some(JobSpec {
            completion_mode: Some("Indexed".to_owned()),
            completions: Some(shards),
            parallelism: Some(shards),
            backoff_limit: Some(RETRIES),
            active_deadline_seconds: Some(sweep.spec.cell_deadline_seconds as i64),
            pod_replacement_policy: Some("Failed".to_owned()),
            pod_failure_policy: Some(failure_policy()),
            // Kueue, or whoever runs the queue, starts it.
            suspend: queue(sweep).map(|_| true),
            template: template(sweep, cell, settings),
            ..JobSpec::default()
        }),
        status: None,
    }
}

/// The queue that cells wait in.
pub(super) fn queue(sweep: &RealEvalSweep) -> Option<&String> {
    sweep.labels().get(labels::KUEUE_QUEUE).filter(|queue| !queue.is_empty())
}

/// What cannot be evaluated will not be by another try; what the cluster took away has not failed.
fn failure_policy() -> PodFailurePolicy {
    PodFailurePolicy {
        rules: vec![
            PodFailurePolicyRule {
                action: "FailJob".to_owned(),
                on_exit_codes: Some(PodFailurePolicyOnExitCodesRequirement {
                    container_name: Some(CONTAINER.to_owned()),
                    operator: "In".to_owned(),
                    values: vec![INVALID],
                }),
                on_pod_conditions: None,
            },
            PodFailurePolicyRule {
                action: "Ignore".to_owned(),
                on_exit_codes: None,
                on_pod_conditions: Some(vec![PodFailurePolicyOnPodConditionsPattern {
                    type_: "DisruptionTarget".to_owned(),
                    status: Some("True".to_owned()),
                }]),
            },
        ],
    }
}

fn template(sweep: &RealEvalSweep, cell: &Cell<'_>, settings: &Settings) -> PodTemplateSpec {
    let spec = &sweep.spec;
    let evaluator = &spec.evaluator;
    let mount = |name: &str, path: String| VolumeMount {
        name: name.into(),
        mount_path: path,
        read_only: Some(true),
        ..VolumeMount::default()
    };
    let field = ObjectFieldSelector { api_version: None, field_path: format!("metadata.annotations['{CELL}']") };
    let file =
        DownwardAPIVolumeFile { path: FILE.to_owned(), field_ref: Some(field), ..DownwardAPIVolumeFile::default() };
    let mut volumes = vec![Volume {
        name: "real-cell".to_owned(),
        downward_api: Some(DownwardAPIVolumeSource { items: Some(vec![file]), default_mode: None }),
        ..Volume::default()
    }];
    let mut mounts = vec![mount("real-cell", FOLDER.to_owned())];
    for (i, claim) in claims([cell.target.uri.as_str(), cell.suite.storage_uri.as_str()]).into_iter().enumerate() {
        let volume = format!("real-source-{i}");
        mounts.push(mount(&volume, format!("{MOUNTS}/{claim}")));
        volumes.push(Volume {
            name: volume,
            persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
                claim_name: claim,
                read_only: Some(true),
            }),
            ..Volume::default()
        });
    }
    let model = spec.targets.models.iter().find(|model| model.storage_uri == cell.target.uri);
    let model = match &cell.target.checkpoint {
        Some(_) => spec.targets.secret_ref.as_ref(),
        None => model.and_then(|model| model.secret_ref.as_ref()),
    };
    let results = spec.results.as_ref().and_then(|results| results.object_store.as_ref());
    let fetching = fetching(
        [(cell.target.uri.as_str(), model), (cell.suite.storage_uri.as_str(), cell.suite.secret_ref.as_ref())]
            .into_iter()
            .chain(results.map(|store| (store.uri.trim_end_matches('/'), store.secret_ref.as_ref()))),
    );
    mounts.extend(fetching.mounts);
    volumes.extend(fetching.volumes);
    if let Some((claim, path)) = leases(cell) {
        let sub_path = Some(path);
        mounts.push(VolumeMount { read_only: None, sub_path, ..mount("real-leases", LEASES.to_owned()) });
        volumes.push(Volume {
            name: "real-leases".to_owned(),
            persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource { claim_name: claim, read_only: None }),
            ..Volume::default()
        });
    }
    if let Some(claim) = spec.results.as_ref().and_then(|results| results.persistent_volume_claim.as_ref()) {
        let claim = claim.claim_name.clone();
        mounts.push(VolumeMount {
            read_only: None,
            sub_path: sub_path(sweep),
            ..mount("real-results", RESULTS.to_owned())
        });
        volumes.push(Volume {
            name: "real-results".to_owned(),
            persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource { claim_name: claim, read_only: None }),
            ..Volume::default()
        });
    }
    let image = cell.suite.image.as_ref().or(evaluator.image.as_ref());
    let last_words =
        EnvVar { name: "REAL_TERMINATION_LOG".into(), value: Some("/dev/termination-log".into()), value_from: None };
    let container = Container {
        name: CONTAINER.to_owned(),
        image: Some(image.unwrap_or(&settings.images.trainer).clone()),
        image_pull_policy: Some(settings.images.pull_policy.clone()),
        command: Some(vec!["real-trainer".to_owned()]),
        args: Some(vec!["evaluate".to_owned(), "--config".to_owned(), format!("{FOLDER}/{FILE}")]),
        env: Some([fetching.env, vec![last_words]].concat()),
        resources: pod::resources(evaluator.resources.as_ref()),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        volume_mounts: Some(mounts),
        ..Container::default()
    };
    let parts = PodParts {
        labels: labels(sweep),
        service_account: Some(Names(&sweep.name_any()).service_account()),
        annotations: BTreeMap::from([(
            CELL.to_owned(),
            serde_json::to_string(&config(sweep, cell)).expect("plain data"),
        )]),
        containers: vec![container],
        volumes,
        grace_seconds: GRACE,
        restart_policy: Some("Never".to_owned()),
        ..PodParts::default()
    };
    pod::template(parts, evaluator.pod_patch.as_ref())
}

/// What the pods are told.
pub(super) fn config(sweep: &RealEvalSweep, cell: &Cell<'_>) -> CellConfig {
    let spec = &sweep.spec;
    CellConfig {
        cell: cell.name.clone(),
        model: in_the_pod(&cell.target.uri),
        suite: config::Dataset { name: cell.suite.name.clone(), uri: in_the_pod(&cell.suite.storage_uri), weight: 1.0 },
        limit: cell.suite.limit,
        shards: cell.suite.shards,
        settings: cell.named.settings.clone(),
        reward: reward(&spec.reward, &endpoints(&spec.run_namespace, spec.reward_pool_ref.as_ref())),
        compute: config::Compute {
            device: spec.evaluator.device,
            dtype: spec.evaluator.dtype,
            threads: spec.evaluator.threads,
            // Nothing is learnt.
            gradient_checkpointing: config::GradientCheckpointing::default(),
        },
        results: spec.results.as_ref().map(|results| match &results.object_store {
            Some(store) => store.uri.trim_end_matches('/').to_owned(),
            None => RESULTS.to_owned(),
        }),
        leases: leases(cell).map(|_| LEASES.to_owned()),
    }
}

/// Where a cell says that it reads a checkpoint on a claim: the claim, and the folder in it. In a bucket it says so there.
fn leases(cell: &Cell<'_>) -> Option<(String, String)> {
    cell.target.checkpoint.as_ref()?;
    let (claim, path) = cell.target.uri.strip_prefix("pvc://")?.split_once('/')?;
    let run = path.rsplit_once("/checkpoints/")?.0;
    Some((claim.to_owned(), format!("{run}/leases")))
}
