//! The `helm` program, and what it renders.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
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

/// helm as `scripts/build-kube` builds it, or the one in the folder `KUBE_BIN`.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let folder = std::env::var("KUBE_BIN").unwrap_or_else(|_| {
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/build-kube");
            let output = Command::new(script).arg("helm").stderr(Stdio::inherit()).output();
            let output = output.expect("scripts/build-kube can be started");
            assert!(output.status.success(), "there is no helm: scripts/build-kube failed and says above why");
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        });
        let program = Path::new(&folder).join("helm");
        assert!(program.is_file(), "{} does not exist: unset KUBE_BIN, and it is built", program.display());
        program
    })
}
