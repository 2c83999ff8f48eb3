//! `NeMo` Gym's `/verify`: the request comes back, with `reward` beside it.
//!
//! The task's id is `verifier_metadata.task`, or `task`, `task_id` or `id` of the row. An answer that could not be judged has
//! `mask_sample: true`, which keeps it out of training, and the reason in `failure_reason`; its `reward` is 0 and means nothing. One whose
//! program keeps itself from being analysed has a reward, is not masked, and says so in the same field.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::body::Body;
use super::judge::{Entry, Missing, Server};

/// Where rows say which task they are.
const NAMES: [&str; 4] = ["task", "task_id", "label", "id"];

pub(super) async fn verify(State(server): State<Arc<Server>>, Body(mut row): Body<Map<String, Value>>) -> Response {
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
        Ok(scored) => {
            let mut found = json!({
                "reward": scored.reward,
                "mask_sample": false,
                "quality": scored.quality,
                "function": scored.function,
                "no_code": f64::from(u8::from(scored.no_code)),
                "unanalysed": f64::from(u8::from(scored.unanalysed.is_some())),
            });
            if let Some(why) = scored.unanalysed {
                // A name that is not of the shared ones has its server's before it.
                found["failure_kind"] = format!("real:{}", why.cause.label()).into();
                found["failure_reason"] = why.to_string().into();
            }
            found
        }
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

/// The text of the last message of the model (`OpenAI`'s Responses API). A response without one, cut off while the model thought or
/// called tools, is an empty answer; nothing is where there is no response.
fn answer_of(row: &Map<String, Value>) -> Option<String> {
    let output = row.get("response")?.get("output")?.as_array()?;
    let is = |item: &Value, field: &str, wanted: &str| item.get(field).is_none_or(|value| value == wanted);
    let message = output.iter().rev().find(|item| is(item, "type", "message") && is(item, "role", "assistant"));
    Some(match message.and_then(|message| message.get("content")) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => parts.iter().filter_map(|part| part.get("text")?.as_str()).collect(),
        _ => String::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(output: &Value) -> Option<String> {
        answer_of(json!({ "response": { "output": output } }).as_object().expect("an object"))
    }

    #[test]
    fn the_answer_is_what_the_model_said_last() {
        let said = |content: Value| json!({"type": "message", "role": "assistant", "content": content});
        let parts = json!([{"type": "output_text", "text": "a"}, {"type": "refusal", "refusal": "no"}, {"type": "output_text", "text": "b"}]);
        let thought = json!({"type": "reasoning", "summary": []});
        let called = json!({"type": "function_call", "name": "f", "arguments": "{}"});
        let asked = json!({"type": "message", "role": "user", "content": "go on"});
        for (output, wanted) in [
            (json!([thought, said(parts.clone()), called]), "ab"),
            (json!([said(json!("one")), said(json!("two")), asked]), "two"),
            (json!([{"content": "plain"}]), "plain"),
            // The model's doing, and no fault of the request.
            (json!([thought, called]), ""),
            (json!([said(Value::Null)]), ""),
            (json!([]), ""),
        ] {
            assert_eq!(answer(&output).as_deref(), Some(wanted), "{output}");
        }
        assert_eq!(answer(&json!("text")), None);
        assert_eq!(answer_of(&Map::new()), None);
    }
}
