//! Scoring beside generation: answers go to the services as they finish, while others are still being written.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

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
        }
    }
}

/// Answers that are being scored. The same answer to the same task is scored once: its program would run on the same
/// tests and be analysed by the same rules.
pub struct Pending {
    scoring: Scoring,
    running: JoinSet<(usize, Outcome)>,
    /// Which answer was the first of its kind.
    leaders: HashMap<Question, usize>,
    /// Answers that are like an earlier one, and which.
    followers: Vec<(usize, usize)>,
    count: usize,
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
                let score = async move { (index, scorer.score_with(&task, &answer, test_seed).await) };
                self.running.spawn_on(score, &self.scoring.handle);
            }
        }
    }

    /// Waits for all outcomes, in the order of their indices; none where `stop` was requested meanwhile.
    pub fn wait(mut self, stop: &Stop) -> anyhow::Result<Option<Vec<Outcome>>> {
        let mut outcomes: Vec<Option<Outcome>> = (0..self.count).map(|_| None).collect();
        let handle = self.scoring.handle.clone();
        handle.block_on(async {
            while !self.running.is_empty() {
                if stop.requested() {
                    return Ok(None);
                }
                let Ok(Some(joined)) = tokio::time::timeout(LOOK_UP, self.running.join_next()).await else { continue };
                let (index, outcome) = joined.context("scoring an answer panicked")?;
                *outcomes.get_mut(index).context("answers are numbered without gaps")? = Some(outcome);
            }
            for (follower, leader) in self.followers {
                let outcome = outcomes[leader].clone();
                outcomes[follower] = outcome;
            }
            outcomes.into_iter().collect::<Option<Vec<_>>>().context("an answer was submitted twice").map(Some)
        })
    }
}
