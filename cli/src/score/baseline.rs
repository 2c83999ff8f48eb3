//! What programs that do no work reach.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};
use real_evaluation::baseline::{BASELINES, Baseline};
use real_evaluation::{Row, ScoredRow};
use real_sandbox_api::{Group, Status};
use serde::Serialize;

use crate::ui::fixed;

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
    pub(super) fn of(rows: &[Row]) -> Vec<Self> {
        let of_one = |baseline: &Baseline| {
            let (program, _) = *baseline;
            let mine = |row: &&ScoredRow| row.baseline.as_deref() == Some(program);
            let scored: Vec<&ScoredRow> = rows.iter().filter_map(Row::scored).filter(mine).collect();
            (!scored.is_empty()).then(|| Self::one(program, &scored))
        };
        BASELINES.iter().filter_map(of_one).collect()
    }

    fn one(program: &'static str, scored: &[&ScoredRow]) -> Self {
        let tests = |group: Group| scored.iter().flat_map(move |s| s.verdicts.iter().filter(move |v| v.group == group));
        // 0 / 0 is not a number: a share of nothing is none.
        let share = |passed: usize, all: usize| passed as f64 / all as f64;
        let passed = |group| {
            share(tests(group).filter(|verdict| verdict.status == Status::Passed).count(), tests(group).count())
        };
        let every = |group: Group| {
            let of_group = |s: &&&ScoredRow| s.verdicts.iter().any(|verdict| verdict.group == group);
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
    let percent = |share: f64| format!("{} %", fixed(100.0 * share, 1));
    for row in shares {
        table.add_row([
            row.program.to_owned(),
            row.scored.to_string(),
            percent(row.functional),
            percent(row.functional_all),
            percent(row.safety),
            percent(row.safety_all),
            fixed(row.reward, 3),
        ]);
    }
    for at in 1..7 {
        if let Some(column) = table.column_mut(at) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}
