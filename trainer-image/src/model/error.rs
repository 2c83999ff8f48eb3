//! What can be wrong with a model folder.

use std::path::{Path, PathBuf};

/// Why a model could not be loaded or saved.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A file that a model folder must have is not there or cannot be read.
    #[error("cannot read {}: {source}; a model folder holds config.json, tokenizer.json and model.safetensors", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file is not what its name says.
    #[error("{}: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The configuration asks for something that is not implemented, or contradicts itself.
    #[error("{}: {field} is {value}; {allowed}", path.display())]
    Unsupported {
        /// The configuration.
        path: PathBuf,
        /// Key in it.
        field: &'static str,
        /// Value found.
        value: String,
        /// What would do.
        allowed: String,
    },
    /// A parameter is in none of the weight files.
    #[error("{}: no tensor {name}; config.json asks for it with shape {shape:?}", path.display())]
    MissingTensor {
        /// The weight file, or the folder where there are several.
        path: PathBuf,
        /// Name as in Hugging Face checkpoints.
        name: String,
        /// Shape that the configuration implies.
        shape: Vec<i64>,
    },
    /// A parameter has another shape than the configuration implies.
    #[error("{}: tensor {name} has shape {found:?}; config.json asks for {expected:?}", path.display())]
    Shape {
        /// The weight file.
        path: PathBuf,
        /// Name as in Hugging Face checkpoints.
        name: String,
        /// Shape in the file.
        found: Vec<i64>,
        /// Shape that the configuration implies.
        expected: Vec<i64>,
    },
    /// A parameter, or what an optimiser remembers of one, has values that are no numbers: nothing can be learnt from it.
    #[error("{}: tensor {name} has {count} values that are not finite (NaN or infinite)", path.display())]
    NotFinite {
        /// The weight file.
        path: PathBuf,
        /// Name as in Hugging Face checkpoints.
        name: String,
        /// How many of its values are not finite.
        count: i64,
    },
    /// The weight files hold tensors that the model described by the configuration has no place for.
    #[error("{}: {}; config.json describes a model without them{hint}", path.display(), enumerated(names))]
    Leftover {
        /// The weight file, or the folder where there are several.
        path: PathBuf,
        /// Names as in the file.
        names: Vec<String>,
        /// What may be the reason, beginning with a colon; empty where nothing is known.
        hint: String,
    },
    /// Prompts and answers may become longer than the model can tell positions apart.
    #[error(
        "{prompt} + {answer} tokens are {}, more than the {longest} positions of the model (max_position_embeddings or sliding_window in {}): {remedy}",
        prompt + answer, path.display()
    )]
    TooLong {
        /// The configuration.
        path: PathBuf,
        /// Longest prompt in tokens.
        prompt: u64,
        /// Longest answer in tokens.
        answer: u64,
        /// `max_position_embeddings`, or `sliding_window` where that is less.
        longest: i64,
        /// What to lower.
        remedy: String,
    },
    /// A model that is elsewhere cannot be had.
    #[error("model {uri}: {source}")]
    Fetch {
        /// As given.
        uri: String,
        /// Why not.
        source: real_sources::SourceError,
    },
    /// A model is named by something that is not a folder on this machine.
    #[error("model {uri}: {reason}")]
    Location {
        /// As given.
        uri: String,
        /// What is wrong, and what is allowed.
        reason: String,
    },
}

/// Some names of many.
fn enumerated(names: &[String]) -> String {
    const SHOWN: usize = 4;
    let shown = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len() {
        1 => format!("tensor {shown} is left over"),
        count if count <= SHOWN => format!("tensors {shown} are left over"),
        count => format!("tensors {shown} and {} more are left over", count - SHOWN),
    }
}

impl ModelError {
    /// A reading error about `path`.
    pub(crate) fn read(path: &Path, source: std::io::Error) -> Self {
        Self::Read { path: path.to_path_buf(), source }
    }

    /// A writing error about `path`.
    pub(crate) fn write(path: &Path, source: std::io::Error) -> Self {
        Self::Write { path: path.to_path_buf(), source }
    }

    /// A complaint about the content of `path`.
    pub(crate) fn malformed(path: &Path, reason: impl std::fmt::Display) -> Self {
        Self::Malformed { path: path.to_path_buf(), reason: reason.to_string() }
    }
}
