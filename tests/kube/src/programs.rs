//! Where the programs of Kubernetes are.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow, ensure};

/// The folder of etcd, kube-apiserver, kubectl and helm. The first call of a process builds what is missing.
///
/// # Errors
/// Where they cannot be built; the script says why.
pub fn folder() -> Result<&'static Path> {
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
    folder_with(&[])
}

/// The folder of the programs that `scripts/build-kube` builds when told `arguments`.
pub(crate) fn folder_with(arguments: &[&str]) -> Result<PathBuf> {
    script("build-kube", arguments)
}

/// The folder that the script `name` of the project prints, after it has built what belongs there.
pub(crate) fn folder_of(name: &str) -> Result<PathBuf> {
    script(name, &[])
}

/// The folder of downloads and build products.
pub(crate) fn cache_dir() -> Result<PathBuf> {
    script("cache-dir", &[])
}

/// The path that a script of the project prints.
fn script(name: &str, arguments: &[&str]) -> Result<PathBuf> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts").join(name);
    let output = Command::new(&script)
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("{} cannot be started", script.display()))?;
    ensure!(output.status.success(), "scripts/{name} failed ({}); it says above why", output.status);
    Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim_end()))
}
