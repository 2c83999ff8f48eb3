//! Whether this machine can have a cluster; what is missing is said by name before anything is started.

use std::path::Path;

use anyhow::{Result, ensure};

use super::cgroups;
use super::folder::Folder;

/// Where Debian puts them.
pub(super) const CNI_PLUGINS: &str = "/usr/lib/cni";
/// Programs, and Debian's packages that bring them.
const NEEDED: [(&str, &str); 10] = [
    ("containerd", "containerd"),
    ("ctr", "containerd"),
    ("runc", "runc"),
    ("nft", "nftables"),
    ("conntrack", "conntrack"),
    ("ip", "iproute2"),
    ("unshare", "util-linux"),
    ("nsenter", "util-linux"),
    ("setsid", "util-linux"),
    ("pkill", "procps"),
];

/// # Errors
/// The first thing that is missing, and how to get it.
pub(super) fn check(folder: &Folder) -> Result<()> {
    ensure!(is_root(), "a node needs root: namespaces, mounts and control groups are made for it; run this as root");
    ensure!(
        !folder.path().starts_with("/var/lib")
            && !folder.path().starts_with("/var/log")
            && !folder.path().starts_with("/run"),
        "the cluster's folder is {}, but /var/lib, /var/log and /run are others inside: set REAL_CLUSTER_DIR to another one",
        folder.path().display()
    );
    let mut missing: Vec<&str> =
        NEEDED.iter().filter(|(program, _)| !on_path(program)).map(|(_, package)| *package).collect();
    if !Path::new(CNI_PLUGINS).join("ptp").is_file() {
        missing.push("containernetworking-plugins");
    }
    missing.dedup();
    ensure!(missing.is_empty(), "missing: {0}; on Debian: apt-get install {0}", missing.join(" "));
    let hierarchies = cgroups::hierarchies();
    ensure!(!hierarchies.is_empty(), "no control groups are mounted below /sys/fs/cgroup, and a kubelet needs them");
    ensure!(
        hierarchies.iter().any(|hierarchy| hierarchy.join("cgroup.procs").exists()),
        "the control groups below /sys/fs/cgroup cannot be read"
    );
    Ok(())
}

/// Whether this process has `CAP_SYS_RESOURCE`.
pub(super) fn may_raise_limits() -> bool {
    const CAP_SYS_RESOURCE: u32 = 24;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    effective
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask >> CAP_SYS_RESOURCE & 1 == 1)
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Not on everybody's path, and always on that of the node's programs.
    let system = ["/usr/sbin", "/sbin"].map(Into::into);
    std::env::split_paths(&path).chain(system).any(|folder| folder.join(program).is_file())
}
