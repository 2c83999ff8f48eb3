//! An attempt: an Indexed Job, one pod a node, that fails as a whole when one of its pods does.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::batch::v1::{
    Job, JobSpec, PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement, PodFailurePolicyOnPodConditionsPattern,
    PodFailurePolicyRule,
};
use k8s_openapi::api::core::v1::{
    Container, ContainerPort, DownwardAPIVolumeFile, DownwardAPIVolumeSource, EmptyDirVolumeSource, EnvVar,
    EnvVarSource, ObjectFieldSelector, PersistentVolumeClaimVolumeSource, PodTemplateSpec, Volume, VolumeMount,
};
use kube::ResourceExt;
use real_crds::render;
use real_crds::v1alpha1::{ObjectStore, RealTrainingJob};

use super::children::{labels, metadata};
use super::ending::{CHECKPOINTED, INVALID_CONFIG};
use super::{Names, Settings, in_place};
use crate::labels::{self, HTTP_PORT, RENDEZVOUS_PORT};
use crate::pod::{self, PodParts};
use crate::pool::endpoints;
use crate::source::{self, MOUNTS, in_the_pod};

/// Name of the trainer's container.
pub(crate) const CONTAINER: &str = "trainer";
/// Name of the volume with the configuration.
const CONFIG_VOLUME: &str = "real-config";
/// Annotation of an attempt's pods: `trainer.json` as the trainer reads it. They read it as a file, through the downward API: a
/// Job's template cannot be changed, so that what ran can be seen, and there is no object besides it that somebody could edit, plant
/// or delete.
pub(super) const CONFIG: &str = "real-rl.dev/trainer.json";
const FOLDER: &str = "/etc/real";
const RUN: &str = "/var/lib/real/run";

/// The Job of attempt number `attempt`.
///
/// `restarts` says whether the cluster can start a container again in its pod.
pub(super) fn job(job: &RealTrainingJob, attempt: u32, settings: &Settings, restarts: bool) -> Job {
    let name = job.name_any();
    let mut metadata = metadata(job, Names(&name).attempt(attempt));
    let own = metadata.labels.get_or_insert_default();
    own.insert(labels::ATTEMPT.to_owned(), attempt.to_string());
    let queued = queue(job).is_some();
    for label in [labels::KUEUE_QUEUE, labels::KUEUE_PRIORITY] {
        if let Some(value) = job.labels().get(label).filter(|value| !value.is_empty()) {
            own.insert(label.to_owned(), value.clone());
        }
    }
    let nodes = job.spec.trainer.nodes as i32;
    Job {
        metadata,
        spec: Some(JobSpec {
            completion_mode: Some("Indexed".to_owned()),
            completions: Some(nodes),
            parallelism: Some(nodes),
            // A rank alone cannot go on: the operator starts the whole gang again.
            backoff_limit: Some(0),
            pod_replacement_policy: Some("Failed".to_owned()),
            pod_failure_policy: Some(failure_policy()),
            // Kueue, or whoever runs the queue, starts it.
            suspend: queued.then_some(true),
            template: template(job, attempt, settings, restarts),
            ..JobSpec::default()
        }),
        status: None,
    }
}

/// The queue that a job waits in. A label without a value names none, as Kueue has it: nobody would start what waits there.
pub(super) fn queue(job: &RealTrainingJob) -> Option<&String> {
    job.labels().get(labels::KUEUE_QUEUE).filter(|queue| !queue.is_empty())
}

/// Whether there are pods that have to find each other.
pub(super) fn is_gang(job: &RealTrainingJob) -> bool {
    job.spec.trainer.nodes > 1
}

/// All rules fail the Job, as any failure does with `backoffLimit: 0`; what they add is a message that outlives the pods.
fn failure_policy() -> PodFailurePolicy {
    let exit = |code: i32| PodFailurePolicyRule {
        action: "FailJob".to_owned(),
        on_exit_codes: Some(PodFailurePolicyOnExitCodesRequirement {
            container_name: Some(CONTAINER.to_owned()),
            operator: "In".to_owned(),
            values: vec![code],
        }),
        on_pod_conditions: None,
    };
    PodFailurePolicy {
        rules: vec![
            exit(INVALID_CONFIG),
            PodFailurePolicyRule {
                action: "FailJob".to_owned(),
                on_exit_codes: None,
                on_pod_conditions: Some(vec![PodFailurePolicyOnPodConditionsPattern {
                    type_: "DisruptionTarget".to_owned(),
                    status: Some("True".to_owned()),
                }]),
            },
            exit(CHECKPOINTED),
        ],
    }
}

fn template(job: &RealTrainingJob, attempt: u32, settings: &Settings, restarts: bool) -> PodTemplateSpec {
    let trainer = &job.spec.trainer;
    let name = job.name_any();
    let names = Names(&name);
    let mut labels = labels(job);
    labels.insert(labels::ATTEMPT.to_owned(), attempt.to_string());
    let file = |annotation: &str, path: &str| DownwardAPIVolumeFile {
        path: path.to_owned(),
        field_ref: Some(ObjectFieldSelector {
            api_version: None,
            field_path: format!("metadata.annotations['{annotation}']"),
        }),
        ..DownwardAPIVolumeFile::default()
    };
    let mut volumes = vec![Volume {
        name: CONFIG_VOLUME.to_owned(),
        downward_api: Some(DownwardAPIVolumeSource {
            items: Some(vec![file(CONFIG, "trainer.json")]),
            default_mode: None,
        }),
        ..Volume::default()
    }];
    let mount =
        |name: &str, path: &str| VolumeMount { name: name.into(), mount_path: path.into(), ..VolumeMount::default() };
    let mut mounts = vec![VolumeMount { read_only: Some(true), ..mount(CONFIG_VOLUME, FOLDER) }];
    let (run, sub_path) = run_volume(job);
    volumes.push(run);
    mounts.push(VolumeMount { sub_path, ..mount("real-run", RUN) });
    for (i, claim) in claims(job).into_iter().enumerate() {
        let volume = format!("real-source-{i}");
        mounts.push(VolumeMount { read_only: Some(true), ..mount(&volume, &format!("{MOUNTS}/{claim}")) });
        volumes.push(Volume {
            name: volume,
            persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
                claim_name: claim,
                read_only: Some(true),
            }),
            ..Volume::default()
        });
    }
    let data = job.spec.datasets.train.iter().chain(&job.spec.datasets.eval);
    let data = data.map(|set| (set.storage_uri.as_str(), set.secret_ref.as_ref()));
    let model = (job.spec.model.storage_uri.as_str(), job.spec.model.secret_ref.as_ref());
    let bucket = bucket(job).map(|store| (store.uri.trim_end_matches('/'), store.secret_ref.as_ref()));
    let fetching = source::fetching(std::iter::once(model).chain(data).chain(bucket));
    mounts.extend(fetching.mounts);
    volumes.extend(fetching.volumes);
    let port =
        |name: &str, port| ContainerPort { name: Some(name.into()), container_port: port, ..ContainerPort::default() };
    let rules = if restarts { in_place::rules(job, attempt) } else { None };
    let container = Container {
        name: CONTAINER.to_owned(),
        image: Some(trainer.image.clone().unwrap_or_else(|| settings.images.trainer.clone())),
        image_pull_policy: Some(settings.images.pull_policy.clone()),
        command: Some(vec!["real-trainer".to_owned()]),
        args: Some(arguments(job, attempt)),
        // What the user sets counts: of two of a name Kubernetes takes the last.
        env: Some([fetching.env, environment(job, attempt)].concat()),
        ports: Some(vec![port("http", HTTP_PORT), port("rendezvous", RENDEZVOUS_PORT)]),
        resources: pod::resources(trainer.resources_per_node.as_ref()),
        // Where no rule holds, as for the whole pod. The API server wants it said beside rules.
        restart_policy: rules.is_some().then(|| "Never".to_owned()),
        restart_policy_rules: rules,
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        volume_mounts: Some(mounts),
        ..Container::default()
    };
    let parts = PodParts {
        labels,
        annotations: configuration(job),
        containers: vec![container],
        volumes,
        grace_seconds: trainer.termination_grace_period_seconds as i64,
        restart_policy: Some("Never".to_owned()),
        subdomain: is_gang(job).then(|| names.service()),
        ..PodParts::default()
    };
    pod::template(parts, trainer.pod_patch.as_ref())
}

/// What the pods are told, by annotation.
fn configuration(job: &RealTrainingJob) -> BTreeMap<String, String> {
    let mut config = render(job, &endpoints(&job.namespace().unwrap_or_default(), job.spec.reward_pool_ref.as_ref()));
    config.model.uri = in_the_pod(&config.model.uri);
    for set in config.train.iter_mut().chain(&mut config.evaluation.suites) {
        set.uri = in_the_pod(&set.uri);
    }
    // Without spaces: every write of every pod carries it.
    BTreeMap::from([(CONFIG.to_owned(), serde_json::to_string(&config).expect("plain data"))])
}

/// The run directory: a claim, or a folder that lives and dies with the pod.
fn run_volume(job: &RealTrainingJob) -> (Volume, Option<String>) {
    let claim = job.spec.checkpoint.storage.as_ref().and_then(|storage| storage.persistent_volume_claim.as_ref());
    let volume = Volume { name: "real-run".to_owned(), ..Volume::default() };
    match claim {
        Some(claim) => (
            Volume {
                persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
                    claim_name: claim.claim_name.clone(),
                    read_only: None,
                }),
                ..volume
            },
            Some(claim.sub_path.clone().unwrap_or_else(|| job.name_any())),
        ),
        None => (Volume { empty_dir: Some(EmptyDirVolumeSource::default()), ..volume }, None),
    }
}

/// The bucket that checkpoints go to.
fn bucket(job: &RealTrainingJob) -> Option<&ObjectStore> {
    job.spec.checkpoint.storage.as_ref()?.object_store.as_ref()
}

/// Where a job's checkpoints are kept: on a claim, `pvc://CLAIM/PATH`, or in a bucket.
pub(crate) fn place(job: &RealTrainingJob) -> Option<String> {
    if let Some(store) = bucket(job) {
        return Some(store.uri.trim_end_matches('/').to_owned());
    }
    let claim = job.spec.checkpoint.storage.as_ref()?.persistent_volume_claim.as_ref()?;
    let path = claim.sub_path.clone().unwrap_or_else(|| job.name_any());
    Some(format!("pvc://{}/{path}", claim.claim_name))
}

/// Claims that the job reads from.
fn claims(job: &RealTrainingJob) -> BTreeSet<String> {
    let spec = &job.spec;
    let data = spec.datasets.train.iter().chain(&spec.datasets.eval).map(|set| set.storage_uri.as_str());
    source::claims(std::iter::once(spec.model.storage_uri.as_str()).chain(data))
}

/// Whether the trainer of an attempt is told what holds for one start only: to begin afresh, or from a certain step.
pub(super) fn starts_once(job: &RealTrainingJob, attempt: u32) -> bool {
    attempt == 1 && job.spec.checkpoint.resume_from != "latest"
}

fn arguments(job: &RealTrainingJob, attempt: u32) -> Vec<String> {
    let config = format!("{FOLDER}/trainer.json");
    let listen = format!("0.0.0.0:{HTTP_PORT}");
    let mut arguments =
        ["train", "--config", &config, "--run-dir", RUN, "--listen", &listen].map(str::to_owned).to_vec();
    match job.spec.checkpoint.resume_from.as_str() {
        // Later attempts go on from what earlier ones wrote, whatever the first one began with.
        "none" if attempt == 1 => {}
        step if attempt == 1 && step.starts_with("step-") => {
            arguments.extend(["--resume-from".to_owned(), step.to_owned()]);
        }
        _ => arguments.push("--resume".to_owned()),
    }
    arguments
}

fn environment(job: &RealTrainingJob, attempt: u32) -> Vec<EnvVar> {
    let trainer = &job.spec.trainer;
    let name = job.name_any();
    let names = Names(&name);
    let namespace = job.namespace().unwrap_or_default();
    let first = if is_gang(job) {
        format!("{}-0.{}.{namespace}.svc", names.attempt(attempt), names.service())
    } else {
        "127.0.0.1".to_owned()
    };
    let value = |name: &str, value: String| EnvVar { name: name.to_owned(), value: Some(value), value_from: None };
    let mut variables = vec![
        value("MASTER_ADDR", first),
        value("MASTER_PORT", RENDEZVOUS_PORT.to_string()),
        value("WORLD_SIZE", (trainer.nodes * trainer.processes_per_node).to_string()),
        value("LOCAL_WORLD_SIZE", trainer.processes_per_node.to_string()),
        EnvVar {
            name: "NODE_RANK".to_owned(),
            value: None,
            value_from: Some(EnvVarSource {
                field_ref: Some(ObjectFieldSelector {
                    api_version: None,
                    field_path: "metadata.labels['batch.kubernetes.io/job-completion-index']".to_owned(),
                }),
                ..EnvVarSource::default()
            }),
        },
        value("REAL_ATTEMPT", attempt.to_string()),
        value("REAL_TERMINATION_LOG", "/dev/termination-log".to_owned()),
    ];
    variables.extend(trainer.env.iter().map(pod::variable));
    variables
}

/// `uri` of a checkpoint of this job, by what it is kept on.
pub(super) fn checkpoint_uri(job: &RealTrainingJob, step: u64) -> String {
    if let Some(store) = bucket(job) {
        return format!("{}/checkpoints/step-{step}", store.uri.trim_end_matches('/'));
    }
    let (volume, sub_path) = run_volume(job);
    match (volume.persistent_volume_claim, sub_path) {
        (Some(claim), Some(path)) => format!("pvc://{}/{path}/checkpoints/step-{step}", claim.claim_name),
        _ => format!("file://{RUN}/checkpoints/step-{step}"),
    }
}
