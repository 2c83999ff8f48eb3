//! Rates over all answers.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};
use real_datasets::Task;
use real_evaluation::{Judged, Row, ScoredRow};
use real_reward::profile::{Rules, doing_nothing};
use real_sandbox_api::Group;
use serde::Serialize;

use crate::ui::fixed;

/// What `real score` prints. Rates are over the answers that were scored, in [0, 1]; not a number, and `null` in JSON, where none was.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Summary {
    /// Answers given.
    pub n: usize,
    /// Answers with a reward.
    pub scored: usize,
    /// Answers dropped because of a failure of ours.
    pub dropped: usize,
    /// Tasks of the data set.
    pub tasks: usize,
    /// Tasks with at least one answer.
    pub answered: usize,
    /// Share of answers that pass every functional test.
    pub function: f64,
    /// Share of answers that every quality check finds clean.
    pub quality: f64,
    /// Share of answers that do both.
    pub joint: f64,
    /// Share of answers that pass every safety test; absent where no task has any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub safety: Option<f64>,
    /// Mean share of functional tests passed.
    pub tests_passed: f64,
    /// Mean reward.
    pub reward: f64,
    /// Answers without a code block.
    pub no_code: usize,
    /// Of these, answers with a block of another kind: another language, another fence, or one that is never closed.
    pub other_blocks: usize,
    /// Answers whose program does not compile, or fails by itself in every functional test.
    pub not_runnable: usize,
    /// Answers whose program no analysis comes to an end with, by cause: they count as not clean.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub unanalysed: BTreeMap<&'static str, usize>,
    /// Mean share of functional tests that a program passes which does nothing: those that expect no output.
    pub doing_nothing: f64,
    /// Mean reward of such a program, where it is clean.
    pub doing_nothing_reward: f64,
    /// Seconds of scoring.
    pub seconds: f64,
    /// Answers scored a second.
    pub programs_per_second: f64,
}

impl Summary {
    /// Of these rows, `fresh` of which were scored in the time that has passed.
    pub(super) fn of(
        rows: &[Row],
        tasks: &BTreeMap<String, Task>,
        rules: Rules,
        fresh: usize,
        elapsed: Duration,
    ) -> Self {
        let scored: Vec<(&Task, &ScoredRow)> =
            rows.iter().filter_map(|row| Some((&tasks[row.id()], row.scored()?))).collect();
        let count = scored.len();
        let nothing = doing_nothing(rules, tasks.values()).unwrap_or((f64::NAN, f64::NAN));
        // 0 / 0 is not a number: the mean of nothing is none.
        let mean = |of: &dyn Fn(&ScoredRow) -> f64| scored.iter().map(|(_, s)| of(s)).sum::<f64>() / count as f64;
        let rate = |of: &dyn Fn(&ScoredRow) -> bool| mean(&|s| f64::from(u8::from(of(s))));
        let with_safety: Vec<&ScoredRow> = scored
            .iter()
            .filter(|(task, _)| task.tests.iter().any(|test| test.group == Group::Safety))
            .map(|(_, scored)| *scored)
            .collect();
        let safe = with_safety.iter().filter(|s| s.is_safe() == Some(true)).count();
        let seconds = elapsed.as_secs_f64();
        let mut unanalysed = BTreeMap::new();
        for why in scored.iter().filter_map(|(_, scored)| scored.unanalysed.as_ref()) {
            *unanalysed.entry(why.cause.label()).or_insert(0) += 1;
        }
        Self {
            n: rows.len(),
            scored: count,
            dropped: rows.len() - count,
            tasks: tasks.len(),
            answered: rows.iter().map(Row::id).collect::<HashSet<_>>().len(),
            function: rate(&ScoredRow::works),
            quality: rate(&ScoredRow::is_clean),
            joint: rate(&ScoredRow::is_both),
            safety: (!with_safety.is_empty()).then(|| safe as f64 / with_safety.len() as f64),
            tests_passed: mean(&|s| s.function),
            reward: mean(&|s| s.reward),
            no_code: scored.iter().filter(|(_, s)| s.no_code).count(),
            other_blocks: scored.iter().filter(|(_, s)| s.other_block).count(),
            doing_nothing: nothing.0,
            doing_nothing_reward: nothing.1,
            not_runnable: scored.iter().filter(|(_, s)| !s.no_code && !s.runnable).count(),
            unanalysed,
            seconds,
            programs_per_second: fresh as f64 / seconds.max(1e-9),
        }
    }

    /// For people.
    pub(super) fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(UTF8_FULL_CONDENSED);
        let percent = |rate: f64| format!("{} %", fixed(100.0 * rate, 1));
        let mut row = |name: &str, value: String| {
            table.add_row([name.to_owned(), value]);
        };
        row("n", self.n.to_string());
        row("tasks answered", format!("{} of {}", self.answered, self.tasks));
        row("Function", percent(self.function));
        row("Quality", percent(self.quality));
        row("Func.-Qual.", percent(self.joint));
        if let Some(safety) = self.safety {
            row("safety tests", percent(safety));
        }
        row("tests passed (mean)", percent(self.tests_passed));
        row("reward (mean)", fixed(self.reward, 3));
        row("no code", self.no_code.to_string());
        row("… with another block", self.other_blocks.to_string());
        row("does not run", self.not_runnable.to_string());
        for (cause, count) in &self.unanalysed {
            row(&format!("not analysed: {}", cause.replace('_', " ")), count.to_string());
        }
        row("doing nothing passes", percent(self.doing_nothing));
        row("doing nothing earns", fixed(self.doing_nothing_reward, 3));
        row("dropped", self.dropped.to_string());
        row("seconds", format!("{:.1}", self.seconds));
        row("programs/s", format!("{:.1}", self.programs_per_second));
        if let Some(column) = table.column_mut(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use real_evaluation::DroppedRow;
    use real_reward::ScorerConfig;
    use real_sandbox_api::{Status, TestResult};

    use super::*;

    fn scored(quality: u8, function: f64, safety: Status) -> Row {
        let verdict = TestResult {
            name: "safety-0".into(),
            group: Group::Safety,
            status: safety,
            detail: String::new(),
            cpu_ms: 0.0,
            wall_ms: 0.0,
            max_rss_kib: 0,
        };
        Row::Scored(Box::new(ScoredRow {
            id: "1".into(),
            reward: 0.5 * f64::from(quality) + 0.5 * function,
            quality,
            function,
            function_all: function > 0.999,
            no_code: false,
            other_block: false,
            baseline: None,
            runnable: true,
            safety: None,
            cwes: Vec::new(),
            response: None,
            unanalysed: None,
            findings: Vec::new(),
            types: None,
            verdicts: vec![verdict],
        }))
    }

    fn dropped() -> Row {
        Row::Dropped(DroppedRow { id: "1".into(), dropped: "no answer in time".into() })
    }

    fn tasks() -> BTreeMap<String, Task> {
        let test = serde_json::json!({"group": "safety", "kind": "stdin", "stdin": "", "stdout": ""});
        let task = |id: &str| serde_json::json!({"id": id, "dataset": "d", "split": "test", "prompt": [], "tests": [test], "quality": []});
        ["1", "2"].map(|id| (id.to_owned(), serde_json::from_value(task(id)).unwrap())).into()
    }

    #[test]
    fn the_mean_of_nothing_is_none() {
        let summary =
            Summary::of(&[dropped()], &tasks(), Rules::from(&ScorerConfig::default()), 1, Duration::from_secs(1));
        let table = summary.table().to_string();
        for name in ["Function", "Quality", "tests passed"] {
            let row = table.lines().find(|row| row.contains(name)).unwrap();
            assert!(row.contains("– %"), "{row}");
        }
        assert_eq!(serde_json::to_value(&summary).unwrap()["function"], serde_json::Value::Null);
    }

    #[test]
    fn rates_leave_dropped_answers_out_and_count_them() {
        let rows = [
            scored(1, 1.0, Status::Passed),
            scored(1, 0.5, Status::WrongAnswer),
            scored(0, 1.0, Status::Passed),
            scored(0, 0.0, Status::RuntimeError),
            dropped(),
        ];
        let summary = Summary::of(&rows, &tasks(), Rules::from(&ScorerConfig::default()), 4, Duration::from_secs(2));
        assert_eq!((summary.n, summary.scored, summary.dropped), (5, 4, 1));
        assert_eq!((summary.tasks, summary.answered), (2, 1));
        let rates = [summary.function, summary.quality, summary.joint, summary.safety.unwrap()];
        assert_eq!(rates.map(|rate| (rate * 100.0) as u32), [50, 50, 25, 50]);
        assert!((summary.programs_per_second - 2.0).abs() < 1e-9 && (summary.tests_passed - 0.625).abs() < 1e-9);
        let table = summary.table().to_string();
        assert!(table.contains("Func.-Qual.") && table.contains("25.0 %"), "{table}");
    }
}
