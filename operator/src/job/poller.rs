//! Asks rank 0 of running jobs how far they are: each about once an interval, few at a time, none for long.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use kube::runtime::reflector::ObjectRef;
use rand::RngExt as _;
use real_crds::progress::Progress;
use real_crds::v1alpha1::{RealTrainingJob, RealTrainingJobStatus};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::debug;

use super::{Poll, Report};

/// A trainer that does not answer within this is asked again later.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Trainers asked at once.
const AT_ONCE: usize = 64;
/// Longest answer that is read: a trainer runs code of others beside it.
const LONGEST_ANSWER: usize = 1 << 20;
/// Between two looks for polls that are due.
const TICK: Duration = Duration::from_millis(250);

/// The polls of all jobs, by uid.
pub(crate) struct Poller {
    interval: Duration,
    http: reqwest::Client,
    polls: Mutex<HashMap<String, Entry>>,
    triggers: UnboundedSender<ObjectRef<RealTrainingJob>>,
}

struct Entry {
    job: ObjectRef<RealTrainingJob>,
    poll: Option<Poll>,
    due: Instant,
    /// Whether an answer is awaited: a trainer is asked one question at a time.
    asked: bool,
    report: Option<Heard>,
    /// The step that the status had when this began, and since when at the latest.
    told: Option<(u64, Instant)>,
}

/// What rank 0 said. Not by the time of day since when its step has been what it is: where the clock jumps, nothing hangs.
struct Heard {
    progress: Progress,
    at: Timestamp,
    step_since: Instant,
}

impl Poller {
    pub(crate) fn new(
        interval: Duration,
        triggers: UnboundedSender<ObjectRef<RealTrainingJob>>,
    ) -> Result<Self, reqwest::Error> {
        // A redirect would lead out of the pod.
        let http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()?;
        Ok(Self { interval, http, polls: Mutex::new(HashMap::new()), triggers })
    }

    /// Where `job` is to be asked from now on; nowhere ends it. What was heard is kept until the job is forgotten.
    ///
    /// `status` is what an operator before this one may have heard: a run that stands still does so whoever looks.
    pub(crate) fn set(
        &self,
        uid: &str,
        job: ObjectRef<RealTrainingJob>,
        poll: Option<Poll>,
        status: Option<&RealTrainingJobStatus>,
    ) {
        let mut polls = self.lock();
        match (polls.get_mut(uid), poll) {
            (None, None) => {}
            (Some(entry), poll) if entry.poll == poll => {}
            (Some(entry), poll) => (entry.poll, entry.due) = (poll, Instant::now()),
            (None, poll) => {
                let told = status.and_then(|status| status.progress.as_ref());
                let told = told.and_then(|told| Some((told.step, instant(told.last_update_time.as_ref()?.0))));
                polls
                    .insert(uid.to_owned(), Entry { job, poll, due: Instant::now(), asked: false, report: None, told });
            }
        }
    }

    /// What was last heard of a job.
    pub(crate) fn report(&self, uid: &str) -> Option<Report> {
        let polls = self.lock();
        let heard = polls.get(uid)?.report.as_ref()?;
        let step_since = time(heard.step_since);
        Some(Report { progress: heard.progress.clone(), heard: heard.at, step_since })
    }

    /// Since when an attempt of a job has been at its step, as far as it was heard.
    pub(crate) fn step_since(&self, uid: &str, attempt: u32) -> Option<Timestamp> {
        let polls = self.lock();
        let heard = polls.get(uid)?.report.as_ref().filter(|heard| heard.progress.attempt == u64::from(attempt))?;
        Some(time(heard.step_since))
    }

    /// Forgets jobs that are gone or over.
    pub(crate) fn retain(&self, exists: impl Fn(&str) -> bool) {
        self.lock().retain(|uid, _| exists(uid));
    }

    /// Asks for ever.
    pub(crate) async fn run(self: Arc<Self>) {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        let mut asking = JoinSet::new();
        loop {
            tokio::time::sleep(TICK).await;
            while asking.try_join_next().is_some() {}
            for (uid, poll) in self.due() {
                let (poller, places) = (self.clone(), places.clone());
                asking.spawn(async move {
                    let Ok(_place) = places.acquire().await else { return };
                    match poller.ask(&poll.url).await {
                        Ok(progress) => poller.heard(&uid, &poll, progress),
                        Err(error) => debug!(url = poll.url, %error, "a trainer did not answer"),
                    }
                    poller.over(&uid);
                });
            }
        }
    }

    fn due(&self) -> Vec<(String, Poll)> {
        let now = Instant::now();
        let mut due = Vec::new();
        for (uid, entry) in self.lock().iter_mut().filter(|(_, entry)| entry.due <= now && !entry.asked) {
            if let Some(poll) = &entry.poll {
                // A fifth more or less, so that jobs that started together do not stay together.
                entry.due = now + self.interval.mul_f64(rand::rng().random_range(0.8..=1.2));
                entry.asked = true;
                due.push((uid.clone(), poll.clone()));
            }
        }
        due
    }

    /// The job was asked, whatever came of it.
    fn over(&self, uid: &str) {
        if let Some(entry) = self.lock().get_mut(uid) {
            entry.asked = false;
        }
    }

    async fn ask(&self, url: &str) -> anyhow::Result<Progress> {
        let mut answer = self.http.get(url).send().await?.error_for_status()?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            body.extend_from_slice(&chunk);
            anyhow::ensure!(body.len() <= LONGEST_ANSWER, "more than {LONGEST_ANSWER} bytes");
        }
        Ok(serde_json::from_slice(&body)?)
    }

    fn heard(&self, uid: &str, poll: &Poll, progress: Progress) {
        let now = Instant::now();
        let mut polls = self.lock();
        let Some(entry) = polls.get_mut(uid).filter(|entry| entry.poll.as_ref() == Some(poll)) else { return };
        let before = entry.report.take();
        let same = |report: &Heard| got(&report.progress) == got(&progress);
        let told = entry.told.filter(|(step, _)| before.is_none() && *step == progress.step).map(|(_, since)| since);
        let step_since =
            before.as_ref().filter(|report| same(report)).map(|report| report.step_since).or(told).unwrap_or(now);
        let news = before.is_none_or(|report| report.progress.sequence != progress.sequence || !same(&report));
        entry.report = Some(Heard { progress, at: Timestamp::now(), step_since });
        if news {
            // The receiver ends with the controller, and this with it.
            let _ = self.triggers.send(entry.job.clone());
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        // Entries are whole at all times, so a panic elsewhere spoils nothing.
        self.polls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The time of day of a moment that has passed.
pub(crate) fn time(moment: Instant) -> Timestamp {
    Timestamp::now().checked_sub(moment.elapsed()).unwrap_or(Timestamp::MIN)
}

/// The moment of a time of day that has passed; now where none can be so long ago.
fn instant(time: Timestamp) -> Instant {
    let passed = Duration::try_from(Timestamp::now().duration_since(time)).unwrap_or_default();
    Instant::now().checked_sub(passed).unwrap_or_else(Instant::now)
}

/// How far a run has got: what an attempt does that is not lost if it stands still now.
fn got(progress: &Progress) -> (u64, u64, usize, Option<u64>) {
    let checkpoint = progress.checkpoints.last().map(|checkpoint| checkpoint.step);
    (progress.attempt, progress.step, progress.evaluations.len(), checkpoint)
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::unbounded_channel;

    use super::*;

    #[test]
    fn a_trainer_that_does_not_answer_is_asked_one_question_at_a_time() {
        let poller = Poller::new(Duration::ZERO, unbounded_channel().0).unwrap();
        for uid in 0..100 {
            let poll = Poll { attempt: 1, url: format!("http://192.0.2.1:{uid}/v1/progress") };
            poller.set(&uid.to_string(), ObjectRef::new("a").within("ml"), Some(poll), None);
        }
        assert_eq!(poller.due().len(), 100);
        assert!((0..10).all(|_| poller.due().is_empty()), "all are asked, and none has answered");
        poller.over("7");
        assert_eq!(poller.due().into_iter().map(|(uid, _)| uid).collect::<Vec<_>>(), ["7"]);
    }
}
