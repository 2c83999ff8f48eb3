//! The pods of a fleet.

use k8s_openapi::api::{
    apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment},
    core::v1::{
        Container, ContainerPort, EmptyDirVolumeSource, EnvVar, HTTPGetAction, Lifecycle, LifecycleHandler, Probe,
        SleepAction, TopologySpreadConstraint, Volume, VolumeMount,
    },
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Amount;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt;
use real_crds::v1alpha1::{Quantity, RewardPool};

use super::{BY_AUTOSCALER, BY_OPERATOR, Fleet, REPLICAS_BY, Settings, labels_of, metadata, selector};
use crate::child::fingerprint;
use crate::pod::{self, PodParts};
use crate::{in_sync, labels};

/// Annotation that shows where something was taken out of the pods, such as a toleration.
const TEMPLATE_HASH: &str = "real-rl.dev/template-hash";
/// Seconds for the analysis of one program.
const DETECTOR_SECONDS: u64 = 10;
/// What the detector allows for the type check of one program.
const TYPE_CHECK_SECONDS: u64 = 30;
/// Between a pod's removal from its Services and SIGTERM, for which it works as before: that long it takes until
/// everybody knows that it leaves. Who still comes later is refused a connection and goes elsewhere.
const DRAIN_SECONDS: u64 = 5;
/// No node waits longer for a queue that is allowed to be slow; what is lost then is asked again elsewhere.
const LONGEST_QUEUE_SECONDS: u64 = 300;
/// Added to what a pod has to do when it is asked to stop.
const GRACE_SECONDS: u64 = 5;
/// Programs that a detector's client may send in one request have to fit into the queue of one replica.
const LEAST_DETECTOR_QUEUE: u64 = 64;
/// Volume and directory of the boxes that tests write to, in memory.
const BOXES: (&str, &str) = ("real-boxes", "/boxes");
/// Memory for the boxes of one worker: it has four lanes, and a test writes at most 64 MiB by default.
const BOXES_MIB_PER_WORKER: u64 = 4 * 64;
/// Memory of the service and its interpreters, for each worker.
const OWN_MIB_PER_WORKER: u64 = 64;
/// Least memory that a sandbox takes as a limit.
const LEAST_MEMORY_MIB: u64 = 16;

pub(super) fn deployment(pool: &RewardPool, fleet: Fleet, replicas: Option<u32>, settings: &Settings) -> Deployment {
    let spec = &pool.spec;
    let mut template = pod::template(
        PodParts {
            labels: labels_of(pool, Some(fleet)),
            service_account: Some(super::service_account_name(pool)),
            containers: vec![container(pool, fleet, settings)],
            volumes: boxes_mib(pool, fleet).map(boxes).into_iter().collect(),
            grace_seconds: grace_seconds(pool, fleet),
            ..PodParts::default()
        },
        fleet.patch(spec),
    );
    if let Some(pod) = &mut template.spec {
        if fleet == Fleet::Sandbox {
            pod.runtime_class_name = crate::pool::runtime_class(pool).map(str::to_owned);
        }
        // A lost node should take as little as possible of a fleet, but a small cluster still has to hold it.
        pod.topology_spread_constraints.get_or_insert_with(|| {
            vec![TopologySpreadConstraint {
                label_selector: Some(selector(pool, fleet)),
                max_skew: 1,
                topology_key: "kubernetes.io/hostname".into(),
                when_unsatisfiable: "ScheduleAnyway".into(),
                ..TopologySpreadConstraint::default()
            }]
        });
    }
    let mut metadata = metadata(pool, fleet.name_in(&pool.name_any()), Some(fleet));
    let by = if replicas.is_some() { BY_OPERATOR } else { BY_AUTOSCALER };
    metadata.annotations =
        Some([(REPLICAS_BY.to_owned(), by.to_owned()), (TEMPLATE_HASH.to_owned(), fingerprint(&template))].into());
    Deployment {
        metadata,
        spec: Some(DeploymentSpec {
            replicas: replicas.map(|replicas| i32::try_from(replicas).unwrap_or(i32::MAX)),
            revision_history_limit: Some(2),
            selector: selector(pool, fleet),
            strategy: Some(DeploymentStrategy {
                type_: Some("RollingUpdate".into()),
                rolling_update: Some(RollingUpdateDeployment {
                    max_surge: Some(IntOrString::String("25%".into())),
                    // A fleet of one stays reachable.
                    max_unavailable: Some(IntOrString::Int(0)),
                }),
            }),
            template,
            ..DeploymentSpec::default()
        }),
        ..Deployment::default()
    }
}

fn container(pool: &RewardPool, fleet: Fleet, settings: &Settings) -> Container {
    let own = match fleet {
        Fleet::Detector => &settings.images.detector,
        Fleet::Sandbox => &settings.images.sandbox,
    };
    let healthy = |period: i32, failures: i32| Probe {
        http_get: Some(HTTPGetAction {
            path: Some("/healthz".into()),
            port: IntOrString::String("http".into()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period),
        failure_threshold: Some(failures),
        timeout_seconds: Some(5),
        ..Probe::default()
    };
    Container {
        name: fleet.component().into(),
        image: Some(fleet.image(&pool.spec).unwrap_or(own).to_owned()),
        image_pull_policy: Some(settings.images.pull_policy.clone()),
        command: Some(vec![format!("real-{}", fleet.component())]),
        args: Some(arguments(pool, fleet)),
        env: Some(vec![EnvVar { name: "TMPDIR".into(), value: Some("/tmp".into()), ..EnvVar::default() }]),
        ports: Some(vec![ContainerPort {
            name: Some("http".into()),
            container_port: labels::HTTP_PORT,
            protocol: Some("TCP".into()),
            ..ContainerPort::default()
        }]),
        resources: pod::resources(fleet.resources(&pool.spec)),
        volume_mounts: boxes_mib(pool, fleet)
            .map(|_| vec![VolumeMount { name: BOXES.0.into(), mount_path: BOXES.1.into(), ..VolumeMount::default() }]),
        // Finding out the isolation and warming up interpreters takes a while on a busy node.
        startup_probe: Some(healthy(2, 90)),
        readiness_probe: Some(healthy(5, 2)),
        // Slow to fail: a restart would throw away all work in the queue.
        liveness_probe: Some(healthy(20, 6)),
        lifecycle: Some(Lifecycle {
            pre_stop: Some(LifecycleHandler {
                sleep: Some(SleepAction { seconds: DRAIN_SECONDS.cast_signed() }),
                ..LifecycleHandler::default()
            }),
            ..Lifecycle::default()
        }),
        ..Container::default()
    }
}

fn arguments(pool: &RewardPool, fleet: Fleet) -> Vec<String> {
    let spec = &pool.spec;
    let mut arguments = vec!["serve".to_owned()];
    let mut flag = |name: &str, value: String| arguments.extend([format!("--{name}"), value]);
    flag("listen", format!("0.0.0.0:{}", labels::HTTP_PORT));
    flag("workers", fleet.concurrency(spec).to_string());
    flag("queue", queue(pool, fleet).to_string());
    flag("queue-seconds", spec.queue.max_age_seconds.to_string());
    match fleet {
        Fleet::Detector => flag("seconds", DETECTOR_SECONDS.to_string()),
        Fleet::Sandbox => {
            let limits = &spec.sandbox.limits;
            flag("wall-seconds", limits.wall_seconds.to_string());
            flag("memory-mib", mebibytes(&limits.memory).to_string());
            flag("processes", limits.pids.to_string());
            flag("output-bytes", limits.output_bytes.to_string());
            if boxes_mib(pool, fleet).is_some() {
                flag("scratch", BOXES.1.to_owned());
            }
            if !spec.sandbox.isolation.required {
                arguments.push("--allow-unisolated".to_owned());
            }
        }
    }
    arguments
}

/// Size of the memory that tests write their files to, where there is room for it.
///
/// In tier B a test's files lie there, which saves it a third of its CPU time against a disk. In tier A each test has a tmpfs of its own,
/// and this one stays empty. Either counts against the pod's memory limit, so the limit has to hold the tests' own memory and the
/// boxes together; where it does not, or there is none, boxes lie on the node's disk.
fn boxes_mib(pool: &RewardPool, fleet: Fleet) -> Option<u64> {
    let limit = fleet.resources(&pool.spec).and_then(|given| given.limits.get("memory"))?;
    let workers = fleet.concurrency(&pool.spec);
    let boxes = workers.saturating_mul(BOXES_MIB_PER_WORKER);
    let tests = mebibytes(&pool.spec.sandbox.limits.memory).saturating_add(OWN_MIB_PER_WORKER).saturating_mul(workers);
    (fleet == Fleet::Sandbox && mebibytes(limit) >= tests.saturating_add(boxes)).then_some(boxes)
}

fn boxes(mebibytes: u64) -> Volume {
    let memory =
        EmptyDirVolumeSource { medium: Some("Memory".into()), size_limit: Some(Amount(format!("{mebibytes}Mi"))) };
    Volume { name: BOXES.0.into(), empty_dir: Some(memory), ..Volume::default() }
}

/// A replica's part of the fleet's queue, were the fleet as large as it may get: the fleet's depth is a bound, and
/// must not change with its size, which would roll out all pods.
fn queue(pool: &RewardPool, fleet: Fleet) -> u64 {
    let replicas = u64::from(fleet.bounds(&pool.spec).max_replicas.max(1));
    let least = if fleet == Fleet::Detector { LEAST_DETECTOR_QUEUE } else { 1 };
    pool.spec.queue.max_depth.div_ceil(replicas).max(least)
}

/// Seconds from the wish that a pod ends to its end, the wait before SIGTERM included: what was taken on waits for as
/// long as the queue allows, and then takes its time. A pod that is done earlier ends earlier.
fn grace_seconds(pool: &RewardPool, fleet: Fleet) -> i64 {
    let longest = match fleet {
        Fleet::Detector => DETECTOR_SECONDS.max(TYPE_CHECK_SECONDS),
        Fleet::Sandbox => pool.spec.sandbox.limits.wall_seconds,
    };
    let taken_on = longest.saturating_add(pool.spec.queue.max_age_seconds.min(LONGEST_QUEUE_SECONDS));
    i64::try_from(taken_on.saturating_add(DRAIN_SECONDS + GRACE_SECONDS)).unwrap_or(i64::MAX)
}

/// Whole mebibytes, rounded down: a limit is not to be exceeded.
fn mebibytes(memory: &Quantity) -> u64 {
    let bytes = in_sync::amount(&memory.0).unwrap_or(0.0);
    ((bytes / f64::from(1 << 20)) as u64).max(LEAST_MEMORY_MIB)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_lie_in_memory_where_the_pods_limit_has_room_for_them() {
        let pool = |limit: Option<&str>, memory: &str, workers: u32| -> RewardPool {
            let resources = limit.map(|limit| serde_json::json!({"limits": {"memory": limit}}));
            let sandbox = serde_json::json!({
                "concurrencyPerReplica": workers, "resources": resources, "limits": {"memory": memory},
            });
            serde_json::from_value(serde_json::json!({
                "apiVersion": "real-rl.dev/v1alpha1", "kind": "RewardPool", "metadata": {"name": "judges"},
                "spec": {"sandbox": sandbox},
            }))
            .unwrap()
        };
        for (limit, memory, workers, size) in [
            (Some("4Gi"), "512Mi", 4, Some(1024)),
            (Some("2Gi"), "512Mi", 2, Some(512)),
            (Some("3Gi"), "512Mi", 4, None),
            (None, "512Mi", 1, None),
        ] {
            assert_eq!(boxes_mib(&pool(limit, memory, workers), Fleet::Sandbox), size, "{limit:?} {workers}");
            assert_eq!(boxes_mib(&pool(limit, memory, workers), Fleet::Detector), None);
        }
    }

    #[test]
    fn memory_is_rounded_down_to_whole_mebibytes() {
        for (written, mebibytes) in [("1Gi", 1024), ("512Mi", 512), ("1G", 953), ("1000000k", 953), ("1", 16)] {
            assert_eq!(super::mebibytes(&Quantity(written.into())), mebibytes, "{written}");
        }
    }
}
