//! `NeMo` Gym's `/aggregate_metrics`: figures over what [`verify`](super::verify) answered, by task and over all.
//!
//! Each number of a row (`true` is 1) and of its `response.usage` gets `mean/`, `max/`, `min/`, `median/` and `std/` (of a sample,
//! n - 1). A row with `mask_sample: true` was not measured: only `mask_sample` itself counts it. Figures with `mean/` are the headlines.

use std::collections::BTreeMap;

use axum::Json;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::body::Body;

const TASK: &str = "_ng_task_index";
/// Numbers that say which row it is, and measure nothing.
const INDICES: [&str; 3] = [TASK, "_ng_rollout_index", "_ng_attempt_index"];
const MASK: &str = "mask_sample";

type Fields = Map<String, Value>;

/// Rows as [`verify`](super::verify) answered them, whatever was left out since.
#[derive(Deserialize)]
pub(super) struct Request {
    verify_responses: Vec<Fields>,
}

pub(super) async fn aggregate(Body(request): Body<Request>) -> Json<Value> {
    Json(metrics(&request.verify_responses))
}

fn metrics(rows: &[Fields]) -> Value {
    let mut tasks: BTreeMap<i64, Vec<&Fields>> = BTreeMap::new();
    for row in rows {
        tasks.entry(row.get(TASK).and_then(Value::as_i64).unwrap_or(0)).or_default().push(row);
    }
    let groups: Vec<Fields> = tasks
        .into_iter()
        .map(|(task, rows)| {
            let mut figures = figures(rows);
            figures.insert(TASK.into(), task.into());
            figures
        })
        .collect();
    let all = figures(rows);
    let headlines: Fields = all
        .iter()
        .filter(|(name, _)| name.starts_with("mean/"))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    json!({ "group_level_metrics": groups, "agent_metrics": all, "key_metrics": headlines })
}

fn figures<'a>(rows: impl IntoIterator<Item = &'a Fields>) -> Fields {
    let mut columns: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for row in rows {
        let masked = row.get(MASK).and_then(Value::as_bool).unwrap_or(false);
        let usage = row.get("response").and_then(|response| response.get("usage")).and_then(Value::as_object);
        for (name, value) in row.iter().chain(usage.into_iter().flatten()) {
            if INDICES.contains(&name.as_str()) || masked && name != MASK {
                continue;
            }
            let number = value.as_bool().map(|flag| f64::from(u8::from(flag))).or_else(|| value.as_f64());
            if let Some(number) = number {
                columns.entry(name).or_default().push(number);
            }
        }
    }
    columns.into_iter().flat_map(|(name, numbers)| describe(name, numbers)).collect()
}

/// The figures of one column, which is not empty. One number has no deviation: it counts as 0.
fn describe(name: &str, mut numbers: Vec<f64>) -> Vec<(String, Value)> {
    numbers.sort_by(f64::total_cmp);
    let count = numbers.len() as f64;
    let mean = numbers.iter().sum::<f64>() / count;
    let squares: f64 = numbers.iter().map(|number| (number - mean).powi(2)).sum();
    let middle = numbers.len() / 2;
    let median =
        if numbers.len() % 2 == 1 { numbers[middle] } else { f64::midpoint(numbers[middle - 1], numbers[middle]) };
    let figures = [
        ("mean", mean),
        ("max", numbers[numbers.len() - 1]),
        ("min", numbers[0]),
        ("median", median),
        ("std", (squares / (count - 1.0).max(1.0)).sqrt()),
    ];
    figures.map(|(figure, value)| (format!("{figure}/{name}"), value.into())).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(rows: &Value) -> Value {
        metrics(&serde_json::from_value::<Vec<Fields>>(rows.clone()).expect("rows"))
    }

    #[test]
    fn numbers_are_described_by_task_and_over_all() {
        let found = of(&json!([
            {TASK: 1, "_ng_rollout_index": 0, "reward": 1.0, "no_code": false, "note": "x", "response": {"usage": {"output_tokens": 10}}},
            {TASK: 0, "_ng_rollout_index": 0, "reward": -1.0, "no_code": true, "response": {"usage": null}},
            {TASK: 1, "_ng_rollout_index": 1, "reward": 0.5, "no_code": false, "response": {"usage": {"output_tokens": 30}}},
        ]));
        let group = &found["group_level_metrics"];
        assert_eq!(
            (&group[0][TASK], &group[0]["mean/reward"], &group[0]["std/reward"]),
            (&json!(0), &json!(-1.0), &json!(0.0))
        );
        assert_eq!(
            (&group[1][TASK], &group[1]["median/reward"], &group[1]["max/output_tokens"]),
            (&json!(1), &json!(0.75), &json!(30.0))
        );
        let all = &found["agent_metrics"];
        assert_eq!(
            (&all["mean/no_code"], &all["min/reward"], &all["median/reward"]),
            (&json!(1.0 / 3.0), &json!(-1.0), &json!(0.5))
        );
        assert!((all["std/output_tokens"].as_f64().expect("a number") - 200_f64.sqrt()).abs() < 1e-12);
        assert_eq!(all.get("mean/_ng_rollout_index"), None);
        let headlines = found["key_metrics"].as_object().expect("an object");
        assert_eq!(headlines.keys().collect::<Vec<_>>(), ["mean/no_code", "mean/output_tokens", "mean/reward"]);
    }

    #[test]
    fn what_was_not_measured_counts_as_that_alone() {
        let found = of(&json!([
            {"reward": 1.0, "mask_sample": false},
            {"reward": 0.0, "mask_sample": true, "failure_reason": "the sandbox is away"},
        ]));
        assert_eq!(
            (&found["key_metrics"]["mean/reward"], &found["key_metrics"]["mean/mask_sample"]),
            (&json!(1.0), &json!(0.5))
        );
        assert_eq!(of(&json!([{"reward": 0.0, "mask_sample": true}]))["key_metrics"], json!({"mean/mask_sample": 1.0}));
        let nothing = json!({"group_level_metrics": [], "agent_metrics": {}, "key_metrics": {}});
        assert_eq!(of(&json!([])), nothing);
    }
}
