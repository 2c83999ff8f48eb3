//! Evaluation: how many answers to unseen tasks work, are clean, and both.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use anyhow::Context as _;
use real_crds::cell::Tally;
use real_crds::progress::{Decoding, Evaluation, Intervals};
use real_datasets::Task;
use real_evaluation::answers::Answer;
use real_evaluation::statistics::{Rate, mean};
use real_evaluation::{Judged, ResultsFile, Row};

use crate::metrics::Metrics;
use crate::scoring::Outcome;

/// Counts outcomes.
pub fn tally(outcomes: &[Outcome]) -> Tally {
    let judged: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.as_ref().ok()).collect();
    let count =
        |holds: &dyn Fn(&real_reward::Scored) -> bool| judged.iter().filter(|scored| holds(scored)).count() as u64;
    Tally {
        n: judged.len() as u64,
        dropped: (outcomes.len() - judged.len()) as u64,
        function: count(&Judged::works),
        quality: count(&Judged::is_clean),
        joint: count(&Judged::is_both),
        no_code: count(&|scored| scored.no_code),
        ..Tally::default()
    }
}

/// Keeps what became of each answer of a shard in a cell's folder: `shard-N.jsonl`, a line of `real eval`'s each, and `shard-N.parquet`.
/// Either is there whole or not at all, and a shard that is tried again writes them anew.
///
/// # Errors
/// The folder cannot be written to.
pub fn keep<'a>(
    folder: &Path,
    shard: u64,
    answers: impl Iterator<Item = ((&'a Task, String), Outcome)>,
    cell: &str,
) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let place = |ending: &str| folder.join(format!("shard-{shard}.{ending}"));
    let begun = |ending: &str| folder.join(format!(".shard-{shard}.{ending}.partial"));
    let cannot = || format!("cannot write results to {}", folder.display());
    let mut lines = BufWriter::new(File::create(begun("jsonl")).with_context(cannot)?);
    let mut table = ResultsFile::create(&begun("parquet")).with_context(cannot)?;
    for ((task, response), outcome) in answers {
        let answer = Answer { id: task.id.clone(), response, baseline: None, lost: None };
        let row = Row::of(task, answer, outcome, true);
        serde_json::to_writer(&mut lines, &row).with_context(cannot)?;
        lines.write_all(b"\n").with_context(cannot)?;
        table.push(cell, row).with_context(cannot)?;
    }
    table.finish().with_context(cannot)?;
    let lines = lines.into_inner().map_err(std::io::IntoInnerError::into_error).with_context(cannot)?;
    lines.sync_all().with_context(cannot)?;
    for ending in ["parquet", "jsonl"] {
        std::fs::rename(begun(ending), place(ending)).with_context(cannot)?;
    }
    Ok(())
}

/// Seed of intervals: the same verdicts give the same ones.
const SEED: u64 = 1;

/// The rates of these outcomes, `samples` of a task one after another. Where none of them is a verdict there are none: a mean of nothing
/// is not 0. A task's answers are averaged first, as everywhere else: they are not independent of each other.
pub fn record(suite: &str, decoding: Decoding, step: u64, outcomes: &[Outcome], samples: usize) -> Evaluation {
    let counts = tally(outcomes);
    let over_tasks = |holds: &dyn Fn(&real_reward::Scored) -> bool| {
        let of_task = |task: &[Outcome]| {
            let judged: Vec<f64> = task
                .iter()
                .filter_map(|outcome| outcome.as_ref().ok())
                .map(|scored| f64::from(u8::from(holds(scored))))
                .collect();
            mean(&judged)
        };
        Rate::of(&outcomes.chunks(samples.max(1)).filter_map(of_task).collect::<Vec<_>>(), SEED)
    };
    let (function, quality, joint) =
        (over_tasks(&Judged::works), over_tasks(&Judged::is_clean), over_tasks(&Judged::is_both));
    // Four decimals, as a status shows them: what is told at the end has little room.
    let ends = |rate: Rate| [rate.low, rate.high].map(|end| (end * 1e4).round() / 1e4);
    let intervals = function.zip(quality).zip(joint);
    let intervals = intervals.map(|((function, quality), joint)| Intervals {
        function: ends(function),
        quality: ends(quality),
        joint: ends(joint),
    });
    let value = |rate: Option<Rate>| rate.map(|rate| rate.value);
    Evaluation {
        suite: suite.to_owned(),
        decoding,
        step,
        n: counts.n,
        function: value(function),
        quality: value(quality),
        joint: value(joint),
        no_code: counts.rate(counts.no_code),
        dropped: counts.dropped,
        intervals,
    }
}

/// What was evaluated after one step: the rates of each record as `val/SUITE/DECODING/…` with `n` and `dropped`, and the
/// means of the rates over all records as `val/…`. Where one of them has no result there is no such mean: that of the others is not to be
/// compared with those of other steps, among which the best checkpoint is looked for.
pub fn metrics(records: &[Evaluation]) -> Metrics {
    type Rate = fn(&Evaluation) -> Option<f64>;
    let mut metrics = Metrics::default();
    let rates: [(&str, Rate); 4] = [
        ("function", |record| record.function),
        ("quality", |record| record.quality),
        ("joint", |record| record.joint),
        ("no_code", |record| record.no_code),
    ];
    for (name, rate) in rates {
        for record in records {
            if let Some(rate) = rate(record) {
                metrics.set(format!("val/{}/{}/{name}", record.suite, record.decoding.name()), rate);
            }
        }
        if let Some(all) = records.iter().map(rate).collect::<Option<Vec<f64>>>() {
            metrics.set_mean(&format!("val/{name}"), all);
        }
    }
    for record in records {
        let group = format!("val/{}/{}", record.suite, record.decoding.name());
        metrics.set(format!("{group}/n"), record.n as f64);
        metrics.set(format!("{group}/dropped"), record.dropped as f64);
        if let Some(intervals) = record.intervals {
            metrics.set(format!("{group}/joint/low"), intervals.joint[0]);
            metrics.set(format!("{group}/joint/high"), intervals.joint[1]);
        }
    }
    metrics
}

#[cfg(test)]
mod tests {
    use real_reward::{Reason, Service, Unscored};

    use super::*;

    #[test]
    fn a_shard_keeps_each_answer_with_what_became_of_it() {
        let task: Task =
            serde_json::from_value(serde_json::json!({"id": "7", "dataset": "d", "split": "s", "prompt": [],
            "tests": [], "quality": []}))
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let reason = Reason::Deadline { service: Service::Sandbox, last: "connection refused".to_owned() };
        for text in ["one", "two"] {
            let lost: Outcome = Err(Unscored { reason: reason.clone(), attempts: 4 });
            let answers = [((&task, text.to_owned()), lost)].into_iter();
            keep(&folder.path().join("cell"), 3, answers, "cell").unwrap();
        }
        let mut names: Vec<_> = std::fs::read_dir(folder.path().join("cell"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["shard-3.jsonl", "shard-3.parquet"]);
        let rows = real_evaluation::read_rows(&folder.path().join("cell/shard-3.jsonl")).unwrap();
        assert!(
            matches!(&rows[..], [Row::Dropped(row)] if row.id == "7" && row.dropped.contains("connection refused"))
        );
    }

    #[test]
    fn where_nothing_was_judged_there_is_no_result_and_no_metric_of_one() {
        let reason = Reason::Deadline { service: Service::Sandbox, last: "connection refused".to_owned() };
        let lost: Outcome = Err(Unscored { reason, attempts: 4 });
        let nothing = record("s", Decoding::Greedy, 8, &[lost.clone(), lost], 1);
        assert_eq!((nothing.n, nothing.dropped), (0, 2));
        assert_eq!(nothing.intervals, None);
        assert_eq!([nothing.function, nothing.quality, nothing.joint, nothing.no_code], [None; 4]);
        let half = Evaluation { suite: "t".into(), n: 4, joint: Some(0.5), dropped: 0, ..nothing.clone() };
        let told = metrics(&[nothing, half.clone()]);
        assert_eq!(told.get("val/t/greedy/joint"), Some(0.5));
        assert_eq!(told.get("val/joint"), None, "a mean over other suites than elsewhere is none");
        assert_eq!(metrics(&[half.clone(), half]).get("val/joint"), Some(0.5));
        assert_eq!(metrics(&[]).get("val/joint"), None);
        assert_eq!((told.get("val/s/greedy/joint"), told.get("val/function")), (None, None));
        assert_eq!((told.get("val/s/greedy/n"), told.get("val/s/greedy/dropped")), (Some(0.0), Some(2.0)));
    }
}
