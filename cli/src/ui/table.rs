//! Function, Quality and Func.-Qual. before and after training.

use std::collections::BTreeMap;

use comfy_table::{Cell, CellAlignment, Table, presets};
use real_crds::progress::Evaluation;
use real_terminal::{Stream, fit, width};

use super::news;

/// One row a data set and decoding, `before → after`; only the one number where there was one evaluation.
pub fn evaluations(evaluations: &[Evaluation]) -> String {
    fit(table(evaluations), width(Stream::Output))
}

fn table(evaluations: &[Evaluation]) -> Table {
    let mut groups: BTreeMap<_, Vec<&Evaluation>> = BTreeMap::new();
    for evaluation in evaluations {
        groups.entry((&evaluation.suite, evaluation.decoding)).or_default().push(evaluation);
    }
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(["data set", "answers", "n", "steps", "Function", "Quality", "Func.-Qual."]);
    for ((suite, decoding), mut points) in groups {
        points.sort_by_key(|e| e.step);
        let (Some(before), Some(after)) = (points.first(), points.last()) else { continue };
        let pair = |a: String, b: String| if before.step == after.step { b } else { format!("{a} → {b}") };
        let rate = |get: fn(&Evaluation) -> Option<f64>| pair(news::rate(get(before)), news::rate(get(after)));
        let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
        table.add_row([
            Cell::new(suite),
            Cell::new(decoding.name()),
            right(judged(after)),
            right(pair(before.step.to_string(), after.step.to_string())),
            right(rate(|e| e.function)),
            right(rate(|e| e.quality)),
            right(rate(|e| e.joint)),
        ]);
    }
    table
}

/// How many answers were judged, and how many could not be.
fn judged(evaluation: &Evaluation) -> String {
    match evaluation.dropped {
        0 => evaluation.n.to_string(),
        dropped => format!("{} ({dropped} dropped)", evaluation.n),
    }
}

#[cfg(test)]
mod tests {
    use real_crds::progress::Decoding;

    use super::*;

    #[test]
    fn each_suite_and_decoding_has_a_row_from_first_to_last() {
        let at = |step, decoding, joint| Evaluation {
            suite: "quickstart".into(),
            decoding,
            step,
            n: 64,
            function: Some(0.5),
            quality: Some(0.25),
            joint: Some(joint),
            no_code: Some(0.0),
            dropped: 0,
            intervals: None,
        };
        let points = [
            at(0, Decoding::Greedy, 0.125),
            at(0, Decoding::Sampled, 0.0),
            at(10, Decoding::Greedy, 0.5),
            at(20, Decoding::Greedy, 1.0),
        ];
        for columns in [60, 80] {
            let narrow = fit(super::table(&points), Some(columns));
            assert!(narrow.lines().all(|line| real_terminal::text_width(line) <= columns), "{narrow}");
            assert!(narrow.contains("1.000"), "{narrow}");
        }
        let table = fit(super::table(&points), None);
        let table = table.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
        insta::assert_snapshot!(table, @r"
        ────────────────────────────────────────────────────────────────────────────────────
         data set     answers   n    steps    Function        Quality         Func.-Qual.
        ════════════════════════════════════════════════════════════════════════════════════
         quickstart   greedy    64   0 → 20   0.500 → 0.500   0.250 → 0.250   0.125 → 1.000
        ────────────────────────────────────────────────────────────────────────────────────
         quickstart   sampled   64        0           0.500           0.250           0.000
        ────────────────────────────────────────────────────────────────────────────────────
        ");
    }
}
