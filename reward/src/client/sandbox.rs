//! Runs a program's tests, some again where the sandbox failed at them.

use std::time::Instant;

use futures::future::try_join_all;
use real_datasets::Task;
use real_sandbox_api::{BatchRequest, BatchResponse, Status, Test, TestResult};
use tokio::time::sleep;
use url::Url;

use super::network::Network;
use super::pool::Pool;
use super::{Failure, backoff};
use crate::profile::TestRun;
use crate::selection::named;
use crate::{Reason, Service};

/// How often a test is tried that the sandbox itself failed at.
const MOST_ROUNDS: u32 = 4;
/// Tests per request: few enough that a lost request loses little and several sandboxes share a long list.
const TESTS_PER_REQUEST: usize = 64;

/// Tests that run before the others.
const FIRST_TESTS: usize = 16;
/// Time limits among the first tests after which the others count as further ones without being run. A program that
/// never ends would otherwise take hours of a task with a thousand tests, and then be dropped instead of judged.
const HOPELESS: usize = 8;

pub(crate) struct SandboxClient(Pool);

impl SandboxClient {
    pub(crate) fn new(network: &Network, urls: &[Url]) -> Self {
        Self(Pool::new(Service::Sandbox, network, urls))
    }

    /// Runs the chosen tests. Results are in the order of `chosen`; what is still a failure of the sandbox after all
    /// rounds stays one.
    pub(crate) async fn run(
        &self,
        task: &Task,
        program: &str,
        chosen: &[usize],
        deadline: Instant,
    ) -> Result<(TestRun, u32), Failure> {
        let (first, others) = chosen.split_at(chosen.len().min(FIRST_TESTS));
        let (mut run, mut attempts) = self.settle(task, program, first, deadline).await?;
        if others.is_empty() {
            return Ok((run, attempts));
        }
        if count(&run.results, Status::TimeLimit) >= HOPELESS {
            run.results.extend(others.iter().map(|index| not_run(&named(&task.tests, *index))));
            return Ok((run, attempts));
        }
        let (rest, more) = self
            .settle(task, program, others, deadline)
            .await
            .map_err(|failure| Failure { attempts: attempts + failure.attempts, ..failure })?;
        attempts += more;
        run.results.extend(rest.results);
        run.rounds = run.rounds.max(rest.rounds);
        Ok((run, attempts))
    }

    /// Runs tests, again those without a verdict, until all have one or the rounds are used up.
    async fn settle(
        &self,
        task: &Task,
        program: &str,
        chosen: &[usize],
        deadline: Instant,
    ) -> Result<(TestRun, u32), Failure> {
        let mut run = TestRun::default();
        let mut results: Vec<Option<TestResult>> = vec![None; chosen.len()];
        let mut attempts = 0;
        loop {
            let open: Vec<usize> = (0..chosen.len())
                .filter(|place| results[*place].as_ref().is_none_or(|result| result.status.is_worth_another_try()))
                .collect();
            if open.is_empty() || run.rounds == MOST_ROUNDS {
                break;
            }
            if run.rounds > 0 {
                let pause = backoff::delay(run.rounds, rand::random());
                sleep(pause.min(deadline.saturating_duration_since(Instant::now()))).await;
            }
            run.rounds += 1;
            let requests = open.chunks(TESTS_PER_REQUEST).map(|places| async move {
                let tests = places.iter().map(|place| named(&task.tests, chosen[*place])).collect();
                self.batch(task, program, tests, deadline).await.map(|answer| (places, answer))
            });
            for (places, (answer, tries)) in try_join_all(requests).await? {
                attempts += tries;
                run.tier = Some(answer.tier);
                for (place, result) in places.iter().zip(answer.results) {
                    results[*place] = Some(result);
                }
            }
        }
        run.results = results.into_iter().flatten().collect();
        Ok((run, attempts))
    }

    async fn batch(
        &self,
        task: &Task,
        program: &str,
        tests: Vec<Test>,
        deadline: Instant,
    ) -> Result<(BatchResponse, u32), Failure> {
        let expected = tests.len();
        let request = BatchRequest {
            id: Some(task.id.clone()),
            program: program.to_owned(),
            setup: task.setup.clone(),
            tests,
            comparison: task.comparison,
            limits: task.limits,
            stop_at_first_failure: false,
        };
        let (answer, attempts): (BatchResponse, u32) = self.0.post("/v1/batch", &request, deadline).await?;
        if answer.results.len() == expected {
            return Ok((answer, attempts));
        }
        let what = format!("{} results for {expected} tests", answer.results.len());
        Err(Failure { reason: Reason::Unreadable { service: Service::Sandbox, what }, attempts })
    }
}

fn count(results: &[TestResult], status: Status) -> usize {
    results.iter().filter(|result| result.status == status).count()
}

fn not_run(test: &Test) -> TestResult {
    TestResult {
        name: test.name.clone().unwrap_or_default(),
        group: test.group,
        status: Status::TimeLimit,
        detail: format!("not run: {HOPELESS} or more of the first {FIRST_TESTS} tests hit the time limit"),
        cpu_ms: 0.0,
        wall_ms: 0.0,
        max_rss_kib: 0,
    }
}
