//! Where models and data sets of our objects lie, and how a pod gets at them.

use std::collections::BTreeSet;

/// Where the claims of `pvc://` sources are mounted.
pub(crate) const MOUNTS: &str = "/mnt/real";

/// Sources that a pod can read without anything being fetched first.
const READABLE: [&str; 3] = ["bundled", "file", "pvc"];

/// Why a pod cannot read `uri`.
pub(crate) fn problem(uri: &str) -> Option<String> {
    let (scheme, rest) = uri.split_once("://")?;
    if scheme == "http" {
        return Some("models behind an API are evaluated by real eval only, so far".to_owned());
    }
    if !READABLE.contains(&scheme) {
        return Some(format!(
            "{scheme}:// cannot be fetched on a cluster yet; put the data into a volume and use pvc://CLAIM/PATH, or \
             bundled://NAME, or a path inside the trainer's image"
        ));
    }
    let whole = rest.split_once('/').is_some_and(|(claim, path)| !claim.is_empty() && !path.is_empty());
    (scheme == "pvc" && !whole).then(|| "must be pvc://CLAIM/PATH".to_owned())
}

/// Claims of `pvc://CLAIM/PATH` sources.
pub(crate) fn claims<'a>(uris: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    uris.into_iter().filter_map(|uri| Some(uri.strip_prefix("pvc://")?.split_once('/')?.0.to_owned())).collect()
}

/// Where a source lies in the pod: claims are mounted, everything else is there already.
pub(crate) fn in_the_pod(uri: &str) -> String {
    match uri.strip_prefix("pvc://") {
        Some(rest) => format!("{MOUNTS}/{rest}"),
        None => uri.to_owned(),
    }
}
