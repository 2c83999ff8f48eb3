//! The tokenizer of a Hugging Face folder: `tokenizer.json`, the chat template, and which tokens end an answer.

mod expression;
mod format;
mod members;
mod objects;
mod printf;
mod python;
mod repr;
mod rewrite;
mod strings;
mod template;
mod words;

use std::path::{Path, PathBuf};

use real_datasets::guard::guarded;
use serde::Serialize;
use serde_json::{Value, json};

use template::ChatTemplate;

use crate::json_file;
use crate::model::home;

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
    /// A file of the tokenizer cannot be copied or written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The tokenizer refuses a text.
    #[error("tokenizer: {0}")]
    Text(String),
}

/// Text to tokens and back.
pub struct Tokenizer {
    dir: PathBuf,
    inner: tokenizers::Tokenizer,
    template: Option<ChatTemplate>,
    eos: Vec<i64>,
    end_of_turn: i64,
    pad: i64,
}

impl Tokenizer {
    /// Of a folder of adapters without a tokenizer, that of the model they belong to. Reads `tokenizer.json` and, where they are there, `tokenizer_config.json`, `chat_template.jinja`,
    /// `generation_config.json` and `config.json` of `dir`.
    ///
    /// # Errors
    /// `tokenizer.json` is missing, a file is broken, or nothing says which token ends an answer.
    pub fn load(dir: &Path) -> Result<Self, TokenizerError> {
        let home = home(dir, "tokenizer.json")
            .map_err(|error| TokenizerError::Malformed { path: dir.to_path_buf(), reason: error.to_string() })?;
        let dir = home.as_path();
        let path = dir.join("tokenizer.json");
        let text = json_file::text(&path).map_err(|source| TokenizerError::Read { path: path.clone(), source })?;
        let inner = guarded(|| text.parse::<tokenizers::Tokenizer>()).and_then(|read| read.map_err(|e| e.to_string()));
        let inner = inner.map_err(|reason| TokenizerError::Malformed { path, reason })?;
        let settings = optional_json(dir, SETTINGS)?;
        let mut special: Vec<(&'static str, String)> = Vec::new();
        for key in ["bos_token", "eos_token", "pad_token", "unk_token"] {
            special.extend(token_text(dir, &settings, key)?.map(|text| (key, text)));
        }
        let id_of = |key: &str| {
            let text = &special.iter().find(|(name, _)| *name == key)?.1;
            inner.token_to_id(text).map(i64::from)
        };
        let mut eos = configured(dir, "eos_token_id")?;
        if let Some(unknown) =
            eos.iter().find(|id| u32::try_from(**id).ok().and_then(|id| inner.id_to_token(id)).is_none())
        {
            let reason = format!("eos_token_id is {unknown}, and the tokenizer has no token of that number");
            return Err(TokenizerError::Malformed { path: dir.to_path_buf(), reason });
        }
        let own = id_of("eos_token");
        // Some say -1 for none.
        let pad =
            configured(dir, "pad_token_id")?.first().copied().filter(|id| *id >= 0).or_else(|| id_of("pad_token"));
        let template = ChatTemplate::load(dir, &settings, special.clone())?;
        let by_template = template.as_ref().and_then(|template| end_of_turn(template, &inner, &eos, own));
        let Some(end_of_turn) = by_template.or(own).or(eos.first().copied()) else {
            return Err(TokenizerError::NoEnd { dir: dir.to_path_buf() });
        };
        for end in own.into_iter().chain([end_of_turn]) {
            if !eos.contains(&end) {
                eos.push(end);
            }
        }
        let pad = pad.unwrap_or(eos[0]);
        Ok(Self { dir: dir.to_path_buf(), inner, template, eos, end_of_turn, pad })
    }

    /// Tokens of `text`; special tokens are recognised where they are written out, none are added.
    ///
    /// # Errors
    /// The tokenizer cannot represent the text.
    pub fn encode(&self, text: &str) -> Result<Vec<i64>, TokenizerError> {
        let encoding = guarded(|| self.inner.encode_fast(text, false)).map_err(TokenizerError::Text)?;
        let encoding = encoding.map_err(|e| TokenizerError::Text(e.to_string()))?;
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
        let text = guarded(|| self.inner.decode(&ids, true)).map_err(TokenizerError::Text)?;
        text.map_err(|e| TokenizerError::Text(e.to_string()))
    }

    /// The conversation as the model wants it, up to where its answer begins.
    ///
    /// # Errors
    /// There is no chat template, or it refuses the conversation.
    pub fn chat_text(&self, messages: &[impl Serialize]) -> Result<String, TokenizerError> {
        let template = self.template.as_ref().ok_or_else(|| TokenizerError::NoTemplate { dir: self.dir.clone() })?;
        template.render(messages, true)
    }

    /// Tokens of a conversation, up to where the answer begins.
    ///
    /// # Errors
    /// As [`Tokenizer::chat_text`] and [`Tokenizer::encode`].
    pub fn chat(&self, messages: &[impl Serialize]) -> Result<Vec<i64>, TokenizerError> {
        self.encode(&self.chat_text(messages)?)
    }

    /// Tokens that end an answer, each of them: those that `generation_config.json` (or else `config.json`) lists, the
    /// tokenizer's own `eos_token`, and [`Tokenizer::end_of_turn`].
    pub fn eos(&self) -> &[i64] {
        &self.eos
    }

    /// The token to teach as the end of an answer, whatever the order of the lists: the one that the chat template puts
    /// after what an assistant said; without it the tokenizer's own `eos_token`, or the first one that is listed.
    pub fn end_of_turn(&self) -> i64 {
        self.end_of_turn
    }

    /// Token to fill batches with.
    pub fn pad(&self) -> i64 {
        self.pad
    }

    /// Number of tokens.
    pub fn vocabulary(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// Copies the files that make up the tokenizer to `folder`, beside saved weights. Where the token that was taught as the
    /// end of an answer is in no list of `generation_config.json`, it is added: others are to stop at it too.
    ///
    /// # Errors
    /// A file cannot be read or written.
    pub fn save(&self, folder: &Path) -> Result<(), TokenizerError> {
        for name in FILES {
            let (from, to) = (self.dir.join(name), folder.join(name));
            if from.is_file() {
                std::fs::copy(&from, &to).map_err(|source| TokenizerError::Write { path: to, source })?;
            }
        }
        let mut settings = optional_json(&self.dir, GENERATION_CONFIG)?;
        let listed = configured(&self.dir, "eos_token_id")?;
        if listed.contains(&self.end_of_turn) {
            return Ok(());
        }
        if !settings.is_object() {
            settings = json!({});
        }
        settings["eos_token_id"] = json!(self.eos);
        let path = folder.join(GENERATION_CONFIG);
        std::fs::write(&path, format!("{settings:#}\n")).map_err(|source| TokenizerError::Write { path, source })
    }
}

const GENERATION_CONFIG: &str = "generation_config.json";
const SETTINGS: &str = "tokenizer_config.json";

/// Files that make up a tokenizer.
const FILES: [&str; 8] = [
    "tokenizer.json",
    SETTINGS,
    "chat_template.jinja",
    GENERATION_CONFIG,
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
];

/// The token that a chat template puts after what an assistant said: the first special one there. Where it closes only
/// turns that another one follows, it has to be known as an end (`listed`, `own`): it might be the beginning of the next.
fn end_of_turn(
    template: &ChatTemplate,
    inner: &tokenizers::Tokenizer,
    listed: &[i64],
    own: Option<i64>,
) -> Option<i64> {
    const ANSWER: &str = "ANSWER";
    let message = |role: &str, content: &str| json!({"role": role, "content": content});
    let mut conversation = vec![message("user", "question"), message("assistant", ANSWER)];
    let special = inner.get_added_tokens_decoder();
    let after = |conversation: &[Value]| -> Option<Vec<i64>> {
        let text = template.render(conversation, false).ok()?;
        let encoding =
            guarded(|| inner.encode_fast(&text[text.rfind(ANSWER)? + ANSWER.len()..], false).ok()).ok()??;
        Some(encoding.get_ids().iter().map(|id| i64::from(*id)).collect())
    };
    let is_special = |id: &i64| u32::try_from(*id).is_ok_and(|id| special.get(&id).is_some_and(|token| token.special));
    let is_end = |id: &i64| listed.contains(id) || own == Some(*id);
    let last = after(&conversation)?.into_iter().find(|id| is_special(id) || is_end(id));
    last.or_else(|| {
        conversation.push(message("user", "question"));
        after(&conversation)?.into_iter().find(is_end)
    })
}

/// A JSON file's content; null where there is no such file.
fn optional_json(dir: &Path, name: &str) -> Result<Value, TokenizerError> {
    let path = dir.join(name);
    match json_file::text(&path) {
        Ok(text) => json_file::parse(&text).map_err(|reason| TokenizerError::Malformed { path, reason }),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Value::Null),
        Err(source) => Err(TokenizerError::Read { path, source }),
    }
}

/// A special token of `tokenizer_config.json`: its text, or an object that holds it.
fn token_text(dir: &Path, settings: &Value, key: &str) -> Result<Option<String>, TokenizerError> {
    match settings.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_str().or_else(|| value.get("content")?.as_str()) {
            Some(text) => Ok(Some(text.to_owned())),
            None => Err(TokenizerError::Malformed {
                path: dir.join(SETTINGS),
                reason: format!("{key} is {value}; it has to be a text, or an object with one as `content`"),
            }),
        },
    }
}

/// Numbers of tokens that `generation_config.json`, or else `config.json`, has under a key: one or a list of them; none where neither says
/// anything.
fn configured(dir: &Path, key: &str) -> Result<Vec<i64>, TokenizerError> {
    for name in [GENERATION_CONFIG, "config.json"] {
        let settings = optional_json(dir, name)?;
        let value = settings.get(key).unwrap_or(&Value::Null);
        let numbers: Option<Vec<i64>> = match value {
            Value::Null => Some(Vec::new()),
            Value::Array(ids) => ids.iter().map(Value::as_i64).collect(),
            id => id.as_i64().map(|id| vec![id]),
        };
        match numbers {
            None => {
                let reason = format!("{key} is {value}; it has to be the number of a token, or a list of them");
                return Err(TokenizerError::Malformed { path: dir.join(name), reason });
            }
            Some(numbers) if !numbers.is_empty() => return Ok(numbers),
            Some(_) => {}
        }
    }
    Ok(Vec::new())
}
