//! The operator's pod is admitted where Pod Security Admission enforces `restricted`.

use k8s_openapi::api::core::v1::PodSpec;
use serde_json::{Value, json};

#[path = "support/helm.rs"]
mod helm;
#[path = "support/pod_security.rs"]
mod pod_security;

use pod_security::violations;

#[test]
fn the_charts_pods_are_restricted() {
    for way in helm::ways() {
        let documents = helm::template(&["--values", &helm::values(&way)]).unwrap();
        let pods: Vec<PodSpec> = documents
            .iter()
            .filter_map(|document| document.pointer("/spec/template/spec"))
            .map(|spec| serde_json::from_value(spec.clone()).unwrap())
            .collect();
        assert_eq!(pods.len(), 1, "{way}");
        for pod in pods {
            assert_eq!(violations(&pod), Vec::<String>::new(), "{way}");
            let context = pod.containers[0].security_context.as_ref().unwrap();
            assert_eq!(context.read_only_root_filesystem, Some(true), "{way}");
        }
    }
}

fn restricted() -> Value {
    json!({
        "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{
            "name": "main",
            "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
        }],
    })
}

#[test]
fn a_pod_that_meets_all_controls_has_no_violations() {
    assert_eq!(violations(&serde_json::from_value(restricted()).unwrap()), Vec::<String>::new());
}

/// The checker itself: each of these is one step away from a pod that is admitted.
#[test]
fn each_control_is_checked() {
    let cases = [
        ("/hostNetwork", json!(true), "hostNetwork is true"),
        ("/hostPID", json!(true), "hostPID is true"),
        ("/hostIPC", json!(true), "hostIPC is true"),
        ("/volumes", json!([{"name": "v", "hostPath": {"path": "/"}}]), "volume v is of a forbidden type"),
        ("/securityContext/runAsUser", json!(0), "the pod's runAsUser is 0"),
        ("/securityContext/sysctls", json!([{"name": "a", "value": "b"}]), "sysctls are set"),
        ("/securityContext/seLinuxOptions", json!({"user": "u"}), "the pod's seLinuxOptions are set"),
        ("/securityContext/runAsNonRoot", json!(false), "main: runAsNonRoot is not true"),
        (
            "/securityContext/seccompProfile",
            json!({"type": "Unconfined"}),
            "main: seccompProfile is not RuntimeDefault or Localhost",
        ),
        ("/containers/0/ports", json!([{"containerPort": 1, "hostPort": 1}]), "main: hostPort is set"),
        ("/containers/0/securityContext/privileged", json!(true), "main: privileged is true"),
        (
            "/containers/0/securityContext/allowPrivilegeEscalation",
            json!(null),
            "main: allowPrivilegeEscalation is not false",
        ),
        ("/containers/0/securityContext/runAsUser", json!(0), "main: runAsUser is 0"),
        ("/containers/0/securityContext/capabilities/drop", json!([]), "main: capabilities ALL are not dropped"),
        ("/containers/0/securityContext/capabilities/add", json!(["SYS_ADMIN"]), "main: capabilities are added"),
        ("/containers/0/securityContext/procMount", json!("Unmasked"), "main: procMount is not Default"),
        ("/containers/0/securityContext/seLinuxOptions", json!({"user": "u"}), "main: seLinuxOptions are set"),
        ("/initContainers", json!([{"name": "first"}]), "first: allowPrivilegeEscalation is not false"),
    ];
    for (pointer, value, violation) in cases {
        let mut pod = restricted();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        pod.pointer_mut(parent).unwrap()[key] = value;
        let found = violations(&serde_json::from_value(pod).unwrap());
        assert!(found.iter().any(|one| one == violation), "{pointer}: {found:?}");
    }
}
