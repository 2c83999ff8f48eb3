//! The chart: there after `helm install`, gone after `helm uninstall`.

use crate::cluster::Cluster;

const RELEASE: &str = "real-operator";
/// The operator's namespace.
pub(crate) const NAMESPACE: &str = "real-system";
/// Seconds between two looks at a trainer: short runs should be seen.
const PROGRESS_SECONDS: u32 = 1;

/// Installs the operator, unless this run has.
pub(crate) fn installed(cluster: &Cluster) {
    cluster.operator.get_or_init(|| {
        install(cluster);
        cluster.lasting(NAMESPACE).show(&["get", "pods"]);
    });
}

/// The registry that has the images, where the node does not have them already.
pub(crate) fn registry() -> Option<String> {
    std::env::var("REAL_E2E_REGISTRY").ok().filter(|registry| !registry.is_empty())
}

fn install(cluster: &Cluster) {
    let progress = format!("progressSeconds={PROGRESS_SECONDS}");
    let registry = registry().map(|registry| format!("image.registry={registry}"));
    let mut arguments = vec![
        "upgrade",
        "--install",
        RELEASE,
        "charts/real-operator",
        "--namespace",
        NAMESPACE,
        "--create-namespace",
        "--wait",
        "--timeout=120s",
        "--set",
        &progress,
        "--set",
        "crds.keep=false",
    ];
    if let Some(registry) = &registry {
        arguments.extend(["--set", registry]);
    }
    cluster.helm(&arguments);
}

/// Takes the operator away; nothing of it may be left.
pub(crate) fn uninstalled(cluster: &Cluster) {
    installed(cluster);
    cluster.helm(&["uninstall", RELEASE, "--namespace", NAMESPACE, "--wait", "--timeout=120s"]);
    let kinds = "customresourcedefinitions,clusterroles,clusterrolebindings,validatingwebhookconfigurations";
    let cluster_wide = cluster.kubectl(&["get", kinds, "--output=name"]).expect_success();
    let left: Vec<&str> =
        cluster_wide.lines().filter(|line| line.contains("real-operator") || line.contains("real-rl.dev")).collect();
    assert!(left.is_empty(), "left in the cluster: {left:?}");
    let kinds = "all,serviceaccounts,configmaps,secrets,roles,rolebindings,networkpolicies,poddisruptionbudgets";
    let inside = cluster.kubectl(&["get", kinds, "--namespace", NAMESPACE, "--output=name"]).expect_success();
    let left: Vec<&str> = inside.lines().filter(|line| line.contains("real-")).collect();
    assert!(left.is_empty(), "left in {NAMESPACE}: {left:?}");
    cluster.kubectl(&["delete", "namespace", NAMESPACE, "--wait=false"]).expect_success();
}
