//! Asks for analyses, several programs a request.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::future::join_all;
use real_detector_api::{Analysis, AnalysisError, AnalyzeRequest, AnalyzeResponse, Checks, MAX_PROGRAM_BYTES, Program};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout_at};
use url::Url;

use super::network::Network;
use super::pool::Pool;
use super::{Failure, backoff};
use crate::{Reason, Service};

/// How long the first program of a micro-batch waits for company.
const WINDOW: Duration = Duration::from_millis(3);
/// Most programs a request.
const BATCH: usize = 32;
/// How often a program is tried whose analysis failed for the detector's own reasons.
const MOST_ROUNDS: u32 = 3;

type Outcome = Result<(Analysis, u32), Failure>;

#[derive(Clone)]
pub(crate) struct DetectorClient(Arc<Shared>);

struct Shared {
    pool: Pool,
    waiting: Mutex<VecDeque<Waiting>>,
}

struct Waiting {
    code: String,
    checks: Checks,
    deadline: Instant,
    answer: oneshot::Sender<Outcome>,
}

impl DetectorClient {
    pub(crate) fn new(network: &Network, urls: &[Url]) -> Self {
        let pool = Pool::new(Service::Detector, network, urls);
        Self(Arc::new(Shared { pool, waiting: Mutex::new(VecDeque::new()) }))
    }

    /// Analyses one program; a failure of the detector's own is tried again.
    pub(crate) async fn analyze(&self, code: String, checks: Checks, deadline: Instant) -> Outcome {
        if code.len() > MAX_PROGRAM_BYTES {
            // A request with it could be larger than what the detector takes, which would look like a fault of ours.
            let error = Some(AnalysisError::too_large(code.len()));
            return Ok((Analysis { id: String::new(), findings: Vec::new(), types: None, error, millis: 0.0 }, 0));
        }
        let mut attempts = 0;
        for round in 1.. {
            let (analysis, tries) = self
                .submit(code.clone(), checks.clone(), deadline)
                .await
                .map_err(|failure| Failure { attempts: attempts + failure.attempts, ..failure })?;
            attempts += tries;
            let failed = analysis.error.as_ref().is_some_and(|error| !error.kind.is_verdict());
            let pause = backoff::delay(round, rand::random());
            if !failed || round == MOST_ROUNDS || Instant::now() + pause >= deadline {
                return Ok((analysis, attempts));
            }
            sleep(pause).await;
        }
        unreachable!("the last round returns")
    }

    /// Waits in line for the next micro-batch.
    async fn submit(&self, code: String, checks: Checks, deadline: Instant) -> Outcome {
        let (answer, outcome) = oneshot::channel();
        let first = {
            let mut waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.push_back(Waiting { code, checks, deadline, answer });
            waiting.len() == 1
        };
        if first {
            // A task of its own: it must send the batch even if the caller that started it goes away.
            let shared = Arc::clone(&self.0);
            tokio::spawn(async move {
                sleep(WINDOW).await;
                shared.send_all().await;
            });
        }
        let lost = |last: &str| {
            let reason = Reason::Deadline { service: Service::Detector, last: last.to_owned() };
            Err(Failure { reason, attempts: 1 })
        };
        match timeout_at(deadline.into(), outcome).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => lost("the request was abandoned"),
            Err(_) => lost("still waiting for its micro-batch"),
        }
    }
}

impl Shared {
    /// Sends everything that waits, in requests of programs that want the same checks.
    async fn send_all(&self) {
        let mut waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        let mut batches = Vec::new();
        while let Some(first) = waiting.pop_front() {
            let mut batch = vec![first];
            let mut others = VecDeque::with_capacity(waiting.len());
            for next in waiting {
                if batch.len() < BATCH && next.checks == batch[0].checks {
                    batch.push(next);
                } else {
                    others.push_back(next);
                }
            }
            waiting = others;
            batches.push(self.send(batch));
        }
        join_all(batches).await;
    }

    async fn send(&self, mut batch: Vec<Waiting>) {
        batch.retain(|waiting| !waiting.answer.is_closed());
        match self.request(&batch).await {
            Ok((analyses, attempts)) => {
                for (waiting, analysis) in batch.into_iter().zip(analyses) {
                    // A caller that gave up needs no answer.
                    let _ = waiting.answer.send(Ok((analysis, attempts)));
                }
            }
            // One program may be what the detector stumbles over: the others must not suffer.
            Err(failure) if batch.len() > 1 && !out_of_time(&batch) => {
                tracing::debug!("micro-batch of {} programs sent one by one: {}", batch.len(), failure.reason);
                join_all(batch.into_iter().map(|waiting| async {
                    let outcome = self.request(std::slice::from_ref(&waiting)).await;
                    let outcome = outcome.and_then(|(mut analyses, attempts)| {
                        analyses.pop().map(|analysis| (analysis, attempts)).ok_or_else(|| wrong_count(0, 1, attempts))
                    });
                    let _ = waiting.answer.send(outcome);
                }))
                .await;
            }
            Err(failure) => {
                for waiting in batch {
                    let _ = waiting.answer.send(Err(failure.clone()));
                }
            }
        }
    }

    async fn request(&self, batch: &[Waiting]) -> Result<(Vec<Analysis>, u32), Failure> {
        let Some(deadline) = batch.iter().map(|waiting| waiting.deadline).max() else {
            return Ok((Vec::new(), 0));
        };
        let program =
            |(index, waiting): (usize, &Waiting)| Program { id: index.to_string(), code: waiting.code.clone() };
        let request = AnalyzeRequest {
            programs: batch.iter().enumerate().map(program).collect(),
            checks: batch[0].checks.clone(),
        };
        let (answer, attempts): (AnalyzeResponse, u32) = self.pool.post("/v1/analyze", &request, deadline).await?;
        let in_order = answer.results.iter().enumerate().all(|(index, analysis)| analysis.id == index.to_string());
        if answer.results.len() == batch.len() && in_order {
            return Ok((answer.results, attempts));
        }
        Err(wrong_count(answer.results.len(), batch.len(), attempts))
    }
}

fn out_of_time(batch: &[Waiting]) -> bool {
    batch.iter().all(|waiting| waiting.deadline <= Instant::now())
}

fn wrong_count(results: usize, programs: usize, attempts: u32) -> Failure {
    let what = format!("{results} results for {programs} programs, or in another order");
    Failure { reason: Reason::Unreadable { service: Service::Detector, what }, attempts }
}
