//! The objects themselves.

use k8s_openapi::api::core::v1::{PodSpec, PodTemplateSpec};
use real_crds::v1alpha1::{PodPatch, ScalingMode};

use super::world::{POOL_UID, World};
use crate::labels;
use crate::pool::Child;

fn templates(world: &World) -> Vec<PodTemplateSpec> {
    let deployments = world.look().apply.into_iter().filter_map(|child| match child {
        Child::Deployment(deployment) => deployment.spec.map(|spec| spec.template),
        _ => None,
    });
    let templates: Vec<_> = deployments.collect();
    assert_eq!(templates.len(), 2);
    templates
}

#[test]
fn the_example_becomes_these_objects() {
    let objects: Vec<_> = World::new().used_by(1).look().apply.iter().map(Child::json).collect();
    insta::assert_yaml_snapshot!(objects);
}

#[test]
fn the_autoscalers_of_others_are_these() {
    let of = |world: World| {
        let apply = world.look().apply;
        let found = apply.into_iter().filter(|child| {
            matches!(child, Child::HorizontalPodAutoscaler(_) | Child::ScaledObject(_))
                && child.name().ends_with("sandbox")
        });
        found.map(|child| child.json()).next()
    };
    let keda = || World::new().mode(ScalingMode::Keda).but(|world| world.observed.keda_available = true);
    let objects = [
        of(World::new().used_by(1).mode(ScalingMode::HorizontalPodAutoscaler)),
        of(keda()),
        of(keda().but(|world| world.settings.prometheus = Some("http://prometheus:9090".into()))),
    ];
    insta::assert_yaml_snapshot!(objects);
}

#[test]
fn every_object_is_owned_labelled_and_has_a_name_that_is_allowed() {
    let long = "a".repeat(48);
    let world = World::new()
        .with(|pool| pool.metadata.name = Some(long.clone()))
        .mode(ScalingMode::Keda)
        .but(|world| world.observed.keda_available = true);
    for child in world.look().apply {
        let metadata = &child.json()["metadata"];
        assert!(child.name().len() <= 63, "{}", child.name());
        assert_eq!(child.namespace(), "team");
        assert_eq!(metadata["labels"][labels::MANAGED_BY], labels::OPERATOR);
        assert_eq!(metadata["labels"][labels::POOL], long.as_str());
        let owner = &metadata["ownerReferences"][0];
        assert_eq!(owner["uid"], POOL_UID);
        assert_eq!(owner["controller"], true);
        assert_eq!(child.json()["kind"], child.kind().name());
        assert_eq!(child.json()["apiVersion"].as_str(), Some(&*child.kind().api_resource().api_version));
    }
}

#[test]
fn every_pod_is_within_pod_security_restricted() {
    let patched = || PodPatch { runtime_class_name: Some("gvisor".into()), ..PodPatch::default() };
    let worlds = [
        World::new(),
        World::new().with(|pool| pool.spec.sandbox.isolation.required = false),
        World::new().with(|pool| pool.spec.detector.pod_patch = Some(patched())),
    ];
    for template in worlds.iter().flat_map(templates) {
        let pod = template.spec.expect("a pod");
        restricted(&pod);
        assert_eq!(pod.automount_service_account_token, Some(false));
        assert_eq!(pod.enable_service_links, Some(false));
    }
}

/// What Pod Security `restricted` asks for, as far as a pod of ours could break it.
fn restricted(pod: &PodSpec) {
    assert!([pod.host_network, pod.host_pid, pod.host_ipc].iter().all(|flag| flag.is_none_or(|on| !on)));
    let context = pod.security_context.as_ref().expect("a security context");
    assert_eq!(context.run_as_non_root, Some(true));
    assert_ne!(context.run_as_user, Some(0));
    assert_eq!(context.seccomp_profile.as_ref().expect("a profile").type_, "RuntimeDefault");
    for volume in pod.volumes.iter().flatten() {
        assert!(volume.host_path.is_none(), "{}", volume.name);
    }
    for container in pod.containers.iter().chain(pod.init_containers.iter().flatten()) {
        let context = container.security_context.as_ref().expect("a security context");
        assert_eq!(context.allow_privilege_escalation, Some(false));
        assert!(context.privileged.is_none_or(|on| !on));
        let capabilities = context.capabilities.as_ref().expect("capabilities");
        assert_eq!(capabilities.drop.as_deref(), Some(&["ALL".to_owned()][..]));
        assert!(capabilities.add.is_none());
        assert_eq!(context.read_only_root_filesystem, Some(true));
        assert!(container.ports.iter().flatten().all(|port| port.host_port.is_none()));
    }
}

#[test]
fn nothing_leaves_a_fleet_and_a_runtime_class_is_the_sandboxes_alone() {
    let world = World::new()
        .with(|pool| pool.spec.sandbox.runtime_class_name = Some("gvisor".into()))
        .but(|world| world.observed.runtime_class_exists = Some(true));
    let classes: Vec<_> =
        templates(&world).into_iter().map(|pod| pod.spec.expect("a pod").runtime_class_name).collect();
    assert_eq!(classes, [None, Some("gvisor".to_owned())]);
    let policies = world.look().apply.into_iter().filter_map(|child| match child {
        Child::NetworkPolicy(policy) => policy.spec,
        _ => None,
    });
    let mut count = 0;
    for policy in policies {
        count += 1;
        assert_eq!(policy.egress.as_deref(), Some(&[][..]), "no rule, and none of others");
        assert_eq!(policy.policy_types, Some(vec!["Ingress".to_owned(), "Egress".to_owned()]));
        let rules = policy.ingress.expect("rules");
        // An empty list of peers or ports would let everybody in.
        assert!(rules.iter().all(|rule| rule.from.as_ref().is_some_and(|from| from.len() == 3)));
        assert!(rules.iter().all(|rule| rule.ports.as_ref().is_some_and(|ports| ports.len() == 1)));
    }
    assert_eq!(count, 2);
}

#[test]
fn a_pod_that_ends_is_no_longer_found_serves_on_and_then_finishes() {
    let world = World::new().with(|pool| {
        pool.spec.queue.max_age_seconds = 60;
        pool.spec.sandbox.limits.wall_seconds = 20;
    });
    let services = world.look().apply.into_iter().filter_map(|child| match child {
        Child::Service(service) => service.spec,
        _ => None,
    });
    let headless: Vec<_> = services.filter(|service| service.cluster_ip.as_deref() == Some("None")).collect();
    assert_eq!(headless.len(), 2);
    for service in headless {
        // Without it only pods that are ready have an address, and one that is to end is not.
        assert_eq!(service.publish_not_ready_addresses, None);
        // The address is the pod's own, so the port has to be the pod's too.
        assert_eq!(service.ports.expect("ports")[0].port, labels::HTTP_PORT);
    }
    let grace: Vec<_> = templates(&world).into_iter().map(|pod| pod.spec.expect("a pod")).collect();
    for pod in &grace {
        let stop = pod.containers[0].lifecycle.as_ref().and_then(|hooks| hooks.pre_stop.as_ref()).expect("a hook");
        assert_eq!(stop.sleep.as_ref().map(|sleep| sleep.seconds), Some(5));
    }
    let grace: Vec<_> = grace.iter().map(|pod| pod.termination_grace_period_seconds).collect();
    assert_eq!(grace, [Some(60 + 30 + 10), Some(60 + 20 + 10)]);
}

#[test]
fn the_most_waiting_requests_are_shared_among_the_most_replicas() {
    let flag = |world: &World, fleet: usize, name: &str| {
        let pod = templates(world).remove(fleet).spec.expect("a pod");
        let arguments = pod.containers[0].args.clone().expect("arguments");
        let at = arguments.iter().position(|argument| argument == name).expect("the flag");
        arguments[at + 1].clone()
    };
    let world = World::new().with(|pool| pool.spec.queue.max_depth = 1000);
    assert_eq!([0, 1].map(|fleet| flag(&world, fleet, "--queue")), ["125", "32"]);
    let world = World::new().with(|pool| pool.spec.queue.max_depth = 1);
    assert_eq!([0, 1].map(|fleet| flag(&world, fleet, "--queue")), ["64", "1"]);
    // The size of a fleet must not change its pods.
    let busy = World::new().with(|pool| pool.spec.detector.scaling.min_replicas = 8);
    assert_eq!(templates(&busy), templates(&World::new()));
}
