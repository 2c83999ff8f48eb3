//! Demonstrations: prompts with an answer to imitate, for supervised fine-tuning.

use serde::{Deserialize, Serialize};

use crate::load::{FileType, file_type};
use crate::source::Source;
use crate::{LoadError, Message, SolutionKind, Task, bundled, jsonl, parquet_rows};

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

/// Loads demonstrations: a path, `file://`, `https://` or `hf://` URI of JSONL (`.jsonl`, `.jsonl.gz`) or of one of the paper's Parquet files, whose own
/// programs are the answers, or
/// `bundled://quickstart-demonstrations?count=N&seed=S`, which are generated (60 000 of seed 0 by default).
///
/// # Errors
/// Says what could not be read, and where.
pub fn load_demonstrations(uri: &str) -> Result<Vec<Demonstration>, LoadError> {
    let loaded = match Source::parse(uri)? {
        Source::Bundled(name, parameters) => bundled::demonstrations(uri, &name, &parameters)?,
        Source::File(place) => {
            let path = place.path()?;
            match file_type(&path)? {
                FileType::Jsonl => jsonl::read_file(&path)?,
                FileType::Parquet => {
                    let mut loaded = Vec::new();
                    parquet_rows::each(&path, None, &mut |task| {
                        loaded.extend(of_task(task));
                        Ok(())
                    })?;
                    loaded
                }
            }
        }
    };
    checked(uri, loaded)
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
