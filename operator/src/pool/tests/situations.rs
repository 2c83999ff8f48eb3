//! A table of situations and what is planned in each.
#![allow(clippy::large_stack_arrays, reason = "a table is read best in one piece")]

use jiff::SignedDuration;
use real_crds::v1alpha1::{Resources, ScalingMode};
use serde_json::{Map, Value, json};

use super::world::{World, summary};
use crate::hindrance::PodEvent;
use crate::pool::tally::Counts;
use crate::pool::{Consumers, Fleet, FleetLoad, Kind};

const DETECTOR: &str = "quickstart-detector";
const SANDBOX: &str = "quickstart-sandbox";

/// What is planned in each situation, by its sentence.
fn planned(situations: impl IntoIterator<Item = (&'static str, World)>) -> Value {
    let mut all = Map::new();
    for (sentence, world) in situations {
        let plan = world.look();
        assert_eq!(plan, world.look(), "{sentence}: the same observation, the same plan");
        let before = all.insert(sentence.to_owned(), summary(&plan, world.pool.status.as_ref()));
        assert!(before.is_none(), "{sentence}: twice");
    }
    Value::Object(all)
}

fn gvisor(world: World, exists: Option<bool>) -> World {
    world
        .with(|pool| pool.spec.sandbox.runtime_class_name = Some("gvisor".into()))
        .but(|world| world.observed.runtime_class_exists = exists)
}

fn deployment_condition(type_: &str, status: &str, reason: &str, message: &str) -> Value {
    json!([{"type": type_, "status": status, "reason": reason, "message": message}])
}

#[test]
fn a_pools_life() {
    let waiting = Consumers { active: 1, starting: 1 };
    let all = planned([
        ("a new pool gets its objects, and as many pods as its minimum says", World::new()),
        (
            "a new pool that a job waits for is warm from the start",
            World::new().but(|w| w.observed.consumers = waiting),
        ),
        ("while its first pods start the job waits", World::new().but(|w| w.observed.consumers = waiting).acted()),
        (
            "a fleet that lacks one warm pod is not ready yet",
            World::running(0).but(|w| w.observed.consumers = waiting).acted().but(|w| w.server.run_pods()).edited(
                Kind::Deployment,
                SANDBOX,
                |object| object["status"]["readyReplicas"] = json!(1),
            ),
        ),
        ("with the warm pods ready the pool is", World::new().used_by(1).acted().but(|w| w.server.run_pods())),
        ("where all is as it should be nothing is written", World::running(2)),
        ("a pool that nobody uses is ready without a sandbox", World::new().acted().but(|w| w.server.run_pods())),
        ("a job that comes to an idle pool gets warm sandboxes at once", World::running(0).used_by(1)),
        ("when the last job is gone the sandboxes stay for a while", World::running(1).used_by(0)),
        (
            "after ten idle minutes one sandbox is left and then none",
            World::running(1).used_by(0).after(600).but(|w| w.now += SignedDuration::from_secs(15)),
        ),
        (
            "a changed image is rolled out",
            World::running(1).with(|pool| pool.spec.detector.image = Some("mine:2".into())),
        ),
        (
            "while pods of the old image are left the roll-out goes on and the pool stays ready",
            World::running(1).with(|pool| pool.spec.detector.image = Some("mine:2".into())).acted().edited(
                Kind::Deployment,
                DETECTOR,
                |object| {
                    object["status"] = json!({
                        "observedGeneration": object["metadata"]["generation"],
                        "replicas": 2, "updatedReplicas": 1, "readyReplicas": 1,
                    });
                },
            ),
        ),
        (
            "a pool that is being deleted is left to the garbage collector",
            World::running(1).but(|w| {
                w.pool.metadata.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(w.now));
            }),
        ),
    ]);
    insta::assert_yaml_snapshot!(all);
}

#[test]
fn scaling_by_the_operator() {
    let busy = || World::running(1).demanding(40, 200).after(60);
    let all = planned([
        ("more requests make the fleets grow", World::running(1).demanding(40, 200)),
        ("a fleet that waits for new pods is no roll-out", World::running(1).demanding(40, 200).acted()),
        ("after a minute the fleets are as large as the requests need", busy()),
        ("fewer requests change nothing at first", busy().demanding(8, 16)),
        (
            "after five minutes of fewer requests the fleets shrink",
            busy().demanding(8, 16).after(300).but(|w| w.now += SignedDuration::from_secs(15)),
        ),
        ("no more than the maximum is made", World::running(1).demanding(1000, 100_000).after(120)),
        ("where no pod answers nothing is taken away", busy().but(|w| w.demand = None).after(900)),
        (
            "where some pods do not answer more may come and none may go",
            busy().but(|w| {
                let part = FleetLoad { queued: 300, replies: 3, asked: 25, ..FleetLoad::default() };
                w.observed.demand.sandbox = Some(FleetLoad { tiers: ["B".to_owned()].into(), ..part });
                w.observed.demand.detector = Some(FleetLoad { replies: 1, asked: 5, ..FleetLoad::default() });
            }),
        ),
        (
            "a restarted operator leaves the size alone",
            busy().demanding(0, 0).after(300).but(|w| {
                w.observed.memory = crate::pool::ScalingMemory::default();
            }),
        ),
        ("a lower maximum counts at once", busy().with(|pool| pool.spec.sandbox.scaling.max_replicas = 10)),
        (
            "requests that were told to come back later are counted beyond the life of a pod",
            World::running(1).but(|w| {
                for (pod, refused) in [("a", 5), ("a", 12), ("b", 3), ("b", 4)] {
                    w.now += SignedDuration::from_secs(15);
                    let counts = Counts { answered: 30 * refused, refused };
                    w.observed.demand.at = Some(w.now);
                    w.observed.demand.counts = [(pod.to_owned(), counts)].into();
                    w.act();
                }
            }),
        ),
        (
            "manual fleets have the size that they are given",
            World::running(0).mode(ScalingMode::Manual).with(|pool| {
                pool.spec.detector.replicas = Some(2);
                pool.spec.sandbox.replicas = Some(7);
            }),
        ),
        (
            "a manual fleet of none cannot serve a job",
            World::running(1)
                .mode(ScalingMode::Manual)
                .with(|pool| pool.spec.sandbox.replicas = Some(0))
                .acted()
                .but(|w| w.server.run_pods()),
        ),
    ]);
    insta::assert_yaml_snapshot!(all);
}

#[test]
fn scaling_by_others() {
    let hpa = || World::running(1).demanding(40, 200).after(60).mode(ScalingMode::HorizontalPodAutoscaler);
    let keda = |available| World::running(1).mode(ScalingMode::Keda).but(|w| w.observed.keda_available = available);
    let report = |status: &str, reason: &str, message: &str| {
        let conditions = json!([{"type": "ScalingActive", "status": status, "reason": reason, "message": message}]);
        hpa()
            .settled()
            .edited(Kind::HorizontalPodAutoscaler, DETECTOR, |object| {
                object["status"] = json!({"desiredReplicas": 5, "currentReplicas": 5, "conditions": [
                {"type": "ScalingActive", "status": "True", "reason": "ValidMetricFound", "message": ""}]});
            })
            .edited(Kind::HorizontalPodAutoscaler, SANDBOX, |object| {
                object["status"] = json!({"desiredReplicas": 25, "currentReplicas": 25, "conditions": conditions});
            })
    };
    let all = planned([
        ("an autoscaler takes the fleets over as large as they are", hpa()),
        ("an autoscaler that has not looked yet is pending", hpa().acted()),
        ("an autoscaler that finds its metric is active", report("True", "ValidMetricFound", "")),
        (
            "an autoscaler without its metric says so",
            report("False", "FailedGetExternalMetric", "unable to get external metric team/real_rewardpool_demand"),
        ),
        (
            "what the autoscaler sets is left alone",
            hpa().settled().edited(Kind::Deployment, SANDBOX, |object| {
                object["spec"]["replicas"] = json!(30);
            }),
        ),
        ("without jobs the autoscaler's minimum is the pool's, but one", hpa().settled().used_by(0)),
        (
            "with the operator in charge again the autoscalers go and the size stays",
            hpa().settled().mode(ScalingMode::Operator),
        ),
        ("KEDA gets scaled objects with zero as the minimum of an idle pool", keda(true).used_by(0)),
        (
            "KEDA asks Prometheus where there is one",
            keda(true).but(|w| w.settings.prometheus = Some("http://prometheus.monitoring.svc:9090".into())),
        ),
        (
            "KEDA says that it works",
            keda(true).settled().edited(Kind::ScaledObject, DETECTOR, scaled_object_is_ready).edited(
                Kind::ScaledObject,
                SANDBOX,
                scaled_object_is_ready,
            ),
        ),
        ("without KEDA in the cluster nothing is made and that is said", keda(false)),
        ("KEDA was installed later", keda(false).settled().but(|w| w.observed.keda_available = true)),
        ("from KEDA to an autoscaler of Kubernetes", keda(true).settled().mode(ScalingMode::HorizontalPodAutoscaler)),
    ]);
    insta::assert_yaml_snapshot!(all);
}

fn scaled_object_is_ready(object: &mut Value) {
    object["status"] = json!({"conditions": [
        {"type": "Active", "status": "True", "reason": "ScalerActive"},
        {"type": "Ready", "status": "True", "reason": "ScaledObjectReady", "message": "ScaledObject is defined correctly"}]});
}

#[test]
fn isolation() {
    let all = planned([
        (
            "sandboxes are not made without the runtime class they are to have",
            gvisor(World::new().used_by(1), Some(false)),
        ),
        (
            "they are made once it exists",
            gvisor(World::new().used_by(1), Some(false)).settled().but(|w| {
                w.observed.runtime_class_exists = Some(true);
            }),
        ),
        ("where nobody can say whether it exists the API server decides", gvisor(World::new().used_by(1), None)),
        (
            "the class of the pod patch counts as well",
            World::new()
                .with(|pool| {
                    pool.spec.sandbox.pod_patch = Some(real_crds::v1alpha1::PodPatch {
                        runtime_class_name: Some("kata".into()),
                        ..Default::default()
                    });
                })
                .but(|w| w.observed.runtime_class_exists = Some(false)),
        ),
        ("sandboxes without the class that is asked for now are ended", gvisor(World::running(1), Some(false))),
        (
            "sandboxes under a class that vanished go on and that is said",
            gvisor(World::new().used_by(1), Some(true))
                .settled()
                .but(|w| w.observed.runtime_class_exists = Some(false)),
        ),
        (
            "a new sandbox has not said yet how it isolates",
            World::running(0).used_by(1).acted().but(|w| {
                w.server.run_pods();
                w.demand = None;
            }),
        ),
        (
            "a pool that nobody uses yet is not ready before its sandbox has said it",
            World::new().with(|pool| pool.spec.sandbox.scaling.min_replicas = 1).acted().but(|w| {
                w.server.run_pods();
                w.demand = None;
            }),
        ),
        ("what sandboxes said holds while they are silent", World::running(1).but(|w| w.demand = None)),
        ("a sandbox without isolation makes the pool unready", World::running(1).but(|w| w.tier = "Unisolated")),
        (
            "where isolation is not required it does not",
            World::running(1)
                .with(|pool| pool.spec.sandbox.isolation.required = false)
                .settled()
                .but(|w| w.tier = "Unisolated"),
        ),
        (
            "that isolation is not required is said to the sandboxes",
            World::running(1).with(|pool| pool.spec.sandbox.isolation.required = false),
        ),
    ]);
    insta::assert_yaml_snapshot!(all);
}

#[test]
fn trouble() {
    let foreign = |kind: Kind, name: &str| {
        let mut world = World::new();
        let spec = match kind {
            Kind::HorizontalPodAutoscaler => {
                json!({"maxReplicas": 3, "scaleTargetRef": {"kind": "Deployment", "name": "theirs"}})
            }
            _ => json!({}),
        };
        world
            .server
            .put(kind, json!({"metadata": {"name": name, "namespace": "team", "uid": "uid-of-another"}, "spec": spec}));
        world
    };
    let status = |world: World, fleet: &str, change: fn(&mut Value)| {
        world.edited(Kind::Deployment, fleet, |object| change(&mut object["status"]))
    };
    let all = planned([
        (
            "what somebody changed by hand is set right",
            World::running(1)
                .edited(Kind::Deployment, SANDBOX, |object| {
                    object["spec"]["template"]["spec"]["containers"][0]["args"] =
                        json!(["serve", "--allow-unisolated"]);
                })
                .edited(Kind::NetworkPolicy, SANDBOX, |object| object["spec"]["policyTypes"] = json!(["Ingress"])),
        ),
        (
            "a fleet that somebody deleted comes back as large as it was",
            World::running(1).demanding(40, 200).after(60).but(|w| w.server.remove(Kind::Deployment, SANDBOX)),
        ),
        (
            "a policy that somebody deleted comes back",
            World::running(1).but(|w| w.server.remove(Kind::NetworkPolicy, SANDBOX)),
        ),
        ("a Service of somebody else is named and not touched", foreign(Kind::Service, SANDBOX)),
        (
            "an autoscaler that somebody else made is none of the pool's business",
            foreign(Kind::HorizontalPodAutoscaler, SANDBOX),
        ),
        ("no pod starts behind a policy of somebody else", foreign(Kind::NetworkPolicy, SANDBOX)),
        (
            "a child of a former pool of the same name is not this pool's",
            World::running(1).edited(Kind::PodDisruptionBudget, DETECTOR, |object| {
                object["metadata"]["ownerReferences"][0]["uid"] = json!("of-the-pool-before");
            }),
        ),
        (
            "what is still being deleted is waited for",
            World::running(1).edited(Kind::Service, DETECTOR, |object| {
                object["metadata"]["deletionTimestamp"] = json!("2026-01-01T12:00:00Z");
            }),
        ),
        (
            "a write that the API server refuses is told in its words",
            World::new()
                .refused("Forbidden", "deployments.apps \"quickstart-detector\" is forbidden: exceeded quota: team"),
        ),
        (
            "after a refusal everything goes on",
            World::new().refused("Forbidden", "exceeded quota: team").acted().but(|w| {
                w.observed.refused = None;
                w.server.run_pods();
            }),
        ),
        (
            "pods that the quota forbids are told",
            status(World::new().used_by(1).acted(), SANDBOX, |status| {
                *status = json!({"observedGeneration": 1, "replicas": 0, "updatedReplicas": 0, "conditions":
                    deployment_condition("ReplicaFailure", "True", "FailedCreate", "pods is forbidden: exceeded quota: team")});
            }),
        ),
        (
            "pods that do not get ready in time are told",
            status(World::new().used_by(1).acted(), DETECTOR, |status| {
                *status = json!({"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "conditions":
                    deployment_condition("Progressing", "False", "ProgressDeadlineExceeded", "ReplicaSet has timed out progressing.")});
            }),
        ),
        (
            "with its detectors down a pool is no longer ready",
            status(World::running(2), DETECTOR, |status| status["readyReplicas"] = json!(0)),
        ),
        (
            "that more pods cannot be had is no trouble for a pool that has enough",
            status(World::running(1), SANDBOX, |status| {
                status["conditions"] =
                    deployment_condition("ReplicaFailure", "True", "FailedCreate", "exceeded quota: team");
            }),
        ),
        (
            "an account that the user names is used and ours is still there",
            World::running(1).with(|pool| {
                pool.spec.sandbox.resources = Some(Resources::default());
                pool.spec.sandbox.pod_patch = Some(real_crds::v1alpha1::PodPatch {
                    service_account_name: Some("theirs".into()),
                    ..Default::default()
                });
            }),
        ),
    ]);
    insta::assert_yaml_snapshot!(all);
}

/// What the pods of a fleet wait for, and what a pool without detectors says then.
#[test]
fn what_keeps_pods_from_running_is_told() {
    let late = |reason: &str| {
        let condition = deployment_condition("Progressing", "False", reason, "it has timed out.");
        json!({"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "conditions": condition})
    };
    let said = |status: Value, told: Option<PodEvent>, deployment: Value| {
        let mut world =
            World::new().used_by(1).acted().edited(Kind::Deployment, DETECTOR, |object| object["status"] = deployment);
        let labels = Fleet::Detector.selector("quickstart");
        let pod = json!({"metadata": {"name": "d", "labels": labels, "creationTimestamp": "2026-01-01T11:00:00Z"}, "status": status});
        world.observed.pods.push(std::sync::Arc::new(serde_json::from_value(pod).unwrap()));
        world.observed.told.extend(told);
        let status = world.look().status.unwrap();
        ["Ready", "Stalled"].map(|type_| {
            let condition = crate::conditions::find(&status.conditions, type_).unwrap();
            format!("{} {}: {}", condition.status, condition.reason, condition.message)
        })
    };
    let waiting = |reason: &str, message: &str| {
        json!({"phase": "Pending", "containerStatuses": [{"name": "detector", "image": "", "imageID": "", "ready": false,
            "restartCount": 0, "state": {"waiting": {"reason": reason, "message": message}}}]})
    };
    let on_its_node = json!({"phase": "Pending",
        "conditions": [{"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-01-01T11:00:00Z"}]});
    let event = PodEvent { pod: "d".into(), reason: "FailedMount".into(), note: "no such Secret".into() };
    let fine = "False NotStalled: nothing is in the way";
    let pulls = said(waiting("ImagePullBackOff", "no such image"), None, json!({}));
    assert_eq!(pulls, ["False ImagePullBackOff: detector: 0 ready, 1 needed: d: no such image", fine]);
    let pulls = said(waiting("ImagePullBackOff", "no such image"), None, late("ProgressDeadlineExceeded"));
    assert_eq!(pulls[1], "True ProgressDeadlineExceeded: it has timed out. d: no such image");
    let mounts = said(on_its_node.clone(), Some(event), json!({}));
    assert_eq!(mounts, ["False FailedMount: detector: 0 ready, 1 needed: d: no such Secret", fine]);
    let nothing = said(on_its_node, None, json!({}));
    assert_eq!(nothing, ["False Starting: detector: 0 ready, 1 needed", fine]);
    let unseen = said(json!({"phase": "Pending"}), None, json!({}));
    let words = "no scheduler has looked at pod d for 120 s: does default-scheduler run?";
    assert_eq!(unseen, [format!("False NoScheduler: detector: 0 ready, 1 needed: {words}"), fine.to_owned()]);
}
