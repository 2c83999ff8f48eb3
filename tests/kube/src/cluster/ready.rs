//! When a cluster can be used, and what it has from the start.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::folder::Folder;
use crate::{Output, programs};

/// Volumes that claims without a class can bind; nothing makes more.
const VOLUMES: usize = 16;
/// User and group that volumes belong to (`nobody`).
const USER: u32 = 65_534;

/// Waits until pods can be created, and creates the storage class and its volumes.
pub(super) fn wait(folder: &Folder, deadline: Instant) -> Result<()> {
    until(folder, deadline, &["get", "--raw", "/readyz"], None)?;
    until(folder, deadline, &["apply", "--server-side", "-f", "-"], Some(&storage(folder)?.to_string()))?;
    until(folder, deadline, &["wait", "--for=condition=Ready", "node", "--all", "--timeout=1s"], None)?;
    until(folder, deadline, &["get", "serviceaccount", "default"], None)
}

/// Repeats a command of kubectl until it succeeds.
fn until(folder: &Folder, deadline: Instant, arguments: &[&str], stdin: Option<&str>) -> Result<()> {
    let program = programs::folder()?.join("kubectl");
    loop {
        let mut kubectl = Command::new(&program);
        kubectl.args(arguments).env("KUBECONFIG", folder.kubeconfig()).env("HOME", folder.path());
        let output = Output::of(kubectl, stdin);
        if output.success {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("the cluster is not ready: kubectl {} says {}", arguments.join(" "), output.stderr.trim());
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Folders of the machine as volumes, in a class that claims get where they name none.
fn storage(folder: &Folder) -> Result<Value> {
    let class = json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
        "metadata": {"name": "local", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": "kubernetes.io/no-provisioner", "volumeBindingMode": "Immediate",
    });
    let mut items = vec![class];
    for number in 0..VOLUMES {
        let name = format!("volume-{number}");
        let path = folder.volumes().join(&name);
        fs::create_dir_all(&path)?;
        chown(&path, Some(USER), Some(USER)).with_context(|| format!("{} cannot be given away", path.display()))?;
        // As a volume that honours `fsGroup`: folders that the kubelet makes in it for a `subPath` belong to the group as well.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o2770))?;
        items.push(json!({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
            "spec": {
                "accessModes": ["ReadWriteOnce", "ReadWriteMany"], "capacity": {"storage": "10Gi"},
                "hostPath": {"path": path}, "persistentVolumeReclaimPolicy": "Retain", "storageClassName": "local",
            },
        }));
    }
    Ok(json!({"apiVersion": "v1", "kind": "List", "items": items}))
}
