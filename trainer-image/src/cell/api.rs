//! A cell whose model is behind an API.

use std::sync::Arc;

use anyhow::{Context as _, ensure};
use real_crds::cell::{CellConfig, Tally};
use real_datasets::Task;
use real_evaluation::endpoint::{Endpoint, EndpointError};
use tokio::task::JoinSet;

use super::{count, templated};
use crate::runtime::Runtime;
use crate::scoring::Scoring;
use crate::train::failure::Failure;
use crate::train::stop::Stop;

/// Questions under way at once.
const AT_ONCE: usize = 8;
/// Name of the key in the credentials of the model, or the environment.
const KEY: &str = "REAL_API_KEY";

/// Has the API answer the tasks of a shard and counts what the services say; none where asked to stop meanwhile.
pub(super) fn answer(
    config: &CellConfig,
    shard: u64,
    runtime: &Runtime,
    judge: &Scoring,
    stop: &Stop,
) -> Result<Option<Tally>, Failure> {
    let tasks = tasks(config, shard, stop).map_err(Failure::of_input)?;
    let key = real_sources::credential(&config.model, KEY).map_err(|error| Failure::of_input(error.into()))?;
    let opened = runtime.block_on(stop.unless_asked(Endpoint::open(&config.model, key)));
    let Ok(endpoint) = opened else { return Ok(None) };
    let endpoint = Arc::new(endpoint.map_err(failure)?);
    let samples = if config.settings.temperature > 0.0 { config.settings.samples as usize } else { 1 };
    let asked: Vec<(Arc<Task>, u64)> =
        tasks.iter().flat_map(|task| (0..samples as u64).map(|sample| (Arc::clone(task), sample))).collect();
    let mut pending = judge.begin();
    let mut texts = vec![String::new(); asked.len()];
    let asking = async {
        let (mut running, mut next) = (JoinSet::new(), asked.iter().enumerate());
        loop {
            while running.len() < AT_ONCE {
                let Some((index, (task, sample))) = next.next() else { break };
                let (endpoint, task, sample, settings) =
                    (Arc::clone(&endpoint), Arc::clone(task), *sample, config.settings.clone());
                running.spawn(async move { (index, endpoint.answer(&task.prompt, &settings, sample).await) });
            }
            let Some(ended) = running.join_next().await else { return Ok(()) };
            let Ok((index, answer)) = ended else { continue };
            let text = answer?;
            if config.results.is_some() {
                texts[index].clone_from(&text);
            }
            pending.submit(index, Arc::clone(&asked[index].0), text, 0);
        }
    };
    // Questions under way are dropped where someone asks to stop.
    let answered: Result<Result<(), EndpointError>, _> = runtime.block_on(stop.unless_asked(asking));
    let Ok(answered) = answered else { return Ok(None) };
    answered.map_err(failure)?;
    let Some(outcomes) = pending.wait(stop).map_err(Failure::of_run)? else { return Ok(None) };
    let counts = Tally { tasks: tasks.len() as u64, ..Tally::default() };
    let all = asked.iter().map(|(task, _)| &**task).zip(texts);
    count(config, shard, counts, outcomes, all, stop).map(Some).map_err(Failure::of_run)
}

/// The shard's tasks as the model is shown them.
fn tasks(config: &CellConfig, shard: u64, stop: &Stop) -> anyhow::Result<Vec<Arc<Task>>> {
    let uri = config.suite.uri.clone();
    let loaded = stop.unless_requested(move || real_datasets::load(&uri))?;
    let mut tasks = loaded.with_context(|| format!("data set {}", config.suite.name))?;
    ensure!(!tasks.is_empty(), "data set {} ({}) has no tasks", config.suite.name, config.suite.uri);
    if config.limit > 0 {
        tasks.truncate(usize::try_from(config.limit).unwrap_or(usize::MAX));
    }
    let ours = (0u64..).zip(tasks).filter(|(place, _)| place % config.shards == shard);
    Ok(ours.map(|(_, task)| Arc::new(templated(task, config))).collect())
}

/// What another try cannot mend, and what it may.
fn failure(error: EndpointError) -> Failure {
    match error {
        EndpointError::Silent { .. } | EndpointError::Unreadable { .. } => Failure::Run(error.into()),
        _ => Failure::Config(error.into()),
    }
}
