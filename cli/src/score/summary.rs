//! Rates over all answers.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};
use real_datasets::Task;
use real_reward::Scored;
use real_reward::profile::{Rules, doing_nothing};
use real_sandbox_api::{Group, Status};
use serde::Serialize;

use super::Outcome;

/// What `real score` prints. Rates are over the answers that were scored, in [0, 1].
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
    pub(super) fn of(outcomes: &[Outcome], tasks: &HashMap<String, Task>, rules: Rules, elapsed: Duration) -> Self {
        let scored: Vec<(&Task, &Scored)> = outcomes
            .iter()
            .filter_map(|outcome| Some((&tasks[&outcome.answer.id], outcome.result.as_ref().ok()?)))
            .collect();
        let count = scored.len();
        let nothing = doing_nothing(rules, tasks.values()).unwrap_or_default();
        let mean = |of: &dyn Fn(&Scored) -> f64| scored.iter().map(|(_, s)| of(s)).sum::<f64>() / count.max(1) as f64;
        let rate = |of: &dyn Fn(&Scored) -> bool| mean(&|s| f64::from(u8::from(of(s))));
        let with_safety: Vec<&Scored> = scored
            .iter()
            .filter(|(task, _)| task.tests.iter().any(|test| test.group == Group::Safety))
            .map(|(_, scored)| *scored)
            .collect();
        let safe = with_safety.iter().filter(|s| passes_all_safety_tests(s)).count();
        let seconds = elapsed.as_secs_f64();
        Self {
            n: outcomes.len(),
            scored: count,
            dropped: outcomes.len() - count,
            tasks: tasks.len(),
            answered: outcomes.iter().map(|outcome| &outcome.answer.id).collect::<HashSet<_>>().len(),
            function: rate(&|s| s.function_all),
            quality: rate(&is_clean),
            joint: rate(&|s| s.function_all && is_clean(s)),
            safety: (!with_safety.is_empty()).then(|| safe as f64 / with_safety.len() as f64),
            tests_passed: mean(&|s| s.function),
            reward: mean(&|s| s.reward),
            no_code: scored.iter().filter(|(_, s)| s.no_code).count(),
            other_blocks: outcomes
                .iter()
                .filter(|outcome| outcome.result.as_ref().is_ok_and(|scored| scored.no_code))
                .filter(|outcome| real_reward::extract::holds_block(&outcome.answer.response))
                .count(),
            doing_nothing: nothing.0,
            doing_nothing_reward: nothing.1,
            not_runnable: scored.iter().filter(|(_, s)| !s.no_code && !s.runnable).count(),
            seconds,
            programs_per_second: count as f64 / seconds.max(1e-9),
        }
    }

    /// For people.
    pub(super) fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(UTF8_FULL_CONDENSED);
        let percent = |rate: f64| format!("{:.1} %", 100.0 * rate);
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
        row("reward (mean)", format!("{:.3}", self.reward));
        row("no code", self.no_code.to_string());
        row("… with another block", self.other_blocks.to_string());
        row("does not run", self.not_runnable.to_string());
        row("doing nothing passes", percent(self.doing_nothing));
        row("doing nothing earns", format!("{:.3}", self.doing_nothing_reward));
        row("dropped", self.dropped.to_string());
        row("seconds", format!("{:.1}", self.seconds));
        row("programs/s", format!("{:.1}", self.programs_per_second));
        if let Some(column) = table.column_mut(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }
}

fn is_clean(scored: &Scored) -> bool {
    scored.quality > 0.5
}

fn passes_all_safety_tests(scored: &Scored) -> bool {
    let mut safety = scored.verdicts.iter().filter(|verdict| verdict.group == Group::Safety).peekable();
    safety.peek().is_some() && safety.all(|verdict| verdict.status == Status::Passed)
}

#[cfg(test)]
mod tests {
    use real_reward::{Reason, ScorerConfig, Service, Timings, Unscored};
    use real_sandbox_api::TestResult;

    use super::super::responses::Answer;
    use super::*;

    fn scored(quality: f64, function: f64, safety: Status) -> Scored {
        let verdict = TestResult {
            name: "safety-0".into(),
            group: Group::Safety,
            status: safety,
            detail: String::new(),
            cpu_ms: 0.0,
            wall_ms: 0.0,
            max_rss_kib: 0,
        };
        Scored {
            reward: 0.5 * quality + 0.5 * function,
            quality,
            function,
            shaped: None,
            function_all: function > 0.999,
            no_code: false,
            runnable: true,
            program: None,
            findings: Vec::new(),
            types: None,
            verdicts: vec![verdict],
            tier: None,
            timings: Timings::default(),
        }
    }

    fn outcome(result: Result<Scored, Unscored>) -> Outcome {
        Outcome { answer: Answer { id: "1".into(), response: String::new(), baseline: None }, result }
    }

    #[test]
    fn rates_leave_dropped_answers_out_and_count_them() {
        let test = serde_json::json!({"group": "safety", "kind": "stdin", "stdin": "", "stdout": ""});
        let task = |id: &str| serde_json::json!({"id": id, "dataset": "d", "split": "test", "prompt": [], "tests": [test], "quality": []});
        let tasks: HashMap<String, Task> =
            ["1", "2"].map(|id| (id.to_owned(), serde_json::from_value(task(id)).unwrap())).into();
        let lost =
            Unscored { reason: Reason::Deadline { service: Service::Sandbox, last: String::new() }, attempts: 3 };
        let outcomes = [
            outcome(Ok(scored(1.0, 1.0, Status::Passed))),
            outcome(Ok(scored(1.0, 0.5, Status::WrongAnswer))),
            outcome(Ok(scored(0.0, 1.0, Status::Passed))),
            outcome(Ok(scored(0.0, 0.0, Status::RuntimeError))),
            outcome(Err(lost)),
        ];
        let summary = Summary::of(&outcomes, &tasks, Rules::from(&ScorerConfig::default()), Duration::from_secs(2));
        assert_eq!((summary.n, summary.scored, summary.dropped), (5, 4, 1));
        assert_eq!((summary.tasks, summary.answered), (2, 1));
        let rates = [summary.function, summary.quality, summary.joint, summary.safety.unwrap()];
        assert_eq!(rates.map(|rate| (rate * 100.0) as u32), [50, 50, 25, 50]);
        assert!((summary.programs_per_second - 2.0).abs() < 1e-9 && (summary.tests_passed - 0.625).abs() < 1e-9);
        let table = summary.table().to_string();
        assert!(table.contains("Func.-Qual.") && table.contains("25.0 %"), "{table}");
    }
}
