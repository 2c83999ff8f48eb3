//! What a sweep evaluates: checkpoints of jobs in namespaces that allow it, and models.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use kube::ResourceExt;
use real_crds::v1alpha1::{
    CheckpointChoice, CheckpointRecord, RealEvalSweep, RealTrainingJob, SweepCheckpoint, SweepTarget,
};

use super::observed::{NamespaceSeen, Observed};
use crate::child::fingerprint;
use crate::job::MOST_CHECKPOINTS;

/// Label of a namespace that lets sweeps read its jobs and run cells in it. Who may make a sweep need not have any right there.
pub const OPT_IN: &str = "real-rl.dev/eval-sweeps";
/// Value of [`OPT_IN`].
pub const ALLOWED: &str = "allowed";
/// Most targets: all of them stand in the status.
pub(super) const MOST_TARGETS: usize = 512;
/// Most names in a sentence.
const MOST_NAMES: usize = 5;

/// What was found to evaluate.
#[derive(Debug, Default)]
pub(super) struct Resolved {
    pub(super) targets: Vec<SweepTarget>,
    /// What matches and is left out, a sentence each.
    pub(super) notes: Vec<String>,
}

/// What targets are chosen by, as a short text.
pub(super) fn chosen_by(sweep: &RealEvalSweep) -> String {
    let spec = &sweep.spec;
    fingerprint(&(&spec.targets, &spec.namespace_selector))
}

/// Whether a namespace lets sweeps in.
pub(super) fn allows(namespace: &NamespaceSeen) -> bool {
    namespace.labels.get(OPT_IN).is_some_and(|value| value == ALLOWED)
}

/// All that there is to evaluate now, in an order that does not depend on how it was observed.
pub(super) fn resolve(sweep: &RealEvalSweep, observed: &Observed) -> Resolved {
    let mut resolved = Resolved::default();
    if let Some(selector) = &sweep.spec.targets.job_selector {
        let namespaces = namespaces(sweep, observed, &mut resolved.notes);
        let mut jobs: Vec<&RealTrainingJob> = observed.jobs.iter().map(AsRef::as_ref).collect();
        jobs.retain(|job| {
            let namespace = job.namespace().unwrap_or_default();
            let leaves = job.metadata.deletion_timestamp.is_some();
            namespaces.contains(namespace.as_str()) && matches(&selector.match_labels, job.labels()) && !leaves
        });
        jobs.sort_by_key(|job| (job.namespace(), job.name_any()));
        let mut without = Vec::new();
        for job in jobs {
            let checkpoints = checkpoints(sweep.spec.targets.checkpoints, job);
            if checkpoints.is_empty() {
                without.push(format!("{}/{}", job.namespace().unwrap_or_default(), job.name_any()));
            }
            resolved.targets.extend(checkpoints.into_iter().map(|checkpoint| target(job, checkpoint)));
        }
        if !without.is_empty() {
            let which = match sweep.spec.targets.checkpoints {
                CheckpointChoice::Best => "best checkpoint",
                _ => "checkpoint",
            };
            resolved.notes.push(format!("left out, since there is no {which} of it yet: {}", some(&without)));
        }
    }
    let mut known: BTreeSet<String> = resolved.targets.iter().map(|target| target.uri.clone()).collect();
    for model in &sweep.spec.targets.models {
        let uri = model.storage_uri.clone();
        if known.insert(uri.clone()) {
            let name = model.name.clone().unwrap_or_else(|| uri.clone());
            resolved.targets.push(SweepTarget { name, uri, checkpoint: None, time: None });
        }
    }
    resolved
}

/// Why a checkpoint that was chosen is there no more, as far as its job's status tells.
pub(super) fn removed(target: &SweepTarget, observed: &Observed) -> Option<(&'static str, String)> {
    let checkpoint = target.checkpoint.as_ref()?;
    let same = |job: &&std::sync::Arc<RealTrainingJob>| {
        job.namespace().as_ref() == Some(&checkpoint.namespace) && job.name_any() == checkpoint.job
    };
    let status = observed.jobs.iter().find(same)?.status.as_ref()?;
    match status.checkpoints.iter().find(|record| record.step == checkpoint.step) {
        Some(record) if record.sha256 != checkpoint.sha256 => {
            Some(("CheckpointReplaced", format!("{} was written anew since the sweep began", target.name)))
        }
        Some(_) => None,
        // A full list may have left out what is still there.
        None if status.checkpoints.len() >= MOST_CHECKPOINTS => None,
        None => {
            let message = format!("{} is kept no more: its job removed it since the sweep began", target.name);
            Some(("CheckpointRemoved", message))
        }
    }
}

/// Why pods of the sweep cannot read a target at all.
pub(super) fn unreachable(target: &SweepTarget, run_namespace: &str) -> Option<(&'static str, String)> {
    let checkpoint = target.checkpoint.as_ref()?;
    if target.uri.starts_with("file://") {
        let message = format!(
            "{} lives and dies with its trainer's pod: spec.checkpoint.storage of RealTrainingJob {}/{} names no volume",
            target.name, checkpoint.namespace, checkpoint.job
        );
        return Some(("CheckpointNotStored", message));
    }
    if target.uri.starts_with("pvc://") && checkpoint.namespace != run_namespace {
        let message = format!(
            "{} lies on a claim of namespace {}, which pods of {run_namespace} cannot mount: set runNamespace to {}",
            target.name, checkpoint.namespace, checkpoint.namespace
        );
        return Some(("CheckpointElsewhere", message));
    }
    None
}

/// What was followed before, and what is new; of more than a status has room for the latest.
pub(super) fn followed(had: &[SweepTarget], now: Vec<SweepTarget>) -> Vec<SweepTarget> {
    let mut known: HashSet<(String, Option<String>)> = had.iter().map(identity).collect();
    let mut all = had.to_vec();
    all.extend(now.into_iter().filter(|target| known.insert(identity(target))));
    let surplus = all.len().saturating_sub(MOST_TARGETS);
    all.drain(..surplus);
    all
}

fn identity(target: &SweepTarget) -> (String, Option<String>) {
    (target.uri.clone(), target.checkpoint.as_ref().map(|checkpoint| checkpoint.sha256.clone()))
}

/// Namespaces whose jobs count.
fn namespaces<'a>(sweep: &RealEvalSweep, observed: &'a Observed, notes: &mut Vec<String>) -> BTreeSet<&'a str> {
    let selected = |namespace: &&NamespaceSeen| match &sweep.spec.namespace_selector {
        Some(selector) => matches(&selector.match_labels, &namespace.labels),
        None => namespace.name == sweep.spec.run_namespace,
    };
    let selected: Vec<&NamespaceSeen> = observed.namespaces.iter().filter(selected).collect();
    let names = |holds: &dyn Fn(&NamespaceSeen) -> bool| {
        let mut names: Vec<String> =
            selected.iter().filter(|one| holds(one)).map(|namespace| namespace.name.clone()).collect();
        names.sort_unstable();
        names
    };
    // An empty selector matches the whole cluster; that most of it does not take part is no news.
    let closed = names(&|namespace| !allows(namespace));
    if !closed.is_empty() && sweep.spec.namespace_selector.as_ref().is_none_or(|it| !it.match_labels.is_empty()) {
        notes.push(format!("namespaces without the label {OPT_IN}={ALLOWED} are left out: {}", some(&closed)));
    }
    let unwatched = names(&|namespace| allows(namespace) && !namespace.watched);
    if !unwatched.is_empty() {
        notes.push(format!("namespaces that this operator does not watch are left out: {}", some(&unwatched)));
    }
    let open = selected.iter().filter(|namespace| allows(namespace) && namespace.watched);
    open.map(|namespace| namespace.name.as_str()).collect()
}

fn matches(wanted: &BTreeMap<String, String>, labels: &BTreeMap<String, String>) -> bool {
    wanted.iter().all(|(key, value)| labels.get(key) == Some(value))
}

/// Checkpoints of a job, the earliest first.
fn checkpoints(choice: CheckpointChoice, job: &RealTrainingJob) -> Vec<&CheckpointRecord> {
    let Some(status) = &job.status else { return Vec::new() };
    let mut all: Vec<&CheckpointRecord> = status.checkpoints.iter().collect();
    all.sort_by_key(|checkpoint| checkpoint.step);
    match choice {
        CheckpointChoice::All => all,
        CheckpointChoice::Latest => all.pop().into_iter().collect(),
        CheckpointChoice::Best => {
            let best = status.best_checkpoint.as_deref().unwrap_or_default();
            all.into_iter().filter(|checkpoint| format!("step-{}", checkpoint.step) == best).collect()
        }
    }
}

fn target(job: &RealTrainingJob, checkpoint: &CheckpointRecord) -> SweepTarget {
    let (namespace, name) = (job.namespace().unwrap_or_default(), job.name_any());
    SweepTarget {
        name: format!("{namespace}/{name}@step-{}", checkpoint.step),
        uri: checkpoint.uri.clone(),
        checkpoint: Some(SweepCheckpoint {
            namespace,
            job: name,
            step: checkpoint.step,
            sha256: checkpoint.sha256.clone(),
        }),
        time: None,
    }
}

/// The first few names.
fn some(names: &[String]) -> String {
    let shown = names[..names.len().min(MOST_NAMES)].join(", ");
    match names.len().saturating_sub(MOST_NAMES) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
