//! The controls of the Pod Security Standard `restricted`:
//! <https://kubernetes.io/docs/concepts/security/pod-security-standards/>.

use k8s_openapi::api::core::v1::{Container, PodSpec, SecurityContext, Volume};

/// What `restricted` forbids in the pod, a line each; empty where it is admitted.
pub(crate) fn violations(pod: &PodSpec) -> Vec<String> {
    let mut found = Vec::new();
    let mut check = |allowed: bool, what: String| {
        if !allowed {
            found.push(what);
        }
    };
    for (field, value) in [("hostNetwork", pod.host_network), ("hostPID", pod.host_pid), ("hostIPC", pod.host_ipc)] {
        check(value != Some(true), format!("{field} is true"));
    }
    for volume in pod.volumes.iter().flatten() {
        check(allowed_volume(volume), format!("volume {} is of a forbidden type", volume.name));
    }
    let context = pod.security_context.clone().unwrap_or_default();
    check(context.run_as_user != Some(0), "the pod's runAsUser is 0".into());
    check(context.sysctls.is_none_or(|list| list.is_empty()), "sysctls are set".into());
    check(context.se_linux_options.is_none(), "the pod's seLinuxOptions are set".into());
    let pod_seccomp = context.seccomp_profile.map(|profile| profile.type_);

    let init = pod.init_containers.iter().flatten();
    for container in init.chain(&pod.containers) {
        let Container { name, ports, security_context, .. } = container;
        let own = security_context.clone().unwrap_or_default();
        check(
            own.run_as_non_root.or(context.run_as_non_root) == Some(true),
            format!("{name}: runAsNonRoot is not true"),
        );
        let seccomp = own.seccomp_profile.as_ref().map(|profile| profile.type_.clone()).or_else(|| pod_seccomp.clone());
        check(
            seccomp.is_some_and(|profile| ["RuntimeDefault", "Localhost"].contains(&profile.as_str())),
            format!("{name}: seccompProfile is not RuntimeDefault or Localhost"),
        );
        check(
            !ports.iter().flatten().any(|port| port.host_port.is_some_and(|port| port != 0)),
            format!("{name}: hostPort is set"),
        );
        for (allowed, what) in container_controls(&own) {
            check(allowed, format!("{name}: {what}"));
        }
    }
    found
}

fn container_controls(context: &SecurityContext) -> [(bool, &'static str); 7] {
    let capabilities = context.capabilities.clone().unwrap_or_default();
    let dropped = capabilities.drop.unwrap_or_default();
    let added = capabilities.add.unwrap_or_default();
    [
        (context.privileged != Some(true), "privileged is true"),
        (context.allow_privilege_escalation == Some(false), "allowPrivilegeEscalation is not false"),
        (context.run_as_user != Some(0), "runAsUser is 0"),
        (dropped.iter().any(|name| name == "ALL"), "capabilities ALL are not dropped"),
        (added.iter().all(|name| name == "NET_BIND_SERVICE"), "capabilities are added"),
        (context.proc_mount.as_deref().is_none_or(|mount| mount == "Default"), "procMount is not Default"),
        (context.se_linux_options.is_none(), "seLinuxOptions are set"),
    ]
}

fn allowed_volume(volume: &Volume) -> bool {
    volume.config_map.is_some()
        || volume.csi.is_some()
        || volume.downward_api.is_some()
        || volume.empty_dir.is_some()
        || volume.ephemeral.is_some()
        || volume.persistent_volume_claim.is_some()
        || volume.projected.is_some()
        || volume.secret.is_some()
}
