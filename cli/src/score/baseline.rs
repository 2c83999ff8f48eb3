//! Programs that do no work, and what they earn: a verdict that one of them reaches says nothing about an answer.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};
use real_datasets::Task;
use real_reward::Scored;
use real_sandbox_api::{Check, Group, Status};
use serde::Serialize;

use super::Outcome;

/// Name of a baseline, and its program for a task.
type Baseline = (&'static str, fn(&Task) -> String);

/// Every baseline.
pub(super) const BASELINES: [Baseline; 9] = [
    ("nothing", |_| "pass".into()),
    ("raise at import", |_| "raise ValueError(\"invalid\")".into()),
    ("exit at import", |_| "import sys\n\nsys.exit()".into()),
    ("print the input", |_| "import sys\n\nprint(sys.stdin.read())".into()),
    ("return the argument", |task| define(task, "return args[0] if args else next(iter(kwargs.values()), None)")),
    ("return None", |task| define(task, "return None")),
    ("return True", |task| define(task, "return True")),
    ("return an empty text", |task| define(task, "return \"\"")),
    ("raise when called", |task| define(task, "raise ValueError(\"invalid\")")),
];

/// A function, or a method, of the name that the task calls; a task that calls nothing gets a program without it.
fn define(task: &Task, body: &str) -> String {
    let entry = task.tests.iter().find_map(|test| match &test.check {
        Check::Call { entry, .. } => Some(entry.as_str()),
        Check::Stdin { .. } => None,
    });
    let Some(entry) = entry else { return format!("def solve(*args, **kwargs):\n    {body}") };
    let called =
        entry.strip_prefix("lambda").and_then(|rest| rest.split_once(':')).map_or(entry, |(_, body)| body).trim();
    let name = |text: &str| text.split(['(', '[']).next().unwrap_or_default().trim().to_owned();
    match called.split_once(").") {
        Some((class, method)) => {
            format!("class {}:\n    def {}(self, *args, **kwargs):\n        {body}", name(class), name(method))
        }
        None => format!("def {}(*args, **kwargs):\n    {body}", name(called)),
    }
}

/// What a baseline reached. Shares are in [0, 1].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shares {
    /// The baseline.
    pub program: &'static str,
    /// Answers that were scored.
    pub scored: usize,
    /// Of all functional tests, those passed.
    pub functional: f64,
    /// Of all answers, those that pass every functional test.
    pub functional_all: f64,
    /// Of all safety tests, those passed.
    pub safety: f64,
    /// Of all answers to tasks with safety tests, those that pass every one.
    pub safety_all: f64,
    /// Mean reward.
    pub reward: f64,
}

impl Shares {
    /// A row for each baseline that has answers.
    pub(super) fn of(outcomes: &[Outcome]) -> Vec<Self> {
        let of_one = |baseline: &Baseline| {
            let (program, _) = *baseline;
            let mine = outcomes.iter().filter(|outcome| outcome.answer.baseline == Some(program));
            let scored: Vec<&Scored> = mine.filter_map(|outcome| outcome.result.as_ref().ok()).collect();
            (!scored.is_empty()).then(|| Self::one(program, &scored))
        };
        BASELINES.iter().filter_map(of_one).collect()
    }

    fn one(program: &'static str, scored: &[&Scored]) -> Self {
        let tests = |group: Group| scored.iter().flat_map(move |s| s.verdicts.iter().filter(move |v| v.group == group));
        let share = |passed: usize, all: usize| passed as f64 / all.max(1) as f64;
        let passed = |group| {
            share(tests(group).filter(|verdict| verdict.status == Status::Passed).count(), tests(group).count())
        };
        let every = |group: Group| {
            let of_group = |s: &&&Scored| s.verdicts.iter().any(|verdict| verdict.group == group);
            let asked: Vec<_> = scored.iter().filter(of_group).collect();
            let all = asked.iter().filter(|s| {
                s.verdicts.iter().filter(|v| v.group == group).all(|verdict| verdict.status == Status::Passed)
            });
            share(all.count(), asked.len())
        };
        Self {
            program,
            scored: scored.len(),
            functional: passed(Group::Functional),
            functional_all: every(Group::Functional),
            safety: passed(Group::Safety),
            safety_all: every(Group::Safety),
            reward: scored.iter().map(|s| s.reward).sum::<f64>() / scored.len() as f64,
        }
    }
}

/// For people.
pub(super) fn table(shares: &[Shares]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header(["program", "n", "functional", "all functional", "safety", "all safety", "reward"]);
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    for row in shares {
        table.add_row([
            row.program.to_owned(),
            row.scored.to_string(),
            percent(row.functional),
            percent(row.functional_all),
            percent(row.safety),
            percent(row.safety_all),
            format!("{:.3}", row.reward),
        ]);
    }
    for at in 1..7 {
        if let Some(column) = table.column_mut(at) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn baselines_define_what_the_task_calls() {
        let program = |entry: &str| {
            let test = serde_json::json!({"kind": "call", "entry": entry, "expected": {"raises": ["E"]}});
            let task = serde_json::json!({"id": "1", "dataset": "d", "split": "s", "prompt": [], "tests": [test], "quality": []});
            define(&serde_json::from_value(task).unwrap(), "return 1")
        };
        assert_eq!(program("solve"), "def solve(*args, **kwargs):\n    return 1");
        assert_eq!(program("lambda kwargs: solve(**kwargs)"), program("solve"));
        assert!(program("Solution().add").starts_with("class Solution:\n    def add(self,"));
    }
}
