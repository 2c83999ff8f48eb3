//! Files of answers as others write them: JSON lines or an array, plain or compressed, or Parquet.
//!
//! | fields | written by |
//! |---|---|
//! | `id`, `response` | `real eval` and `real-trainer generate` |
//! | `task_id`, `completion` or `solution` | HumanEval and EvalPlus: what stands behind the prompt, or a whole program |
//! | `custom_id`, `response.body.choices[0].message.content` | OpenAI's batch API, vLLM's `run-batch` |
//! | `custom_id`, `result.message.content[].text` | Anthropic's batch API |
//! | `id` or `task_id`, `messages` or `choices` | chats whose last message is the answer |
//!
//! Where a field holds a list of texts, each is an answer of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use real_crds::validate::nearest;
use real_datasets::{LoadError, Task, each_value};
use serde_json::{Map, Value};

use crate::answers::{Answer, examples};

/// Fields with the task's id, the surest first: the `id` of an API's answer is that of the answer.
const IDS: [&str; 4] = ["custom_id", "task_id", "id", "question_id"];

/// Fields with what a model said.
const SAID: [&str; 5] = ["response", "responses", "output", "outputs", "generation"];

/// Fields with what stands behind the head of a function.
const COMPLETIONS: [&str; 2] = ["completion", "completions"];

/// Fields with a whole program.
const PROGRAMS: [&str; 3] = ["solution", "solutions", "code"];

/// The answers in a file.
///
/// # Errors
/// The file cannot be read, or one of its objects is no answer to one of these tasks.
pub fn read(path: &Path, tasks: &BTreeMap<String, Task>) -> Result<Vec<Answer>, LoadError> {
    let (mut answers, mut numbered) = (Vec::new(), BTreeSet::new());
    each_value(path, |row| {
        let id = id(&row)?;
        let task = tasks.get(&id).ok_or_else(|| unknown(&id, tasks))?;
        if let Some(sample) = row.get("sample").and_then(Value::as_u64)
            && !numbered.insert((id.clone(), sample))
        {
            return Err(format!("there is a sample {sample} of task '{id}' already; each is counted once"));
        }
        match said(&row, task)? {
            Said::Texts(texts) => answers.extend(texts.into_iter().map(|response| Answer {
                id: id.clone(),
                response,
                baseline: None,
                lost: None,
            })),
            Said::Lost(why) => {
                answers.push(Answer { id: id.clone(), response: String::new(), baseline: None, lost: Some(why) });
            }
        }
        Ok(())
    })?;
    Ok(answers)
}

fn unknown(id: &str, tasks: &BTreeMap<String, Task>) -> String {
    let hint = match nearest(id, tasks.keys().map(String::as_str)) {
        // Of numbers none is nearer than another.
        Some(near) if id.parse::<i64>().is_err() => format!("did you mean {near}?"),
        _ => format!("the data set's ids look like {}", examples(tasks)),
    };
    format!("no task has the id '{id}'; {hint}")
}

/// What a row says.
enum Said {
    /// Answers.
    Texts(Vec<String>),
    /// That the request failed.
    Lost(String),
}

fn id(row: &Map<String, Value>) -> Result<String, String> {
    let given = IDS.iter().find_map(|name| Some((*name, row.get(*name).filter(|value| !value.is_null())?)));
    match given {
        Some((_, Value::String(id))) => Ok(id.clone()),
        Some((_, Value::Number(id))) if !id.is_f64() => Ok(id.to_string()),
        Some((name, other)) => Err(format!("{name} is {other}; an id is a string or a whole number")),
        None => Err(format!("there is no id; it is in {}", IDS.join(", "))),
    }
}

fn said(row: &Map<String, Value>, task: &Task) -> Result<Said, String> {
    if let Some(error) = row.get("error").filter(|error| !is_nothing(error)) {
        return Ok(Said::Lost(format!("the request failed: {}", short(error))));
    }
    let has =
        |names: &'static [&str]| names.iter().find(|name| row.contains_key(**name)).map(|name| (*name, &row[*name]));
    if let Some(("response", answer @ Value::Object(_))) = has(&SAID) {
        return batch(answer);
    }
    if let Some(result) = row.get("result").filter(|result| result.is_object()) {
        return messages_batch(result);
    }
    if let Some((name, value)) = has(&SAID) {
        return texts(name, value).map(Said::Texts);
    }
    if let Some((name, value)) = has(&COMPLETIONS) {
        return Ok(Said::Texts(texts(name, value)?.into_iter().map(|text| completed(&text, task)).collect()));
    }
    if let Some((name, value)) = has(&PROGRAMS) {
        return Ok(Said::Texts(texts(name, value)?.into_iter().map(|text| quoted("", &text)).collect()));
    }
    if let Some(choices) = row.get("choices") {
        return chosen(choices).map(Said::Texts);
    }
    if let Some(Value::Array(messages)) = row.get("messages") {
        let last = messages.last().filter(|last| last["role"] == "assistant");
        let last = last.ok_or("messages: the last has to be the assistant's")?;
        return content(&last["content"]).map(|text| Said::Texts(vec![text]));
    }
    let found = row.keys().cloned().collect::<Vec<_>>().join(", ");
    let known = [&SAID[..], &COMPLETIONS, &PROGRAMS, &["choices", "messages"]].concat().join(", ");
    Err(format!("there is no answer among its fields ({found}); it is in {known}"))
}

/// `{"status_code": 200, "body": {"choices": […]}}`.
fn batch(response: &Value) -> Result<Said, String> {
    let status = &response["status_code"];
    let succeeded = status.is_null() || status.as_u64() == Some(200) || status.as_str() == Some("200");
    if !succeeded {
        return Ok(Said::Lost(format!("the request failed with HTTP {status}: {}", short(&response["body"]))));
    }
    let body = if response.get("body").is_some() { &response["body"] } else { response };
    // The newer API has a list of outputs instead.
    if let Value::Array(outputs) = &body["output"] {
        let message = outputs.iter().find(|output| output["type"] == "message");
        let message = message.ok_or("response.body.output: there is no message in it")?;
        return content(&message["content"]).map(|text| Said::Texts(vec![text]));
    }
    chosen(&body["choices"]).map(Said::Texts).map_err(|problem| format!("response.body.{problem}"))
}

/// `{"type": "succeeded", "message": {"content": […]}}`.
fn messages_batch(result: &Value) -> Result<Said, String> {
    match result["type"].as_str() {
        Some("succeeded") => content(&result["message"]["content"]).map(|text| Said::Texts(vec![text])),
        Some(other) => Ok(Said::Lost(format!("the request {other}: {}", short(&result["error"])))),
        None => Err("result: has no type".to_owned()),
    }
}

/// The answers of `choices`.
fn chosen(choices: &Value) -> Result<Vec<String>, String> {
    let list =
        choices.as_array().filter(|list| !list.is_empty()).ok_or("choices: a list with something in it is needed")?;
    let text = |choice: &Value| match choice.get("text") {
        Some(Value::String(text)) => Ok(text.clone()),
        _ if choice["message"].is_object() => content(&choice["message"]["content"]),
        _ => Err("choices: has one with neither message nor text".to_owned()),
    };
    list.iter().map(text).collect()
}

/// A text, or the texts of a list of parts; nothing is what a model says that refuses, or calls a tool.
fn content(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Null => Ok(String::new()),
        Value::Array(parts) => Ok(parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().concat()),
        other => Err(format!("content is {}; a text is needed", short(other))),
    }
}

fn texts(name: &str, value: &Value) -> Result<Vec<String>, String> {
    let one = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        other => Err(format!("{name} is {}; a text, or a list of them, is needed", short(other))),
    };
    match value {
        Value::Array(list) if !list.is_empty() => list.iter().map(one).collect(),
        single => Ok(vec![one(single)?]),
    }
}

/// Whether a field with an error says that there is none: scripts write it in many ways.
fn is_nothing(error: &Value) -> bool {
    match error {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Number(code) => code.as_f64() == Some(0.0),
        Value::Array(list) => list.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(true) => false,
    }
}

/// What stands behind the head of a function, as an answer with the whole of it.
fn completed(text: &str, task: &Task) -> String {
    quoted(task.stub.as_deref().unwrap_or_default(), text)
}

/// A program as an answer, behind what it goes on from. What is an answer already stays one: something whose first fence says what it is a block
/// of. Whether that is a program is then told as of any answer.
fn quoted(head: &str, text: &str) -> String {
    let fence = text.lines().find_map(|line| line.trim_start().strip_prefix("```"));
    if text.contains("```python") || fence.is_some_and(|language| !language.trim().is_empty()) {
        return text.to_owned();
    }
    // Models that do not stop close a block that was never opened, and explain.
    let code = text.split("\n```").next().unwrap_or_default();
    let code = code.strip_prefix("```").unwrap_or(code);
    format!("```python\n{head}{code}\n```")
}

fn short(value: &Value) -> String {
    value.to_string().chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tasks() -> BTreeMap<String, Task> {
        let task = |id: &str| {
            json!({
                "id": id, "dataset": "d", "split": "test", "prompt": [], "tests": [], "quality": ["security"],
                "stub": "def f(x):\n",
            })
        };
        ["10", "9"].map(|id| (id.to_owned(), serde_json::from_value(task(id)).unwrap())).into()
    }

    fn of_rows(rows: &[Value]) -> Result<Vec<Answer>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("answers.jsonl");
        std::fs::write(&path, rows.iter().map(Value::to_string).collect::<Vec<_>>().join("\n")).unwrap();
        read(&path, &tasks()).map_err(|error| error.to_string())
    }

    #[test]
    fn answers_are_read_as_others_write_them() {
        let program = "```python\ndef f(x):\n    return x\n```";
        for (row, expected) in [
            (json!({"id": 9, "response": "a", "model": "m"}), "a"),
            (json!({"task_id": "9", "completion": "    return x"}), program),
            (json!({"task_id": "9", "completion": "    return x\n```\nThis works."}), program),
            (json!({"task_id": "9", "completion": "Here:\n```python\nx\n```"}), "Here:\n```python\nx\n```"),
            (
                json!({"task_id": "9", "completion": "```\n    return x\n```\nSo."}),
                "```python\ndef f(x):\n\n    return x\n```",
            ),
            (json!({"task_id": "9", "completion": "```py\nx\n```"}), "```py\nx\n```"),
            (
                json!({"task_id": "9", "solution": "Sure:\n```Python3\nx\n```\nDone."}),
                "Sure:\n```Python3\nx\n```\nDone.",
            ),
            (json!({"task_id": "9", "response": "a", "error": ""}), "a"),
            (json!({"task_id": "9", "response": "a", "error": false, "sample": 0}), "a"),
            (json!({"task_id": "9", "response": "a", "error": [], "sample": null}), "a"),
            (
                json!({"custom_id": "9", "response": {"status_code": "200", "body": {"choices": [{"message": {"content": "a"}}]}}}),
                "a",
            ),
            (json!({"task_id": "9", "solution": "def f(x):\n    return x"}), program),
            (
                json!({"id": "batch_1", "custom_id": "9", "error": null,
                    "response": {"status_code": 200, "body": {"id": "c", "choices": [{"message": {"role": "assistant", "content": "a"}}]}}}),
                "a",
            ),
            (
                json!({"custom_id": "9", "response": {"body": {"output": [{"type": "reasoning"}, {"type": "message",
                    "content": [{"type": "output_text", "text": "a"}]}]}}}),
                "a",
            ),
            (
                json!({"custom_id": "9", "result": {"type": "succeeded", "message": {"content": [{"type": "text", "text": "a"}]}}}),
                "a",
            ),
            (
                json!({"id": "9", "messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}),
                "a",
            ),
            (json!({"task_id": "9", "id": "chatcmpl-1", "choices": [{"message": {"content": null}}]}), ""),
        ] {
            let answers = of_rows(std::slice::from_ref(&row)).unwrap();
            assert_eq!((answers[0].id.as_str(), answers[0].response.as_str()), ("9", expected), "{row}");
        }
        let several = of_rows(&[
            json!({"task_id": 10, "completions": ["    pass", "    return 1"]}),
            json!({"id": "10", "response": "c"}),
        ]);
        assert_eq!(several.unwrap().len(), 3);
    }

    #[test]
    fn a_request_that_failed_is_no_answer_and_says_nothing_about_the_model() {
        for row in [
            json!({"custom_id": "9", "response": {"status_code": 429, "body": {"error": "slow down"}}, "error": null}),
            json!({"custom_id": "9", "response": null, "error": {"code": "batch_expired"}}),
            json!({"custom_id": "9", "response": {"status_code": "500", "body": null}}),
            json!({"id": "9", "response": "", "error": true}),
            json!({"id": "9", "response": "", "error": 504}),
            json!({"custom_id": "9", "result": {"type": "errored", "error": {"type": "overloaded"}}}),
        ] {
            let lost = of_rows(&[row]).unwrap().remove(0).lost.unwrap();
            assert!(lost.starts_with("the request"), "{lost}");
        }
    }

    #[test]
    fn what_is_no_answer_is_named_with_its_place() {
        for (row, expected) in [
            (json!({"id": "9", "sample": 3, "response": "b"}), "there is a sample 3 of task '9' already"),
            (json!({"id": 9}), "there is no answer among its fields (id); it is in response"),
            (json!({"id": 9.5, "response": ""}), "an id is a string or a whole number"),
            (json!({"response": ""}), "there is no id; it is in custom_id"),
            (json!("nonsense"), "an object with fields is needed"),
            (json!({"id": 9, "response": null}), "response is null"),
            (json!({"id": 9, "messages": [{"role": "user", "content": "q"}]}), "the last has to be the assistant's"),
            (json!({"id": 11, "response": "a"}), "no task has the id '11'; the data set's ids look like 10, 9"),
        ] {
            let error = of_rows(&[json!({"id": 9, "sample": 3, "response": "a"}), row]).unwrap_err();
            assert!(error.contains(expected) && error.contains("answers.jsonl:2"), "{error}");
        }
    }
}
