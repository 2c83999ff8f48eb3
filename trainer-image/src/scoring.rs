//! Scoring beside generation: answers go to the services as they finish, while others are still being written.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use real_datasets::Task;
use real_reward::{Scored, Scorer, Unscored};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use crate::train::stop::Stop;

/// How often waiting looks up to see whether it should stop.
const LOOK_UP: Duration = Duration::from_millis(100);

/// Hands answers to a [`Scorer`] on a tokio runtime of other threads.
#[derive(Clone)]
pub struct Scoring {
    handle: Handle,
    scorer: Arc<Scorer>,
}

/// The outcome for one answer: a reward with its parts, or why there is none.
pub type Outcome = Result<Scored, Unscored>;

impl Scoring {
    /// Scores on `handle`'s runtime.
    pub fn new(handle: Handle, scorer: Scorer) -> Self {
        Self { handle, scorer: Arc::new(scorer) }
    }

    /// Where requests go, for messages.
    pub fn services(&self) -> String {
        let config = self.scorer.config();
        let all: Vec<&str> = config.detectors.iter().chain(&config.sandboxes).map(url::Url::as_str).collect();
        all.join(", ")
    }

    /// Weight of quality in a reward.
    pub fn alpha(&self) -> f64 {
        self.scorer.config().alpha
    }

    /// Starts a set of answers.
    pub fn begin(&self) -> Pending {
        Pending {
            scoring: self.clone(),
            running: JoinSet::new(),
            leaders: HashMap::new(),
            followers: Vec::new(),
            count: 0,
            spans: Vec::new(),
        }
    }
}

/// Answers that are being scored. The same answer to the same task is scored once: its program would run on the same
/// tests and be analysed by the same rules.
pub struct Pending {
    scoring: Scoring,
    running: JoinSet<(usize, Outcome, Span)>,
    /// Which answer was the first of its kind.
    leaders: HashMap<Question, usize>,
    /// Answers that are like an earlier one, and which.
    followers: Vec<(usize, usize)>,
    count: usize,
    /// When each answer was being scored, of those that have an outcome.
    spans: Vec<Span>,
}

/// From when to when.
type Span = (Instant, Instant);

/// How long at least one of the spans lasted.
fn covered(mut spans: Vec<Span>) -> Duration {
    spans.sort();
    let mut sum = Duration::ZERO;
    let mut until: Option<Instant> = None;
    for (from, to) in spans {
        let from = until.map_or(from, |until| until.max(from));
        sum += to.saturating_duration_since(from);
        until = Some(until.map_or(to, |until| until.max(to)));
    }
    sum
}

/// All that a reward depends on, apart from the configuration.
#[derive(PartialEq, Eq, Hash)]
struct Question {
    dataset: String,
    task: String,
    answer: String,
    test_seed: u64,
}

impl Pending {
    /// Sends off an answer. `index` says which one it is, from 0 without gaps; `test_seed` draws its tests where
    /// their number is limited.
    pub fn submit(&mut self, index: usize, task: Arc<Task>, answer: String, test_seed: u64) {
        self.count += 1;
        let (dataset, id) = (task.dataset.clone(), task.id.clone());
        match self.leaders.entry(Question { dataset, task: id, answer: answer.clone(), test_seed }) {
            Entry::Occupied(leader) => self.followers.push((index, *leader.get())),
            Entry::Vacant(place) => {
                place.insert(index);
                let scorer = Arc::clone(&self.scoring.scorer);
                let score = async move {
                    let from = Instant::now();
                    let outcome = scorer.score_with(&task, &answer, test_seed).await;
                    (index, outcome, (from, Instant::now()))
                };
                self.running.spawn_on(score, &self.scoring.handle);
            }
        }
    }

    /// Waits for all outcomes, in the order of their indices; none where `stop` was requested meanwhile.
    pub fn wait(&mut self, stop: &Stop) -> anyhow::Result<Option<Vec<Outcome>>> {
        let mut outcomes: Vec<Option<Outcome>> = (0..self.count).map(|_| None).collect();
        let handle = self.scoring.handle.clone();
        handle.block_on(async {
            while !self.running.is_empty() {
                if stop.requested() {
                    return Ok(None);
                }
                let Ok(Some(joined)) = tokio::time::timeout(LOOK_UP, self.running.join_next()).await else { continue };
                let (index, outcome, span) = joined.context("scoring an answer panicked")?;
                *outcomes.get_mut(index).context("answers are numbered without gaps")? = Some(outcome);
                self.spans.push(span);
            }
            for (follower, leader) in &self.followers {
                let outcome = outcomes[*leader].clone();
                outcomes[*follower] = outcome;
            }
            outcomes.into_iter().collect::<Option<Vec<_>>>().context("an answer was submitted twice").map(Some)
        })
    }

    /// Seconds in which at least one answer was being scored, up to now.
    pub fn seconds(&self) -> f64 {
        covered(self.spans.clone()).as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_that_several_answers_share_counts_once_and_gaps_not_at_all() {
        let start = Instant::now();
        let span = |from: u64, to: u64| (start + Duration::from_secs(from), start + Duration::from_secs(to));
        assert_eq!(covered(vec![]), Duration::ZERO);
        let spans = vec![span(20, 25), span(0, 4), span(2, 3), span(3, 7), span(22, 23), span(24, 30)];
        assert_eq!(covered(spans), Duration::from_secs(7 + 10));
    }
}
