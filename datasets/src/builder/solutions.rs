//! Whether a sandbox confirms what tasks say of their solutions.

use futures::{StreamExt as _, TryStreamExt as _};
use real_sandbox_api::{Group, Status, Test};

use super::verify::{BuildError, Runner, statuses};
use crate::{SolutionKind, Task};

/// A solution that does not do what its task says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unconfirmed {
    /// The task's id.
    pub task: String,
    /// What the task says of the solution.
    pub kind: SolutionKind,
    /// Places of the tests that it did not pass, and what became of them.
    pub failed: Vec<(usize, Status)>,
}

/// Runs the tests of every solution, so many solutions at the same time, and returns those that do not pass, in the order
/// of the tasks. A secure one has to pass all tests, the others the functional ones.
///
/// # Errors
/// The sandbox failed: that says nothing about a solution.
pub async fn unconfirmed<R: Runner>(
    tasks: &[Task],
    concurrency: usize,
    runner: &R,
) -> Result<Vec<Unconfirmed>, BuildError> {
    let solutions = tasks.iter().flat_map(|task| task.solutions.iter().map(move |solution| (task, solution)));
    // Collected first: the compiler does not see that a borrowing iterator in a stream lives long enough.
    let checks: Vec<_> = solutions
        .map(|(task, solution)| async move {
            let counts = |test: &Test| solution.kind == SolutionKind::Secure || test.group == Group::Functional;
            let (places, tests): (Vec<usize>, Vec<Test>) =
                task.tests.iter().cloned().enumerate().filter(|(_, test)| counts(test)).unzip();
            let statuses = statuses(task, &solution.code, &tests, runner).await?;
            let failed: Vec<_> =
                places.into_iter().zip(statuses).filter(|(_, status)| *status != Status::Passed).collect();
            let unconfirmed = Unconfirmed { task: task.id.clone(), kind: solution.kind, failed };
            Ok((!unconfirmed.failed.is_empty()).then_some(unconfirmed))
        })
        .collect();
    let found: Vec<Option<Unconfirmed>> =
        futures::stream::iter(checks).buffered(concurrency.max(1)).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}
