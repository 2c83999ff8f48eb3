//! The index of a sweep's results: a table of all cells, for people and programs that do not want to read thousands of Jobs.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use real_crds::v1alpha1::{ConfigMapKey, RealEvalSweep};

use super::cells::Cell;
use super::children::metadata;
use super::table::Standing;

/// Key of the table.
const KEY: &str = "cells.csv";
/// Key of the number of cells that the table has no room for.
const LEFT_OUT: &str = "leftOut";
/// Most bytes of the table: an object has 1 MiB.
const MOST_BYTES: usize = 900_000;
const HEADER: &str = "cell,target,suite,settings,state,answers,dropped,function,quality,joint\n";

/// Where the index of a sweep is.
pub(super) fn place(sweep: &RealEvalSweep) -> ConfigMapKey {
    ConfigMapKey { namespace: sweep.spec.run_namespace.clone(), name: format!("{}-results", sweep.name_any()) }
}

/// Where the rows of the cells are: `pvc://CLAIM/FOLDER` or a prefix in a bucket, in it a folder a cell.
pub(super) fn folder(sweep: &RealEvalSweep) -> Option<String> {
    let results = sweep.spec.results.as_ref()?;
    if let Some(store) = &results.object_store {
        return Some(store.uri.trim_end_matches('/').to_owned());
    }
    let claim = results.persistent_volume_claim.as_ref()?;
    Some(format!("pvc://{}/{}", claim.claim_name, sub_path(sweep)?))
}

/// The folder in the claim.
pub(super) fn sub_path(sweep: &RealEvalSweep) -> Option<String> {
    let claim = sweep.spec.results.as_ref()?.persistent_volume_claim.as_ref()?;
    Some(claim.sub_path.clone().unwrap_or_else(|| sweep.name_any()))
}

/// The index of these cells.
pub(super) fn index(sweep: &RealEvalSweep, cells: &[(Cell<'_>, Standing)]) -> ConfigMap {
    let (mut table, mut left_out) = (HEADER.to_owned(), 0_usize);
    for (cell, standing) in cells {
        let line = line(cell, standing);
        if table.len() + line.len() > MOST_BYTES {
            left_out += 1;
        } else {
            table.push_str(&line);
        }
    }
    let mut data = BTreeMap::from([(KEY.to_owned(), table)]);
    if left_out > 0 {
        data.insert(LEFT_OUT.to_owned(), left_out.to_string());
    }
    ConfigMap { metadata: metadata(sweep, place(sweep).name), data: Some(data), ..ConfigMap::default() }
}

fn line(cell: &Cell<'_>, standing: &Standing) -> String {
    let (state, tally) = match standing {
        Standing::Waiting => ("Waiting", None),
        Standing::Active { .. } => ("Active", None),
        Standing::Done(recorded) => ("Done", recorded.tally.filter(|tally| tally.n > 0)),
        Standing::Failed(_) => ("Failed", None),
        Standing::Skipped(_) => ("Skipped", None),
    };
    let rate = |count: Option<u64>| {
        let rate = tally.zip(count).and_then(|(tally, count)| tally.rate(count));
        rate.map_or_else(String::new, |rate| format!("{rate:.4}"))
    };
    let count = |count: Option<u64>| count.map_or_else(String::new, |count| count.to_string());
    let fields = [
        cell.name.clone(),
        quoted(&cell.target.name),
        cell.suite.name.clone(),
        quoted(&cell.named.label),
        state.to_owned(),
        count(tally.map(|tally| tally.n)),
        count(tally.map(|tally| tally.dropped)),
        rate(tally.map(|tally| tally.function)),
        rate(tally.map(|tally| tally.quality)),
        rate(tally.map(|tally| tally.joint)),
    ];
    fields.join(",") + "\n"
}

/// A field of CSV (RFC 4180).
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}
