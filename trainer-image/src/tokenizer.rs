//! The tokenizer of a Hugging Face folder: `tokenizer.json`, the chat template, and which tokens end an answer.

use std::path::{Path, PathBuf};

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, ErrorKind, context};
use serde::Serialize;
use serde_json::Value;

/// Why text cannot be turned into tokens or back.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerError {
    /// A file is missing or cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
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
        /// What is wrong.
        reason: String,
    },
    /// A conversation was given to a model without a chat template.
    #[error("{}: no chat template: neither chat_template.jinja nor chat_template in tokenizer_config.json", dir.display())]
    NoTemplate {
        /// The model's folder.
        dir: PathBuf,
    },
    /// The chat template refuses the conversation, or is broken.
    #[error("chat template of {}: {reason}", dir.display())]
    Template {
        /// The model's folder.
        dir: PathBuf,
        /// What it says.
        reason: String,
    },
    /// The model has no end-of-sequence token.
    #[error(
        "{}: no eos_token_id in generation_config.json or config.json, and no eos_token in tokenizer_config.json: answers would not end",
        dir.display()
    )]
    NoEnd {
        /// The model's folder.
        dir: PathBuf,
    },
    /// The tokenizer refuses a text.
    #[error("tokenizer: {0}")]
    Text(String),
}

/// Text to tokens and back.
pub struct Tokenizer {
    dir: PathBuf,
    inner: tokenizers::Tokenizer,
    template: Option<Environment<'static>>,
    special: Vec<(&'static str, String)>,
    eos: Vec<i64>,
    pad: i64,
}

const TEMPLATE: &str = "chat";

impl Tokenizer {
    /// Reads `tokenizer.json` and, where they are there, `tokenizer_config.json`, `chat_template.jinja`,
    /// `generation_config.json` and `config.json` of `dir`.
    ///
    /// # Errors
    /// `tokenizer.json` is missing, a file is broken, or nothing says which token ends an answer.
    pub fn load(dir: &Path) -> Result<Self, TokenizerError> {
        let path = dir.join("tokenizer.json");
        let bytes = std::fs::read(&path).map_err(|source| TokenizerError::Read { path: path.clone(), source })?;
        let inner = tokenizers::Tokenizer::from_bytes(bytes)
            .map_err(|e| TokenizerError::Malformed { path, reason: e.to_string() })?;
        let settings = optional_json(dir, "tokenizer_config.json")?;
        let sources = [optional_json(dir, "generation_config.json")?, optional_json(dir, "config.json")?];

        let special: Vec<(&'static str, String)> = ["bos_token", "eos_token", "pad_token", "unk_token"]
            .into_iter()
            .filter_map(|key| Some((key, token_text(settings.get(key)?)?)))
            .collect();
        let id_of = |key: &str| {
            let text = &special.iter().find(|(name, _)| *name == key)?.1;
            inner.token_to_id(text).map(i64::from)
        };
        let configured = |key: &str| sources.iter().map(|source| ids(source.get(key))).find(|found| !found.is_empty());
        let eos = configured("eos_token_id").or_else(|| id_of("eos_token").map(|id| vec![id])).unwrap_or_default();
        if eos.is_empty() {
            return Err(TokenizerError::NoEnd { dir: dir.to_path_buf() });
        }
        let pad = configured("pad_token_id").map(|ids| ids[0]).or_else(|| id_of("pad_token")).unwrap_or(eos[0]);
        let template = template_source(dir, &settings)?.map(|source| environment(dir, source)).transpose()?;
        Ok(Self { dir: dir.to_path_buf(), inner, template, special, eos, pad })
    }

    /// Tokens of `text`; special tokens are recognised where they are written out, none are added.
    ///
    /// # Errors
    /// The tokenizer cannot represent the text.
    pub fn encode(&self, text: &str) -> Result<Vec<i64>, TokenizerError> {
        let encoding = self.inner.encode_fast(text, false).map_err(|e| TokenizerError::Text(e.to_string()))?;
        Ok(encoding.get_ids().iter().map(|id| i64::from(*id)).collect())
    }

    /// Text of `ids`, special tokens left out.
    ///
    /// # Errors
    /// An id is negative or too large, or the tokenizer's decoder fails.
    pub fn decode(&self, ids: &[i64]) -> Result<String, TokenizerError> {
        let ids: Vec<u32> = ids
            .iter()
            .map(|id| u32::try_from(*id).map_err(|_| TokenizerError::Text(format!("{id} is not a token"))))
            .collect::<Result<_, _>>()?;
        self.inner.decode(&ids, true).map_err(|e| TokenizerError::Text(e.to_string()))
    }

    /// The conversation as the model wants it, up to where its answer begins.
    ///
    /// # Errors
    /// There is no chat template, or it refuses the conversation.
    pub fn chat_text(&self, messages: &[impl Serialize]) -> Result<String, TokenizerError> {
        let dir = || self.dir.clone();
        let template = self.template.as_ref().ok_or_else(|| TokenizerError::NoTemplate { dir: dir() })?;
        let special = minijinja::Value::from_pairs(self.special.iter().map(|(key, text)| (*key, text.as_str())));
        let messages = minijinja::Value::from(minijinja::value::Serde(messages));
        template
            .get_template(TEMPLATE)
            .and_then(|t| t.render(context! { messages, add_generation_prompt => true, ..special }))
            .map_err(|e| TokenizerError::Template { dir: dir(), reason: format!("{e:#}") })
    }

    /// Tokens of a conversation, up to where the answer begins.
    ///
    /// # Errors
    /// As [`Tokenizer::chat_text`] and [`Tokenizer::encode`].
    pub fn chat(&self, messages: &[impl Serialize]) -> Result<Vec<i64>, TokenizerError> {
        self.encode(&self.chat_text(messages)?)
    }

    /// Tokens that end an answer; at least one. The first is the one to train on.
    pub fn eos(&self) -> &[i64] {
        &self.eos
    }

    /// Token to fill batches with.
    pub fn pad(&self) -> i64 {
        self.pad
    }

    /// Number of tokens.
    pub fn vocabulary(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// Files of `dir` that make up a tokenizer, to be copied beside saved weights.
    pub fn files(dir: &Path) -> Vec<PathBuf> {
        [
            "tokenizer.json",
            "tokenizer_config.json",
            "chat_template.jinja",
            "generation_config.json",
            "special_tokens_map.json",
            "added_tokens.json",
            "vocab.json",
            "merges.txt",
        ]
        .iter()
        .map(|name| dir.join(name))
        .filter(|path| path.is_file())
        .collect()
    }
}

/// A JSON file's content; null where there is no such file.
fn optional_json(dir: &Path, name: &str) -> Result<Value, TokenizerError> {
    let path = dir.join(name);
    match std::fs::read(&path) {
        Ok(bytes) => {
            serde_json::from_slice(&bytes).map_err(|e| TokenizerError::Malformed { path, reason: e.to_string() })
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Value::Null),
        Err(source) => Err(TokenizerError::Read { path, source }),
    }
}

/// A special token: its text, or an object that holds it.
fn token_text(value: &Value) -> Option<String> {
    value.as_str().or_else(|| value.get("content")?.as_str()).map(str::to_owned)
}

/// A token id or a list of them.
fn ids(value: Option<&Value>) -> Vec<i64> {
    match value {
        Some(Value::Array(ids)) => ids.iter().filter_map(Value::as_i64).collect(),
        Some(id) => id.as_i64().into_iter().collect(),
        None => Vec::new(),
    }
}

/// The chat template: a file of its own, a string, or the one named `default` of a list.
fn template_source(dir: &Path, settings: &Value) -> Result<Option<String>, TokenizerError> {
    let path = dir.join("chat_template.jinja");
    if path.exists() {
        return std::fs::read_to_string(&path).map(Some).map_err(|source| TokenizerError::Read { path, source });
    }
    let named = |list: &Vec<Value>| {
        let default = list.iter().find(|entry| entry["name"] == "default")?;
        default["template"].as_str().map(str::to_owned)
    };
    Ok(match settings.get("chat_template") {
        Some(Value::String(source)) => Some(source.clone()),
        Some(Value::Array(list)) => named(list),
        _ => None,
    })
}

/// Jinja as transformers sets it up for chat templates.
fn environment(dir: &Path, source: String) -> Result<Environment<'static>, TokenizerError> {
    let mut environment = Environment::new();
    let template_error =
        |e: minijinja::Error| TokenizerError::Template { dir: dir.to_path_buf(), reason: format!("{e:#}") };
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build().map_err(template_error)?;
    environment.set_syntax(syntax);
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.add_function("raise_exception", |message: String| -> Result<String, minijinja::Error> {
        Err(minijinja::Error::new(ErrorKind::InvalidOperation, message))
    });
    environment.add_template_owned(TEMPLATE, source).map_err(template_error)?;
    Ok(environment)
}
