//! Where models and data sets of our objects lie, and how a pod gets at them.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{EnvVar, SecretVolumeSource, Volume, VolumeMount};
use real_crds::v1alpha1::SecretRef;

/// Where the claims of `pvc://` sources are mounted.
pub(crate) const MOUNTS: &str = "/mnt/real";
/// Where Secrets are mounted, a folder each.
const CREDENTIALS: &str = "/etc/real-credentials";
/// Where a pod keeps what it fetches: it lives as long as the pod, unless `podPatch` mounts a volume there.
const CACHE: &str = "/tmp/real-sources";

/// Sources that a pod has without fetching anything.
const AT_HAND: [&str; 3] = ["bundled", "file", "pvc"];

/// What a source is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A folder.
    Model,
    /// A folder, or an API that answers.
    Target,
    /// A file.
    Data,
}

/// Why a pod cannot read `uri`.
pub(crate) fn problem(uri: &str, purpose: Purpose) -> Option<String> {
    let (scheme, rest) = uri.split_once("://")?;
    let parts: Vec<&str> = rest.split('/').filter(|part| !part.is_empty()).collect();
    let is_api = || uri.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/').ends_with("/v1");
    let purpose = match (scheme, purpose) {
        ("http" | "https", Purpose::Target) if is_api() => return None,
        ("http", Purpose::Target) => return Some("is no API: its address ends with /v1".to_owned()),
        (_, Purpose::Target) => Purpose::Model,
        (_, purpose) => purpose,
    };
    let (whole, form) = match (scheme, purpose) {
        ("bundled" | "file", _) | ("https", Purpose::Data) => return None,
        ("pvc", _) => (
            rest.split_once('/').is_some_and(|(claim, path)| !claim.is_empty() && !path.is_empty()),
            "pvc://CLAIM/PATH",
        ),
        ("hf", Purpose::Model) => (parts.len() >= 2 && parts[0] != "datasets", "hf://ORG/NAME[@REVISION][/PATH]"),
        ("hf", Purpose::Data) => (
            parts.len() >= if parts.first() == Some(&"datasets") { 4 } else { 3 },
            "hf://datasets/ORG/NAME[@REVISION]/FILE",
        ),
        ("s3", _) => (parts.len() >= 2, "s3://BUCKET/KEY"),
        ("gs", _) => (parts.len() >= 2, "gs://BUCKET/KEY"),
        ("az", _) => (parts.len() >= 2, "az://CONTAINER/KEY"),
        ("http", Purpose::Model) => {
            return Some("models behind an API can be evaluated, and not trained".to_owned());
        }
        ("https", Purpose::Model) => {
            return Some(
                "is one file, and a model is a folder: use hf://ORG/NAME, s3://BUCKET/KEY (gs://, az://) or pvc://CLAIM/PATH"
                    .to_owned(),
            );
        }
        _ => {
            return Some(format!(
                "{scheme}:// cannot be fetched; use hf://, s3://, gs://, az:// or pvc://CLAIM/PATH, bundled://NAME, or a path inside the trainer's \
                 image"
            ));
        }
    };
    (!whole).then(|| format!("must be {form}"))
}

/// Claims of `pvc://CLAIM/PATH` sources.
pub(crate) fn claims<'a>(uris: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    uris.into_iter().filter_map(|uri| Some(uri.strip_prefix("pvc://")?.split_once('/')?.0.to_owned())).collect()
}

/// Where a source lies in the pod: claims are mounted, everything else is there already or fetched by the pod.
pub(crate) fn in_the_pod(uri: &str) -> String {
    match uri.strip_prefix("pvc://") {
        Some(rest) => format!("{MOUNTS}/{rest}"),
        None => uri.to_owned(),
    }
}

/// What a pod needs that fetches.
#[derive(Debug, Default)]
pub(crate) struct Fetching {
    pub(crate) volumes: Vec<Volume>,
    pub(crate) mounts: Vec<VolumeMount>,
    pub(crate) env: Vec<EnvVar>,
}

/// What a pod needs to fetch these sources: a place for them, and the Secrets, which the kubelet mounts and nobody else reads. Each is
/// for its own source alone (`REAL_CREDENTIALS`, a line `FOLDER=URI` each).
pub(crate) fn fetching<'a>(sources: impl IntoIterator<Item = (&'a str, Option<&'a SecretRef>)>) -> Fetching {
    let mut fetching = Fetching::default();
    let (mut secrets, mut lines, mut fetches) = (BTreeSet::new(), Vec::new(), false);
    for (uri, secret) in sources {
        let Some((scheme, _)) = uri.split_once("://").filter(|(scheme, _)| !AT_HAND.contains(scheme)) else { continue };
        fetches |= scheme != "http";
        if let Some(secret) = secret {
            secrets.insert(secret.name.as_str());
            let line = format!("{CREDENTIALS}/{}={uri}", secret.name);
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
    }
    for (i, secret) in secrets.into_iter().enumerate() {
        let name = format!("real-credentials-{i}");
        fetching.mounts.push(VolumeMount {
            name: name.clone(),
            mount_path: format!("{CREDENTIALS}/{secret}"),
            read_only: Some(true),
            ..VolumeMount::default()
        });
        let source = SecretVolumeSource { secret_name: Some(secret.to_owned()), ..SecretVolumeSource::default() };
        fetching.volumes.push(Volume { name, secret: Some(source), ..Volume::default() });
    }
    let variable = |name: &str, value: String| EnvVar { name: name.to_owned(), value: Some(value), value_from: None };
    if fetches {
        fetching.env.push(variable("REAL_CACHE", CACHE.to_owned()));
    }
    if !lines.is_empty() {
        fetching.env.push(variable("REAL_CREDENTIALS", lines.join("\n")));
    }
    fetching
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_pod_can_fetch_is_let_through_and_the_rest_told_with_what_is() {
        for (uri, purpose) in [
            ("/models/a", Purpose::Model),
            ("hf://org/name@v1", Purpose::Model),
            ("s3://bucket/models/a", Purpose::Model),
            ("pvc://claim/a", Purpose::Model),
            ("http://host:8000/v1?model=a/b", Purpose::Target),
            ("https://host/v1/", Purpose::Target),
            ("pvc://claim/a", Purpose::Target),
            ("hf://datasets/org/name/train.parquet", Purpose::Data),
            ("https://example.org/tasks.jsonl", Purpose::Data),
            ("s3://bucket/tasks.jsonl", Purpose::Data),
            ("gs://bucket/tasks.jsonl", Purpose::Data),
            ("az://container/models/a", Purpose::Target),
        ] {
            assert_eq!(problem(uri, purpose), None, "{uri}");
        }
        for (uri, purpose, expected) in [
            ("hf://name", Purpose::Model, "hf://ORG/NAME"),
            ("hf://datasets/org/name", Purpose::Data, "hf://datasets/ORG/NAME"),
            ("hf://datasets/org/name", Purpose::Model, "hf://ORG/NAME"),
            ("s3://bucket/", Purpose::Data, "s3://BUCKET/KEY"),
            ("gs://bucket", Purpose::Model, "gs://BUCKET/KEY"),
            ("az://container/", Purpose::Data, "az://CONTAINER/KEY"),
            ("https://example.org/model", Purpose::Model, "a model is a folder"),
            ("http://host/v1", Purpose::Model, "not trained"),
            ("http://host/model", Purpose::Target, "ends with /v1"),
            ("https://host/model", Purpose::Target, "a model is a folder"),
            ("pvc://claim", Purpose::Data, "pvc://CLAIM/PATH"),
            ("ftp://host/x", Purpose::Data, "cannot be fetched; use hf://"),
        ] {
            let said = problem(uri, purpose).unwrap_or_default();
            assert!(said.contains(expected), "{uri}: {said}");
        }
    }

    #[test]
    fn each_secret_is_mounted_once_and_is_for_its_sources_alone() {
        let secret = |name: &str| SecretRef { name: name.to_owned() };
        let (hub, store) = (secret("hub"), secret("store"));
        let fetching = fetching([
            ("hf://org/name", Some(&hub)),
            ("s3://b/one", Some(&store)),
            ("s3://b/two", Some(&store)),
            ("https://example.org/x.jsonl", None),
            ("pvc://claim/x", Some(&store)),
        ]);
        let mounted: Vec<&str> = fetching.mounts.iter().map(|mount| mount.mount_path.as_str()).collect();
        assert_eq!(mounted, ["/etc/real-credentials/hub", "/etc/real-credentials/store"]);
        assert_eq!(fetching.volumes.len(), 2);
        let credentials = fetching.env[1].value.as_deref().unwrap_or_default();
        assert_eq!(
            credentials,
            "/etc/real-credentials/hub=hf://org/name\n/etc/real-credentials/store=s3://b/one\n/etc/real-credentials/store=s3://b/two"
        );
        let nothing = super::fetching([("bundled://a", None), ("/data/b", Some(&hub))]);
        assert!(nothing.env.is_empty() && nothing.volumes.is_empty());
    }
}
