//! What a step says about its answers: metrics and samples.

use std::collections::BTreeMap;

use real_reward::Cause;
use real_reward::monitor::{self, Judged, Monitor};

use super::rollout::Answer;
use crate::metrics::{Metrics, Stopwatch};
use crate::progress::SharedProgress;
use crate::tokenizer::Tokenizer;
use crate::train::algorithm::{SampleOutcome, SampleRecord};
use crate::train::tasks::{Prompt, TaskSet};

/// Answers written to `samples/` a step.
const SAMPLES: usize = 32;

/// Rewards with their parts over the answers that have one, and lengths over all.
pub fn describe(answers: &[Answer], longest: u64, metrics: &mut Metrics) {
    let scored: Vec<_> = answers.iter().filter_map(Answer::scored).collect();
    metrics.set_summary("critic/score", scored.iter().map(|scored| scored.reward));
    metrics.set_mean("reward/function_mean", scored.iter().map(|scored| scored.function));
    metrics.set_mean("reward/quality_mean", scored.iter().map(|scored| scored.quality));
    let joint = scored.iter().map(|scored| flag(scored.function_all && scored.quality >= 1.0));
    metrics.set_mean("reward/joint_mean", joint);
    metrics.set_mean("reward/no_code_mean", scored.iter().map(|scored| flag(scored.no_code)));
    metrics.set_mean("reward/not_runnable_mean", scored.iter().map(|scored| flag(!scored.runnable)));
    metrics.set("reward/dropped", (answers.len() - scored.len()) as f64);
    // By cause, so that what programs do to their own analysis and what a machine does to any stay apart.
    for cause in Cause::ALL {
        let caused = |scored: &&&real_reward::Scored| scored.unanalysed.as_ref().is_some_and(|why| why.cause == cause);
        metrics.set(format!("reward/unanalysed/{}", cause.label()), scored.iter().filter(caused).count() as f64);
    }
    let mut dropped = BTreeMap::new();
    for unscored in answers.iter().filter_map(|answer| answer.outcome.as_ref().err()) {
        *dropped.entry(unscored.reason.label()).or_insert(0.0) += 1.0;
    }
    for (cause, count) in dropped {
        metrics.set(format!("reward/dropped/{cause}"), count);
    }
    metrics.set_summary("response_length", answers.iter().map(|answer| answer.sequence.answer().len() as f64));
    let is_clipped = |answer: &Answer| !answer.finished && answer.sequence.answer().len() as u64 >= longest;
    metrics.set_mean("response_length/clip_ratio", answers.iter().map(|answer| flag(is_clipped(answer))));
    metrics.set_summary("prompt_length", answers.iter().map(|answer| answer.sequence.prompt as f64));
}

fn flag(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}

/// Looks at the rewards for signs that something else than the work is paid: what is suspect is in the progress, and what is
/// newly so a warning.
pub fn watch_rewards(
    answers: &[Answer],
    alpha: f64,
    monitor: &mut Monitor,
    progress: &SharedProgress,
    metrics: &mut Metrics,
) {
    let judged: Vec<_> =
        answers.iter().filter_map(|answer| Some(Judged { prompt: answer.prompt, scored: answer.scored()? })).collect();
    let measures = monitor::measure(&judged, answers.len() - judged.len(), alpha);
    let suspicions = monitor.judge(&measures);
    for suspicion in suspicions.iter().filter(|suspicion| !suspicion.known) {
        progress.warn("RewardSuspect", format!("the reward is suspect: {}", suspicion.sentence));
    }
    progress.update(|progress| {
        progress.suspicions = suspicions.into_iter().map(|suspicion| suspicion.summary).collect();
    });
    for (name, value) in measures {
        metrics.set(name, value);
    }
}

/// Seconds by phase, and tokens and samples by second.
pub fn pace(answers: &[Answer], watch: &Stopwatch, metrics: &mut Metrics) {
    let tokens: usize = answers.iter().map(|answer| answer.sequence.tokens.len()).sum();
    let seconds = watch.seconds();
    let phases = watch.metrics();
    let generated: usize = answers.iter().map(|answer| answer.sequence.answer().len()).sum();
    let generating = phases.get("timing_s/gen").unwrap_or(seconds);
    let waited = phases.get("timing_s/reward").unwrap_or(0.0);
    let busy = phases.get("timing_s/scoring").unwrap_or(0.0);
    metrics.extend(phases);
    if busy > 0.0 {
        // The rest of the time in which answers were being scored, others were still being written.
        metrics.set("perf/reward_hidden_share", (1.0 - waited / busy).clamp(0.0, 1.0));
    }
    metrics.set("perf/reward_wait_share", waited / seconds);
    metrics.set("timing_s/step", seconds);
    metrics.set("perf/total_num_tokens", tokens as f64);
    metrics.set("perf/time_per_step", seconds);
    metrics.set("perf/throughput", tokens as f64 / seconds);
    metrics.set("perf/generated_tokens_per_second", generated as f64 / generating);
    metrics.set("perf/samples_per_second", answers.len() as f64 / (generating + waited));
}

/// The first answers of the batch, which is in random order.
pub fn samples(
    answers: &[Answer],
    prompts: &[Prompt],
    data: &[TaskSet],
    drawn: &[(usize, usize)],
    tokenizer: &Tokenizer,
) -> Vec<SampleRecord> {
    let record = |answer: &Answer| SampleRecord {
        dataset: data[drawn[answer.prompt].0].name.clone(),
        task: prompts[answer.prompt].task.id.clone(),
        prompt: tokenizer.chat_text(&prompts[answer.prompt].task.prompt).unwrap_or_default(),
        response: answer.text.clone(),
        finished: answer.finished,
        outcome: match &answer.outcome {
            Ok(scored) => SampleOutcome::Scored(Box::new(scored.clone())),
            Err(reason) => SampleOutcome::Dropped(reason.to_string()),
        },
    };
    answers.iter().take(SAMPLES).map(record).collect()
}
