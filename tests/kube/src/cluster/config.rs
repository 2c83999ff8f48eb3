//! What the programs of a cluster are told. All of it is of one node that has no neighbours and no internet.

use std::fs;

use anyhow::{Context, Result};
use serde_json::json;

use super::folder::Folder;
use super::init::Program;
use super::network::{NODE, PODS};
use super::{cgroups, preflight};
use crate::certificates::Authority;
use crate::control_plane::{etcd_flags, server_flags, write_files};
use crate::kubeconfig::{self, Credentials};

pub(super) const API_SERVER_PORT: u16 = 6443;
/// In the cluster's own `/run`.
pub(super) const CONTAINERD_SOCKET: &str = "/run/containerd/containerd.sock";
/// What holds a pod's namespaces; `make images` builds it.
pub(super) const PAUSE_IMAGE: &str = "docker.io/library/real-pause:0.1.0";
const NODE_NAME: &str = "node1";
const ETCD_PORT: u16 = 2379;
const ETCD_PEER_PORT: u16 = 2380;

/// Writes all files. `port` is where the machine reaches the API server.
pub(super) fn write(folder: &Folder, port: u16) -> Result<()> {
    let authority = Authority::new()?;
    write_files(&folder.pki(), &authority)?;
    let admin = authority.client("admin", Some("system:masters"))?;
    let inside = format!("https://{NODE}:{API_SERVER_PORT}");
    let outside = format!("https://127.0.0.1:{port}");
    let text = |url: &str, user: &str, group: Option<&str>| -> Result<String> {
        let credentials = authority.client(user, group)?;
        Ok(kubeconfig::text(url, Some(&authority.certificate()), &Credentials::Certificate(&credentials)))
    };
    let pki = folder.pki();
    let files = [
        (folder.kubeconfig(), text(&outside, "admin", Some("system:masters"))?),
        (pki.join("kubelet-client.pem"), admin.certificate),
        (pki.join("kubelet-client.key"), admin.key),
        (folder.etc("controller-manager.kubeconfig"), text(&inside, "system:kube-controller-manager", None)?),
        (folder.etc("scheduler.kubeconfig"), text(&inside, "system:kube-scheduler", None)?),
        (folder.etc("proxy.kubeconfig"), text(&inside, "system:kube-proxy", None)?),
        (folder.etc("kubelet.kubeconfig"), text(&inside, &format!("system:node:{NODE_NAME}"), Some("system:nodes"))?),
        // It reads Services and slices of all namespaces, for which there is no role without its manifests.
        (folder.etc("coredns.kubeconfig"), text(&inside, "coredns", Some("system:masters"))?),
        (folder.etc("Corefile"), corefile(folder)),
        (folder.etc("containerd.toml"), containerd(folder)),
        (folder.etc("cni").join("10-pods.conflist"), cni(folder)),
        (folder.etc("kubelet.yaml"), kubelet(folder)),
        (folder.etc("proxy.yaml"), proxy(folder)),
    ];
    for (path, text) in files {
        fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))?;
    }
    Ok(())
}

/// All programs, in the order of their start; none waits for another, since each is started again until it works.
pub(super) fn programs(folder: &Folder) -> Vec<Program> {
    let etc = |name: &str| folder.etc(name).display().to_string();
    let pki = |name: &str| folder.pki().join(name).display().to_string();
    let mut api_server = server_flags(&folder.pki(), ETCD_PORT, API_SERVER_PORT);
    // The last of two equal flags counts.
    api_server.extend([
        "--bind-address=0.0.0.0".to_owned(),
        format!("--advertise-address={NODE}"),
        "--endpoint-reconciler-type=lease".to_owned(),
        "--kubelet-preferred-address-types=InternalIP".to_owned(),
        format!("--kubelet-client-certificate={}", pki("kubelet-client.pem")),
        format!("--kubelet-client-key={}", pki("kubelet-client.key")),
    ]);
    let controller_manager = vec![
        format!("--kubeconfig={}", etc("controller-manager.kubeconfig")),
        format!("--root-ca-file={}", pki("ca.pem")),
        format!("--service-account-private-key-file={}", pki("tokens.key")),
        "--use-service-account-credentials=true".to_owned(),
        "--leader-elect=false".to_owned(),
        "--bind-address=127.0.0.1".to_owned(),
    ];
    let scheduler = vec![
        format!("--kubeconfig={}", etc("scheduler.kubeconfig")),
        "--leader-elect=false".to_owned(),
        "--bind-address=127.0.0.1".to_owned(),
    ];
    let kubelet = vec![
        format!("--kubeconfig={}", etc("kubelet.kubeconfig")),
        format!("--config={}", etc("kubelet.yaml")),
        format!("--root-dir={}", folder.var("kubelet").display()),
        format!("--hostname-override={NODE_NAME}"),
        format!("--node-ip={NODE}"),
    ];
    [
        ("containerd", vec![format!("--config={}", etc("containerd.toml"))]),
        ("etcd", etcd_flags(&folder.var(""), ETCD_PORT, ETCD_PEER_PORT)),
        ("kube-apiserver", api_server),
        ("kube-controller-manager", controller_manager),
        ("kube-scheduler", scheduler),
        ("kube-proxy", vec![format!("--config={}", etc("proxy.yaml"))]),
        ("coredns", vec![format!("-conf={}", etc("Corefile"))]),
        ("kubelet", kubelet),
    ]
    .map(|(name, arguments)| Program { name, arguments })
    .into()
}

fn corefile(folder: &Folder) -> String {
    let kubeconfig = folder.etc("coredns.kubeconfig");
    // Short lives: a pod that is gone should be forgotten soon.
    format!(
        ".:53 {{\n  bind {NODE}\n  errors\n  kubernetes cluster.local in-addr.arpa {{\n    kubeconfig {}\n    ttl 2\n  }}\n  \
         cache 2\n  loadbalance\n}}\n",
        kubeconfig.display()
    )
}

fn containerd(folder: &Folder) -> String {
    let (root, etc) = (folder.var("containerd").display().to_string(), folder.etc("cni").display().to_string());
    // Without CAP_SYS_RESOURCE a score cannot be lowered, and every pod would fail for it.
    let restrict = !preflight::may_raise_limits();
    format!(
        r#"version = 2
root = "{root}"
state = "/run/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing"]
[grpc]
address = "{CONTAINERD_SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE_IMAGE}"
restrict_oom_score_adj = {restrict}
enable_unprivileged_ports = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{}"
conf_dir = "{etc}"
"#,
        preflight::CNI_PLUGINS
    )
}

fn cni(folder: &Folder) -> String {
    // Point to point, not a bridge: every packet is routed, so that answers of a Service's pod find their way back through the
    // rules that changed their address.
    let ptp = json!({
        "type": "ptp",
        "mtu": 1500,
        "ipam": {
            "type": "host-local",
            "dataDir": folder.var("cni"),
            "ranges": [[{"subnet": PODS}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    });
    json!({"cniVersion": "0.4.0", "name": "pods", "plugins": [ptp]}).to_string()
}

fn kubelet(folder: &Folder) -> String {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": false},
            "webhook": {"enabled": true},
            "x509": {"clientCAFile": folder.pki().join("ca.pem")},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": format!("/{}", cgroups::name(folder)),
        "failCgroupV1": false,
        "clusterDNS": [NODE.to_string()],
        "clusterDomain": "cluster.local",
        "containerRuntimeEndpoint": format!("unix://{CONTAINERD_SOCKET}"),
        "enforceNodeAllocatable": [],
        // The machine's disk is not the node's to guard.
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%", "nodefs.inodesFree": "1%"},
        "failSwapOn": false,
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "maxPods": 200,
        "oomScoreAdj": 0,
        "podLogsDir": folder.logs().join("pods"),
        "resolvConf": "",
        "seccompDefault": true,
        "volumePluginDir": folder.var("volume-plugins"),
    })
    .to_string()
}

fn proxy(folder: &Folder) -> String {
    json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": folder.etc("proxy.kubeconfig")},
        "clusterCIDR": PODS,
        "conntrack": {"maxPerCore": 0, "min": 0},
        "healthzBindAddress": "127.0.0.1:10256",
        "hostnameOverride": NODE_NAME,
        "metricsBindAddress": "127.0.0.1:10249",
        "mode": "nftables",
    })
    .to_string()
}
