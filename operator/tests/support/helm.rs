//! The `helm` program, and what it renders.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// Namespace of the release.
pub(crate) const NAMESPACE: &str = "real-system";

/// The chart's folder.
pub(crate) fn chart() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/real-operator")
}

/// Names of the ways of installing the chart: the files in its folder `ci`.
pub(crate) fn ways() -> Vec<String> {
    let mut ways: Vec<String> = std::fs::read_dir(chart().join("ci"))
        .expect("the chart has a folder ci")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_suffix(".yaml").map(str::to_owned))
        .collect();
    ways.sort();
    assert!(ways.len() >= 6, "too few ways: {ways:?}");
    ways
}

/// The file of a way.
pub(crate) fn values(way: &str) -> String {
    chart().join("ci").join(way).with_extension("yaml").display().to_string()
}

/// Runs helm and returns what it printed, or what it complained about.
pub(crate) fn helm(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program()).args(arguments).output().expect("helm starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stdout) + &text(&output.stderr)) }
}

/// The chart's documents as rendered with `arguments`.
pub(crate) fn template(arguments: &[&str]) -> Result<Vec<Value>, String> {
    let chart = chart().display().to_string();
    let text = helm(&[&["template", "real", &chart, "--namespace", NAMESPACE], arguments].concat())?;
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text).map_err(|error| format!("{error}\n{text}"))?;
    Ok(documents.into_iter().filter(|document| !document.is_null()).collect())
}

/// Where `scripts/build-kube` leaves helm, or else the one on PATH.
fn program() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let cache = Command::new(root.join("scripts/cache-dir")).output().expect("scripts/cache-dir runs").stdout;
    let built = Path::new(String::from_utf8_lossy(&cache).trim()).join("kube-1.35.4/bin/helm");
    if built.exists() {
        return built;
    }
    std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .map(|folder| folder.join("helm"))
        .find(|program| program.exists())
        .unwrap_or_else(|| panic!("no helm at {} nor on PATH; run scripts/build-kube", built.display()))
}
