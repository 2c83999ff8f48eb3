//! The bundled data sets on a sandbox that is somewhere.

use anyhow::Context as _;
use real_datasets::builder::{Unconfirmed, unconfirmed};
use real_datasets::load;
use real_sandbox_api::BatchRequest;
use real_sandbox_attacks::Client;
use reqwest::Url;

/// The quickstart's tasks.
pub const QUICKSTART: [&str; 2] = ["bundled://quickstart-train", "bundled://quickstart-eval"];

/// Runs all solutions of these data sets on the sandbox with this base URL, so many at the same time, and returns those
/// that do not pass the tests that they should.
///
/// # Errors
/// A data set cannot be loaded, or the sandbox gives no answer.
pub async fn unconfirmed_solutions(
    sandbox: &Url,
    data_sets: &[&str],
    concurrency: usize,
) -> anyhow::Result<Vec<Unconfirmed>> {
    let client = Client::new(sandbox);
    let runner = |request: BatchRequest| {
        let client = client.clone();
        async move { client.batch(&request).await.map_err(Into::into) }
    };
    let mut found = Vec::new();
    for uri in data_sets {
        let tasks = load(uri).with_context(|| (*uri).to_owned())?;
        found.extend(unconfirmed(&tasks, concurrency, &runner).await.with_context(|| (*uri).to_owned())?);
    }
    Ok(found)
}
