//! The data sets to evaluate on.

use std::collections::BTreeMap;

use anyhow::Context as _;
use real_datasets::Task;
use real_evaluation::leak::Leak;
use real_evaluation::report::SuiteReport;

/// A suite with its tasks.
pub(super) struct Loaded {
    /// Its name.
    pub(super) name: String,
    /// Where it came from.
    pub(super) uri: String,
    /// Its tasks by id.
    pub(super) tasks: BTreeMap<String, Task>,
    leak: Option<Leak>,
}

impl Loaded {
    /// What is to be said of it.
    pub(super) fn report(&self) -> SuiteReport {
        SuiteReport {
            name: self.name.clone(),
            storage_uri: self.uri.clone(),
            tasks: self.tasks.len(),
            leak: self.leak.clone(),
        }
    }
}

/// Loads every suite, and looks for its tasks in the training sets. Blocks, for as long as a server takes.
pub(super) fn load(
    suites: &[(String, String)],
    trained_on: &[String],
    limit: Option<usize>,
) -> anyhow::Result<Vec<Loaded>> {
    let mut train = Vec::new();
    for uri in trained_on {
        train.extend(real_datasets::load(uri).with_context(|| format!("--train {uri}"))?);
    }
    let load = |(name, uri): &(String, String)| {
        let mut tasks = real_datasets::load(uri).with_context(|| format!("suite {name}"))?;
        tasks.truncate(limit.unwrap_or(usize::MAX));
        anyhow::ensure!(!tasks.is_empty(), "suite {name}: --limit 0 leaves no task");
        let leak = (!train.is_empty()).then(|| Leak::between(&train, &tasks));
        let tasks = tasks.into_iter().map(|task| (task.id.clone(), task)).collect();
        Ok(Loaded { name: name.clone(), uri: uri.clone(), tasks, leak })
    };
    suites.iter().map(load).collect()
}
