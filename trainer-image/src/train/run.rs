//! The loop of a run: step → evaluate → metrics → checkpoint.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use real_crds::progress::{Checkpoint, Evaluation, Phase, Progress, Store as Stored};
use tch::Device;

use super::algorithm::{Algorithm, StepReport, Surroundings};
use super::best::Best;
use super::evaluation::Evaluator;
use super::failure::Failure;
use super::resume::Start;
use super::run_dir::RunDir;
use super::setup::Parts;
use super::stop::Stop;
use crate::checkpoint::{Writing, lease};
use crate::metrics::{JsonLines, Metrics, MetricsLog};
use crate::plan::room;
use crate::progress::SharedProgress;
use crate::shim::memory;
use crate::store::{Store, StoreError, Sync, Uploader};
use crate::tokenizer::Tokenizer;
use crate::{checkpoint, evaluate};

/// How a run that did not fail ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All steps are done.
    Done,
    /// Someone asked to stop; there is a checkpoint of the last step that was done.
    Stopped,
    /// Someone asked to stop before the run had begun: there is nothing to save.
    StoppedEarly,
}

/// A run. What changes comes first.
pub struct Run {
    // The run's own state.
    step: u64,
    algorithm: Box<dyn Algorithm>,
    evaluations: Vec<Evaluation>,
    checkpoints: Vec<Checkpoint>,
    best: Best,
    /// Whether it was said that the metric of `best` is missing.
    metric_missed: bool,
    pace: Pace,
    /// A checkpoint that is being written.
    writing: Option<Writing>,
    /// Sends checkpoints to a bucket, where they go to one.
    uploader: Option<Uploader>,
    /// Steps of which it was said that somebody reads their checkpoints.
    leased: BTreeSet<u64>,
    // Where it is written.
    dir: RunDir,
    log: MetricsLog,
    evaluations_file: JsonLines,
    progress: SharedProgress,
    // Fixed.
    evaluator: Option<Evaluator>,
    tokenizer: Arc<Tokenizer>,
    total_steps: u64,
    checkpoint_every: u64,
    retain: u64,
    /// How long the end waits for a bucket.
    patience: Duration,
    stop: Stop,
}

/// Where a run writes and how it is told to stop.
pub struct Rim {
    /// The run directory.
    pub dir: RunDir,
    /// Told what is going on.
    pub progress: SharedProgress,
    /// Asked whether to end early.
    pub stop: Stop,
    /// A bucket that checkpoints go to.
    pub store: Option<Store>,
}

impl Run {
    /// Prepares a run that goes on from `start`. What was recorded of later steps is cut off: they will be done again.
    pub fn prepare(
        parts: Parts,
        settings: &real_crds::config::Checkpoint,
        rim: Rim,
        start: &Start,
    ) -> Result<Self, Failure> {
        let Parts { mut algorithm, evaluator, tokenizer, total_steps } = parts;
        let Rim { dir, progress, stop, store } = rim;
        let mut step = 0;
        if let Some(checkpoint) = &start.checkpoint {
            let loaded = algorithm.load(&checkpoint.path, &Surroundings { progress: &progress, stop: &stop });
            loaded
                .with_context(|| format!("cannot resume from {}", checkpoint.path.display()))
                .map_err(Failure::of_input)?;
            step = checkpoint.step;
            tracing::info!("resuming after step {step} from {}", checkpoint.path.display());
        }
        // Those that are damaged count as little as those that the run went back behind: retention would keep them in place of
        // those that will be written. Not before the checkpoint was loaded: what is refused changes nothing.
        let back = start.back || !start.passed_over.is_empty();
        if back {
            for place in checkpoint::supersede(&dir.checkpoints(), step)? {
                tracing::info!("a checkpoint of a later step is now {}", place.display());
            }
        }
        let (store, stored) = look_through(store, back.then_some(step), &stop)?;
        let found = checkpoint::list(&dir.checkpoints())?;
        let (evaluations_file, evaluations) = dir.evaluations(step)?;
        let log = MetricsLog::open(dir.path(), step)?;
        let checkpoints = reports(found.iter().filter(|found| found.step <= step));
        let best = best_so_far(&settings.keep_best, &dir, &evaluations)?;
        let told = if store.is_some() { stored.clone() } else { checkpoints.clone() };
        progress.update(|progress| {
            progress.step = step;
            progress.total_steps = total_steps;
            progress.best_checkpoint = best.of(told.iter().map(|checkpoint| checkpoint.step));
            progress.checkpoints = told;
            progress.store = store.as_ref().map(|store| Stored { uri: store.uri().to_owned(), ..Stored::default() });
            progress.evaluations.clone_from(&evaluations);
        });
        let sound = start.checkpoint.iter().map(|checkpoint| checkpoint.step).collect();
        let uploader = store.map(|store| Uploader::start(store, dir.path(), sound, stored, progress.clone()));
        let run = Self {
            step,
            algorithm,
            evaluations,
            checkpoints,
            best,
            metric_missed: false,
            pace: Pace::default(),
            writing: None,
            uploader: uploader.transpose()?,
            leased: BTreeSet::new(),
            dir,
            log,
            evaluations_file,
            progress,
            evaluator,
            tokenizer,
            total_steps,
            checkpoint_every: settings.every_steps,
            retain: settings.retain,
            patience: Duration::from_secs(settings.store.as_ref().map_or(0, |store| store.timeout_seconds)),
            stop,
        };
        // What an earlier start could not store is stored now.
        run.sync();
        Ok(run)
    }

    /// Runs to the end, or until stopped. A checkpoint that is being written is whole by then, or the run has failed.
    pub fn finish(mut self) -> anyhow::Result<Ending> {
        let ending = self.steps();
        let settled = self.settle().and_then(|()| self.store_the_rest());
        match (ending, settled) {
            (Ok(Ending::Done), Ok(())) => {
                self.progress.phase(Phase::Done);
                Ok(Ending::Done)
            }
            (Ok(ending), Ok(())) => Ok(ending),
            (Ok(_), Err(error)) => Err(error),
            (Err(error), settled) => {
                // The first failure is the one to report.
                if let Err(also) = settled {
                    tracing::error!("{also:#}");
                }
                Err(error)
            }
        }
    }

    fn steps(&mut self) -> anyhow::Result<Ending> {
        // Before training, or what a run that is resumed had no time for.
        let metrics = self.evaluate_if_due()?;
        self.log.append_events(self.step, &metrics)?;
        while self.step < self.total_steps {
            if self.writing.as_ref().is_some_and(Writing::is_done) {
                self.settle()?;
            }
            if let Some(uploader) = &self.uploader {
                uploader.check()?;
            }
            let started = Instant::now();
            let surroundings = Surroundings { progress: &self.progress, stop: &self.stop };
            let report =
                if self.stop.requested() { None } else { self.algorithm.step(self.step + 1, &surroundings)? };
            let Some(StepReport { mut metrics, samples }) = report else {
                self.checkpoint()?;
                return Ok(Ending::Stopped);
            };
            self.step += 1;
            if self.algorithm.policy().device() == Device::Cpu {
                metrics.set("perf/max_memory_allocated_gb", memory::take_peak() as f64 / 1e9);
            }
            self.pace.add(started.elapsed().as_secs_f64());
            self.tell(&metrics);
            let evaluating = Instant::now();
            let evaluation = self.evaluate_if_due()?;
            if evaluation != Metrics::default() {
                metrics.set("timing_s/testing", evaluating.elapsed().as_secs_f64());
                metrics.extend(evaluation);
            }
            self.best.note(self.step, &metrics);
            self.log.append(self.step, &metrics)?;
            if !samples.is_empty() {
                self.dir.write_samples(&format!("step-{}", self.step), &samples)?;
            }
            if self.step == self.total_steps
                || (self.checkpoint_every > 0 && self.step.is_multiple_of(self.checkpoint_every))
            {
                self.checkpoint()?;
            }
        }
        self.settle()?;
        let unevaluated = self.stop.requested() && self.evaluation_is_due();
        if unevaluated {
            return Ok(Ending::Stopped);
        }
        Ok(Ending::Done)
    }

    fn evaluation_is_due(&self) -> bool {
        let due = self.evaluator.as_ref().is_some_and(|evaluator| evaluator.is_due(self.step, self.total_steps));
        due && !self.evaluations.iter().any(|record| record.step == self.step)
    }

    /// Evaluates where it is time to and it was not done yet; its rates as metrics, none where stopped meanwhile.
    fn evaluate_if_due(&mut self) -> anyhow::Result<Metrics> {
        let mut metrics = Metrics::default();
        let Some(evaluator) = self.evaluator.as_ref().filter(|_| self.evaluation_is_due()) else { return Ok(metrics) };
        let surroundings = Surroundings { progress: &self.progress, stop: &self.stop };
        let records = evaluator.evaluate(self.algorithm.policy(), self.step, &surroundings)?.unwrap_or_default();
        metrics.extend(evaluate::metrics(&records));
        self.best.note(self.step, &metrics);
        let rate = |rate: Option<f64>| rate.map_or_else(|| "no result".to_owned(), |rate| format!("{rate:.3}"));
        // At once: half an evaluation would pass for a whole one.
        self.evaluations_file.append_all(&records.iter().map(serde_json::to_value).collect::<Result<Vec<_>, _>>()?)?;
        for record in records {
            tracing::info!(
                step = self.step,
                "evaluation of {} ({:?}, {} answers, {} dropped): function {}, quality {}, joint {}",
                record.suite,
                record.decoding,
                record.n,
                record.dropped,
                rate(record.function),
                rate(record.quality),
                rate(record.joint)
            );
            self.progress.update(|progress| progress.evaluations.push(record.clone()));
            self.evaluations.push(record);
        }
        self.tell_best();
        Ok(metrics)
    }

    /// Tells which of the checkpoints that exist is the best.
    fn tell_best(&self) {
        let stored = self.uploader.as_ref().map(Uploader::stored);
        let best = self.best.of(stored.as_ref().unwrap_or(&self.checkpoints).iter().map(|checkpoint| checkpoint.step));
        // Otherwise a better one of which nobody knows yet could be removed.
        self.sync();
        if self.progress.snapshot().best_checkpoint != best {
            self.progress.update(|progress| progress.best_checkpoint = best);
        }
    }

    /// Begins to write a checkpoint of the present step, unless there is one. The run goes on with the next step meanwhile, where
    /// the machine has room for a second copy of what is written.
    fn checkpoint(&mut self) -> anyhow::Result<()> {
        // One at a time: they become visible in order, and retention counts whole ones.
        self.settle()?;
        if self.checkpoints.iter().any(|checkpoint| checkpoint.step == self.step) {
            return Ok(());
        }
        self.progress.phase(Phase::Checkpointing);
        // A disk that is full of what is not to be kept any more has room again. Where that fails it is the write that says so.
        if let Err(error) = self.prune() {
            tracing::warn!("{error:#}");
        }
        let files = self.algorithm.files()?;
        let beside = room::available().is_some_and(|free| files.bytes().saturating_mul(2) <= free);
        let files = if beside { files.detached() } else { files };
        let tokenizer = Arc::clone(&self.tokenizer);
        let fill = move |inside: &Path| -> anyhow::Result<()> {
            files.write(inside)?;
            Ok(tokenizer.save(inside)?)
        };
        self.writing = Some(Writing::start(&self.dir.checkpoints(), self.step, fill)?);
        if beside { Ok(()) } else { self.settle() }
    }

    /// Waits for the checkpoint that is being written, if any, and tells of it.
    fn settle(&mut self) -> anyhow::Result<()> {
        let Some(writing) = self.writing.take() else { return Ok(()) };
        let written = writing.wait()?;
        self.warn_of_missing_metric();
        tracing::info!("checkpoint {}", written.path.display());
        self.checkpoints.push(checkpoint::report(&written)?);
        let (left, leases) = self.prune()?;
        self.tell_leases(&left, &leases);
        self.sync();
        Ok(())
    }

    /// Removes checkpoints that are not to be kept; the steps of those that are left, and who reads which of them.
    fn prune(&mut self) -> anyhow::Result<(Vec<u64>, BTreeMap<u64, lease::Lease>)> {
        let folder = self.dir.checkpoints();
        let stored = self.uploader.as_ref().map(Uploader::stored).unwrap_or_default();
        let there = checkpoint::list(&folder)?.into_iter().map(|found| found.step);
        let mut kept = self.best.kept(there.chain(stored.iter().map(|stored| stored.step)).collect::<BTreeSet<_>>());
        kept.extend(self.uploader.as_ref().and_then(Uploader::reading));
        let leases = lease::of_disk(&folder);
        kept.extend(leases.keys());
        checkpoint::retain(&folder, self.retain, &kept)?;
        let left: Vec<u64> = checkpoint::list(&folder)?.into_iter().map(|found| found.step).collect();
        self.checkpoints.retain(|checkpoint| left.contains(&checkpoint.step));
        if self.uploader.is_none() {
            let best = self.best.of(left.iter().copied());
            self.progress.update(|progress| {
                progress.checkpoints.clone_from(&self.checkpoints);
                progress.best_checkpoint = best;
            });
        }
        Ok((left, leases))
    }

    /// Tells the bucket's thread what there is and what is to be kept.
    fn sync(&self) {
        if let Some(uploader) = &self.uploader {
            uploader.sync(Sync { retain: self.retain, best: self.best.clone() });
        }
    }

    /// Waits until the bucket has what it is to have.
    fn store_the_rest(&mut self) -> anyhow::Result<()> {
        let Some(uploader) = &self.uploader else { return Ok(()) };
        self.progress.phase(Phase::Checkpointing);
        let stored = uploader.finish(self.patience, &self.stop);
        // One that was being sent when the last was written is no longer read.
        if let Err(error) = self.prune() {
            tracing::warn!("{error:#}");
        }
        self.uploader = None;
        Ok(stored?)
    }

    /// Says once of each checkpoint that is there for its readers alone that it is.
    fn tell_leases(&mut self, left: &[u64], leases: &BTreeMap<u64, lease::Lease>) {
        let wanted = Sync { retain: self.retain, best: self.best.clone() }.kept(&left.iter().copied().collect());
        for (step, lease) in leases.iter().filter(|(step, _)| left.contains(step) && !wanted.contains(step)) {
            if self.leased.insert(*step) {
                self.progress.warn("CheckpointLeased", checkpoint::kept_for(*step, lease));
            }
        }
    }

    /// Says once that no step has the metric by which the best checkpoints are to be kept, where one should have it by now.
    fn warn_of_missing_metric(&mut self) {
        let metric = self.best.metric();
        let expected = !metric.starts_with("val/") || !self.evaluations.is_empty();
        if !self.best.is_missing() || !expected || std::mem::replace(&mut self.metric_missed, true) {
            return;
        }
        self.progress.warn(
            "MetricMissing",
            format!("checkpoint.keepBest.metric is {metric}, and no step has such a metric: only the newest checkpoints are kept"),
        );
    }

    /// Tells the progress server and the log about a step.
    fn tell(&self, metrics: &Metrics) {
        let get = |name: &str| metrics.get(name);
        let eta = self.pace.seconds() * (self.total_steps - self.step) as f64;
        self.progress.step_done(metrics.clone(), |progress| {
            *progress = Progress {
                step: self.step,
                reward: get("critic/score/mean"),
                kl: get("critic/kl_per_answer"),
                loss: get("train/loss"),
                tokens_per_second: get("perf/throughput"),
                samples_per_second: get("perf/samples_per_second"),
                eta_seconds: Some(eta),
                ..std::mem::take(progress)
            };
        });
        let parts = [
            ("loss", get("train/loss")),
            ("reward", get("critic/score/mean")),
            ("function", get("reward/function_mean")),
            ("quality", get("reward/quality_mean")),
            ("kl", get("critic/kl_per_answer")),
            ("dropped", get("reward/dropped").filter(|dropped| *dropped > 0.0)),
            ("skipped", get("actor/skipped").filter(|skipped| *skipped > 0.0)),
            ("seconds", get("timing_s/step")),
        ];
        let parts: Vec<String> =
            parts.iter().filter_map(|(name, value)| Some(format!("{name} {:.4}", (*value)?))).collect();
        tracing::info!("step {}/{}: {}", self.step, self.total_steps, parts.join(", "));
    }
}

/// What a bucket holds, after it has set later checkpoints than that of the step `back` aside. A store that does not answer is left to itself
/// once someone asks to stop, as at any moment of a run that is killed: what is not set aside yet is whole.
fn look_through(
    store: Option<Store>,
    back: Option<u64>,
    stop: &Stop,
) -> Result<(Option<Store>, Vec<Checkpoint>), Failure> {
    let Some(store) = store else { return Ok((None, Vec::new())) };
    let work = move || -> Result<_, StoreError> {
        back.map_or(Ok(()), |step| store.supersede(step))?;
        let stored = store.whole()?;
        Ok((Some(store), stored))
    };
    Ok(stop.unless_requested(work).map_err(anyhow::Error::from)??)
}

/// What earlier attempts wrote of the metric by which checkpoints are the best.
fn best_so_far(
    settings: &real_crds::config::KeepBest,
    dir: &RunDir,
    evaluations: &[Evaluation],
) -> anyhow::Result<Best> {
    let mut best = Best::new(settings.clone());
    for (step, value) in dir.metric(&settings.metric)? {
        let mut metrics = Metrics::default();
        metrics.set(settings.metric.clone(), value);
        best.note(step, &metrics);
    }
    // What was evaluated after a stop is in no line of a step.
    for of_step in evaluations.chunk_by(|a, b| a.step == b.step) {
        best.note(of_step[0].step, &evaluate::metrics(of_step));
    }
    Ok(best)
}

/// What others are told of checkpoints; those without a manifest are none.
fn reports<'a>(found: impl Iterator<Item = &'a checkpoint::Checkpoint>) -> Vec<Checkpoint> {
    let told = |found| match checkpoint::report(found) {
        Ok(report) => Some(report),
        Err(error) => {
            tracing::warn!("{error}; it is not counted");
            None
        }
    };
    found.filter_map(told).collect()
}

/// Seconds a step, the last steps counting most.
#[derive(Default)]
struct Pace(Option<f64>);

impl Pace {
    fn add(&mut self, seconds: f64) {
        self.0 = Some(self.0.map_or(seconds, |pace| 0.8 * pace + 0.2 * seconds));
    }

    fn seconds(&self) -> f64 {
        self.0.unwrap_or(0.0)
    }
}
