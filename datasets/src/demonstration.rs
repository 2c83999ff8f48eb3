//! Demonstrations: prompts with an answer to imitate, for supervised fine-tuning.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::record::{Record, RowError};
use crate::records::FileType;
use crate::source::Source;
use crate::{DatasetKind, LoadError, Mapping, Message, SolutionKind, Task, bundled, reader, records};

/// A prompt and an answer to it. One JSON line each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Demonstration {
    /// Name, for messages.
    pub id: String,
    /// Chat messages before the answer.
    pub prompt: Vec<Message>,
    /// The answer, as the model shall give it.
    pub response: String,
}

/// Loads demonstrations: a path, `file://`, `https://`, `hf://`, `s3://`, `gs://` or `az://` URI of rows in JSON or Parquet (canonical, chats, or prompts and
/// answers under their usual names), or of Parquet of a [`DatasetKind`], whose own programs are the answers, or
/// `bundled://quickstart-demonstrations?count=N&seed=S`, which are generated (60 000 of seed 0 by default).
///
/// # Errors
/// Says what could not be read, and where.
pub fn load_demonstrations(uri: &str) -> Result<Vec<Demonstration>, LoadError> {
    let loaded = match Source::parse(uri)? {
        Source::Bundled(name, parameters) => bundled::demonstrations(uri, &name, &parameters)?,
        Source::File(place) => {
            let path = place.path()?;
            if is_of_programs(&path)? { of_programs(&path)? } else { of_rows(&path)? }
        }
    };
    checked(uri, loaded)
}

/// Whether a file is one of those whose own programs are the answers.
fn is_of_programs(path: &Path) -> Result<bool, LoadError> {
    Ok(records::file_type(path)? == FileType::Parquet && DatasetKind::of(&records::columns(path)?.1).is_some())
}

fn of_programs(path: &Path) -> Result<Vec<Demonstration>, LoadError> {
    let mut loaded = Vec::new();
    reader::each(path, None, &Mapping::default(), &mut |task| {
        loaded.extend(of_task(task));
        Ok(())
    })?;
    Ok(loaded)
}

/// What a row may call its prompt and its answer, beside the canonical `prompt` and `response`.
const PAIRS: [(&str, &str); 6] = [
    ("prompt", "response"),
    ("prompt", "completion"),
    ("prompt", "chosen"),
    ("instruction", "output"),
    ("instruction", "response"),
    ("question", "answer"),
];

fn of_rows(path: &Path) -> Result<Vec<Demonstration>, LoadError> {
    let mut loaded = Vec::new();
    records::each(path, &mut |item| {
        let canonical =
            |text: &str| text.contains("\"prompt\"") && text.contains("\"response\"") && text.contains("\"id\"");
        let record = item.record()?;
        let is_chat = matches!(record.field("prompt"), Some(Value::Array(_)));
        let demonstration = if item.json().is_some_and(canonical) && is_chat {
            item.parse()?
        } else {
            of_record(&record, item.number()).map_err(|error| item.problem(&error.column, error.message))?
        };
        loaded.push(demonstration);
        Ok(())
    })?;
    Ok(loaded)
}

/// A chat whose last message is the answer, or a prompt and an answer under one of their usual names.
fn of_record(record: &Record, number: usize) -> Result<Demonstration, RowError> {
    let id = record.optional_text("id")?.unwrap_or_else(|| number.to_string());
    for column in ["messages", "conversations"] {
        if record.field(column).is_some() {
            let mut prompt = chat(record, column)?;
            return match prompt.pop() {
                Some(answer) if answer.role == "assistant" && !prompt.is_empty() => {
                    Ok(Demonstration { id, prompt, response: answer.content })
                }
                _ => Err(RowError::new(column, "has to end with a message of the assistant, after another one")),
            };
        }
    }
    let has = |column: &str| record.field(column).is_some();
    let Some((prompt, answer)) = PAIRS.into_iter().find(|(prompt, answer)| has(prompt) && has(answer)) else {
        let found = record.fields().keys().cloned().collect::<Vec<_>>().join(", ");
        let names = PAIRS.map(|(prompt, answer)| format!("{prompt} and {answer}")).join(", ");
        return Err(RowError::new(
            "the row",
            format!("has {found}; a demonstration has messages, conversations, or {names}"),
        ));
    };
    let messages = if let Some(Value::Array(_)) = record.field(prompt) {
        record.messages(prompt)?
    } else {
        let mut content = record.text(prompt)?;
        // Alpaca's rows have what the instruction is about in a field of its own.
        if let Some(about) = record.optional_text("input")?.filter(|about| prompt == "instruction" && !about.is_empty())
        {
            content = format!("{content}\n\n{about}");
        }
        vec![Message { role: "user".to_owned(), content }]
    };
    let response = match record.field(answer) {
        Some(Value::Array(_)) => record.messages(answer)?.pop().map(|message| message.content).unwrap_or_default(),
        _ => record.text(answer)?,
    };
    Ok(Demonstration { id, prompt: messages, response })
}

/// Messages as `role` and `content`, or as `from` and `value`.
fn chat(record: &Record, column: &str) -> Result<Vec<Message>, RowError> {
    let is_shared = record.field(column).and_then(|list| list.get(0)).is_some_and(|first| first.get("from").is_some());
    if !is_shared {
        return record.messages(column);
    }
    let role = |from: String| match from.as_str() {
        "human" => "user".to_owned(),
        "gpt" => "assistant".to_owned(),
        _ => from,
    };
    let pairs = record.pairs(column, "from", "value")?;
    Ok(pairs.into_iter().map(|(from, content)| Message { role: role(from), content }).collect())
}

/// Sees whether [`load_demonstrations`] would succeed. Bundled ones are not generated for that: there may be millions.
///
/// # Errors
/// As [`load_demonstrations`].
pub fn check_demonstrations(uri: &str) -> Result<(), LoadError> {
    match Source::parse(uri)? {
        Source::Bundled(name, parameters) => bundled::demonstration_parameters(uri, &name, &parameters).map(drop),
        Source::File(_) => load_demonstrations(uri).map(drop),
    }
}

/// A task's own program as the answer, in the block that answers are read from: the first that is known to be safe, else the
/// first of which that is not known.
fn of_task(task: Task) -> Option<Demonstration> {
    let Task { id, prompt, solutions, .. } = task;
    let of_kind = |kind| solutions.iter().find(|solution| solution.kind == kind);
    let solution = of_kind(SolutionKind::Secure).or_else(|| of_kind(SolutionKind::Reference))?;
    Some(Demonstration { id, prompt, response: format!("```python\n{}\n```", solution.code.trim_matches('\n')) })
}

fn checked(uri: &str, loaded: Vec<Demonstration>) -> Result<Vec<Demonstration>, LoadError> {
    if loaded.is_empty() {
        return Err(LoadError::Empty { place: uri.to_owned(), what: "demonstrations" });
    }
    Ok(loaded)
}
