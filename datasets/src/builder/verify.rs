//! Candidates become tasks only after the sandbox has run them.

use futures::StreamExt as _;
use real_sandbox_api::{BatchRequest, BatchResponse, Check, Group, Status, Test};
use serde::{Deserialize, Serialize};

use super::candidate::{Candidate, candidate};
use super::form::Form;
use super::words::Split;
use crate::Task;

/// Why a sandbox gave no answer.
pub type RunError = Box<dyn std::error::Error + Send + Sync>;

/// Something that runs programs: a sandbox.
pub trait Runner: Sync {
    /// Runs one program against its tests.
    ///
    /// # Errors
    /// The sandbox could not be asked; a failing program is an answer, not an error.
    fn run(&self, request: BatchRequest) -> impl Future<Output = Result<BatchResponse, RunError>> + Send;
}

impl<F, Answer> Runner for F
where
    F: Fn(BatchRequest) -> Answer + Sync,
    Answer: Future<Output = Result<BatchResponse, RunError>> + Send,
{
    fn run(&self, request: BatchRequest) -> impl Future<Output = Result<BatchResponse, RunError>> + Send {
        self(request)
    }
}

/// What to build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuildOptions {
    /// Tasks wanted.
    pub count: usize,
    /// Seed: the same tasks every time.
    pub seed: u64,
    /// Whose schemas to use.
    pub split: Split,
    /// How the tasks are worded.
    pub form: Form,
    /// Candidates verified at the same time.
    pub concurrency: usize,
}

/// What became of a candidate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// The sandbox confirms it.
    Task(Box<Task>),
    /// It is no task.
    Rejected {
        /// The candidate.
        id: String,
        /// Why.
        reason: String,
    },
}

/// What was built.
#[derive(Debug, Default)]
pub struct Built {
    /// The tasks, in the order of their candidates.
    pub tasks: Vec<Task>,
    /// Candidates that were not kept, and why.
    pub rejected: Vec<(String, String)>,
}

impl Built {
    /// Takes the next candidate's outcome.
    pub fn add(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Task(task) => self.tasks.push(*task),
            Outcome::Rejected { id, reason } => self.rejected.push((id, reason)),
        }
    }

    /// Candidates so far, which is the number of the next one.
    pub fn candidates(&self) -> usize {
        self.tasks.len() + self.rejected.len()
    }
}

/// Why nothing was built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The sandbox could not be asked.
    #[error("task {task}: the sandbox gave no answer: {reason}")]
    Runner {
        /// The candidate at hand.
        task: String,
        /// The runner's reason.
        reason: RunError,
    },
    /// The sandbox's answer says nothing of the program, again and again.
    #[error("task {task}: the sandbox failed {attempts} times: {detail}")]
    Sandbox {
        /// The candidate at hand.
        task: String,
        /// Attempts made.
        attempts: usize,
        /// What it said.
        detail: String,
    },
    /// What became of a candidate could not be kept.
    #[error("cannot keep what was built: {0}")]
    Keep(std::io::Error),
    /// Far more candidates fail than should.
    #[error("gave up: {rejected} of {tried} candidates were rejected, the last one, {task}, because {reason}")]
    TooManyRejected {
        /// Candidates rejected.
        rejected: usize,
        /// Candidates tried.
        tried: usize,
        /// The last one.
        task: String,
        /// Why the last one was rejected.
        reason: String,
    },
}

/// Times a batch is tried again when the sandbox, not the program, failed.
const ATTEMPTS: usize = 3;

/// Generates candidates and keeps those that the sandbox confirms, until there are enough; goes on after what an earlier call
/// `built`. `keep` gets each candidate's outcome in turn.
///
/// # Errors
/// The sandbox failed, or rejects most candidates, or an outcome could not be kept.
pub async fn build<R: Runner>(
    options: BuildOptions,
    mut built: Built,
    runner: &R,
    mut keep: impl FnMut(&Outcome) -> std::io::Result<()>,
) -> Result<Built, BuildError> {
    let outcomes = futures::stream::iter(built.candidates() as u64..)
        .map(|index| async move {
            let candidate = candidate(options.form, options.split, options.seed, index);
            let id = candidate.task.id.clone();
            verify(candidate, runner).await.map(|outcome| match outcome {
                Ok(task) => Outcome::Task(Box::new(task)),
                Err(reason) => Outcome::Rejected { id, reason },
            })
        })
        .buffered(options.concurrency.max(1));
    let mut outcomes = std::pin::pin!(outcomes);
    while built.tasks.len() < options.count {
        let Some(outcome) = outcomes.next().await else { break };
        let outcome = outcome?;
        keep(&outcome).map_err(BuildError::Keep)?;
        built.add(outcome);
        let (rejected, tried) = (built.rejected.len(), built.candidates());
        if let Some((task, reason)) = built.rejected.last().filter(|_| rejected >= 20 && rejected * 2 > tried) {
            return Err(BuildError::TooManyRejected { rejected, tried, task: task.clone(), reason: reason.clone() });
        }
    }
    Ok(built)
}

/// Runs a candidate's two programs. `Ok` holds the task with those attacks that work, `Err` why it is no task.
///
/// # Errors
/// The sandbox failed: that says nothing about the candidate.
pub async fn verify<R: Runner>(candidate: Candidate, runner: &R) -> Result<Result<Task, String>, BuildError> {
    let Candidate { mut task, safe_outputs } = candidate;
    let functional = task.tests.len();
    let mut tests = task.tests.clone();
    tests.extend(task.attacks.iter().zip(safe_outputs).map(|(attack, stdout)| Test {
        name: None,
        group: Group::Safety,
        check: Check::Stdin { stdin: attack.clone(), stdout },
    }));
    let [reference, variant] = task.solutions.as_slice() else {
        return Ok(Err("it does not have a reference and a variant".to_owned()));
    };
    let reference = statuses(&task, &reference.code, &tests, runner).await?;
    if let Some(place) = reference.iter().position(|status| *status != Status::Passed) {
        return Ok(Err(format!("the reference's test {place} is {:?}", reference[place])));
    }
    let variant = statuses(&task, &variant.code, &tests, runner).await?;
    if let Some(place) = variant[..functional].iter().position(|status| *status != Status::Passed) {
        return Ok(Err(format!("the variant's test {place} is {:?}", variant[place])));
    }
    // The attack worked where the variant answers otherwise than the reference, or breaks.
    let worked = |status: &Status| matches!(status, Status::WrongAnswer | Status::RuntimeError);
    let mut outcomes = variant[functional..].iter();
    task.attacks.retain(|_| outcomes.next().is_some_and(worked));
    if task.attacks.is_empty() {
        return Ok(Err("no attack changes what the variant returns".to_owned()));
    }
    Ok(Ok(task))
}

/// What became of each test.
///
/// # Errors
/// The sandbox failed, again and again.
pub(super) async fn statuses<R: Runner>(
    task: &Task,
    program: &str,
    tests: &[Test],
    runner: &R,
) -> Result<Vec<Status>, BuildError> {
    let mut detail = String::new();
    for _ in 0..ATTEMPTS {
        let request = BatchRequest {
            id: Some(task.id.clone()),
            program: program.to_owned(),
            setup: task.setup.clone(),
            tests: tests.to_vec(),
            comparison: task.comparison,
            limits: task.limits,
            stop_at_first_failure: false,
        };
        let response =
            runner.run(request).await.map_err(|reason| BuildError::Runner { task: task.id.clone(), reason })?;
        let complete = response.results.len() == tests.len();
        match response.results.iter().find(|result| !result.status.is_verdict()) {
            None if complete => return Ok(response.results.into_iter().map(|result| result.status).collect()),
            None => detail = format!("{} results for {} tests", response.results.len(), tests.len()),
            Some(result) => detail.clone_from(&result.detail),
        }
    }
    Err(BuildError::Sandbox { task: task.id.clone(), attempts: ATTEMPTS, detail })
}
