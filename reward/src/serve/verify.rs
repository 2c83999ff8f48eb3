//! `NeMo` Gym's `/verify`: the request comes back, with `reward` beside it.
//!
//! The task's id is `verifier_metadata.task`, or `task`, `task_id` or `id` of the row. An answer that could not be judged has
//! `mask_sample: true`, which keeps it out of training, and the reason in `failure_reason`; its `reward` is 0 and means nothing.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::judge::{Entry, Missing, Server};

/// Where rows say which task they are.
const NAMES: [&str; 4] = ["task", "task_id", "label", "id"];

pub(super) async fn verify(State(server): State<Arc<Server>>, Json(mut row): Json<Map<String, Value>>) -> Response {
    let (Some(id), Some(answer)) = (task_of(&row), answer_of(&row)) else {
        let why =
            "a row needs `response.output` with a message, and its task's id as `verifier_metadata.task` or `task`";
        return (StatusCode::UNPROCESSABLE_ENTITY, why).into_response();
    };
    let task = match server.tasks.find(&id) {
        Ok(task) => task,
        Err(error) => return (StatusCode::UNPROCESSABLE_ENTITY, error.to_string()).into_response(),
    };
    let judged = server.judge(&[Ok(Entry { task, answer: &answer })]).await.remove(0);
    let found = match judged {
        Ok(scored) => json!({
            "reward": scored.reward,
            "mask_sample": false,
            "quality": scored.quality,
            "function": scored.function,
            "no_code": f64::from(u8::from(scored.no_code)),
        }),
        Err(Missing { reason, .. }) => {
            json!({ "reward": 0.0, "mask_sample": true, "failure_kind": "verifier_error", "failure_reason": reason })
        }
    };
    row.extend(found.as_object().cloned().unwrap_or_default());
    Json(row).into_response()
}

fn task_of(row: &Map<String, Value>) -> Option<String> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let of = |fields: &Map<String, Value>| NAMES.iter().find_map(|name| fields.get(*name).and_then(text));
    row.get("verifier_metadata").and_then(Value::as_object).and_then(of).or_else(|| of(row))
}

/// The text of the last message of the model (`OpenAI`'s Responses API).
fn answer_of(row: &Map<String, Value>) -> Option<String> {
    let output = row.get("response")?.get("output")?.as_array()?;
    let message = output.iter().rev().find(|item| item.get("type").is_none_or(|kind| kind == "message"))?;
    match message.get("content")? {
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => Some(parts.iter().filter_map(|part| part.get("text")?.as_str()).collect()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(value: &Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn the_last_message_is_the_answer() {
        let output = json!([
            {"type": "reasoning", "summary": []},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "first"}]},
            {"type": "message", "role": "assistant", "content": [
                {"type": "output_text", "text": "a"}, {"type": "output_text", "text": "b"}]},
            {"type": "function_call", "name": "f", "arguments": "{}"},
        ]);
        assert_eq!(answer_of(&row(&json!({"response": {"output": output}}))).as_deref(), Some("ab"));
        assert_eq!(answer_of(&row(&json!({"response": {"output": []}}))), None);
    }

    #[test]
    fn the_task_is_found_where_rows_say_it() {
        let found = |value: Value| task_of(&row(&value));
        assert_eq!(found(json!({"verifier_metadata": {"task": 7}, "id": "x"})).as_deref(), Some("7"));
        assert_eq!(found(json!({"id": "x"})).as_deref(), Some("x"));
        assert_eq!(found(json!({"verifier_metadata": {"other": 1}})), None);
    }
}
