//! Where etcd, kube-apiserver, kubectl and helm are.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow, ensure};

/// The folder of the programs. The first call of a process builds what is missing.
pub(crate) fn folder() -> Result<&'static Path> {
    static FOLDER: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| find().map_err(|error| format!("{error:#}")));
    folder.as_deref().map_err(|error| anyhow!("{error}"))
}

fn find() -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os("KUBE_BIN") {
        let folder = PathBuf::from(folder);
        ensure!(
            folder.join("kube-apiserver").is_file(),
            "KUBE_BIN is {}, where there is no kube-apiserver: unset it, and the programs are built",
            folder.display()
        );
        return Ok(folder);
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/build-kube");
    let output = Command::new(&script)
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("{} cannot be started", script.display()))?;
    ensure!(output.status.success(), "scripts/build-kube failed ({}); it says above why", output.status);
    Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim_end()))
}
