//! Entries of a request, each judged by itself.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use futures::future::join_all;
use real_datasets::Task;

use super::tasks::Tasks;
use crate::{Scored, Scorer};

/// What the routes share.
pub(super) struct Server {
    pub(super) scorer: Scorer,
    pub(super) tasks: Tasks,
    counts: Mutex<Counts>,
}

/// Entries judged since the start.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    pub(super) scored: u64,
    /// Entries without a reward, by cause.
    pub(super) dropped: BTreeMap<&'static str, u64>,
    /// Entries whose program no analysis comes to an end with, by cause: they have a reward, and are not clean.
    pub(super) unanalysed: BTreeMap<&'static str, u64>,
}

/// An answer and the task that it belongs to.
pub(super) struct Entry<'a> {
    pub(super) task: &'a Task,
    pub(super) answer: &'a str,
}

/// Why an entry has no reward.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Missing {
    pub(super) reason: String,
    /// Whether that is our failure and not the request's.
    pub(super) ours: bool,
    /// A short name for counters.
    cause: &'static str,
}

/// What became of an entry.
pub(super) type Judged = Result<Scored, Missing>;

impl Server {
    pub(super) fn new(scorer: Scorer, tasks: Tasks) -> Self {
        Self { scorer, tasks, counts: Mutex::default() }
    }

    /// Scores all entries at once; those that cannot be read are passed on.
    pub(super) async fn judge(&self, entries: &[Result<Entry<'_>, String>]) -> Vec<Judged> {
        let one = async |entry: &Result<Entry<'_>, String>| match entry {
            Err(reason) => Err(Missing { reason: reason.clone(), ours: false, cause: "bad_request" }),
            Ok(Entry { task, answer }) => self.scorer.score(task, answer).await.map_err(|unscored| Missing {
                reason: format!("task {}: {unscored}", task.id),
                ours: true,
                cause: unscored.reason.label(),
            }),
        };
        let judged: Vec<Judged> = join_all(entries.iter().map(one)).await;
        self.count(&judged);
        let missing: Vec<&Missing> = judged.iter().filter_map(|one| one.as_ref().err()).collect();
        if let Some(Missing { reason, .. }) = missing.first() {
            tracing::warn!("{} of {} answers have no reward; the first: {reason}", missing.len(), judged.len());
        }
        judged
    }

    fn count(&self, judged: &[Judged]) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        for one in judged {
            match one {
                Ok(scored) => {
                    counts.scored += 1;
                    if let Some(why) = &scored.unanalysed {
                        *counts.unanalysed.entry(why.cause.label()).or_default() += 1;
                    }
                }
                Err(missing) => *counts.dropped.entry(missing.cause).or_default() += 1,
            }
        }
    }

    /// What was judged so far.
    pub(super) fn counts(&self) -> Counts {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A number for every entry: where it has none, the mean of those of its group, else of all. `groups` says which entries are
/// answers to the same task; with a baseline by group such a number gives no advantage. At least one entry has a number.
pub(super) fn fill<K: PartialEq>(values: &[Option<f64>], groups: &[K]) -> Vec<f64> {
    let mean = |of: &dyn Fn(usize) -> bool| {
        let known: Vec<f64> =
            values.iter().enumerate().filter(|(at, _)| of(*at)).filter_map(|(_, value)| *value).collect();
        (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
    };
    let filled = |at: usize| mean(&|other| groups[other] == groups[at]).or_else(|| mean(&|_| true)).unwrap_or_default();
    values.iter().enumerate().map(|(at, value)| value.unwrap_or_else(|| filled(at))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_reward_gets_the_mean_of_its_group_or_of_all() {
        let values = [Some(1.0), None, Some(0.0), Some(-1.0), None];
        assert_eq!(fill(&values, &["a", "a", "a", "b", "c"]), [1.0, 0.5, 0.0, -1.0, 0.0]);
    }
}
