//! The quickstart policy's folder, weights excepted: configuration and tokenizer, from the generator's own vocabulary.
//!
//! A word-level tokenizer: pieces of prompts and code are tokens, so are schema words and constants. It is meant for
//! this generator's texts and nothing else; other text becomes `<unk>`.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::words::{INTEGER_COLUMNS, TABLES, TEXT_COLUMNS};
use super::{phrase, program};

/// Special tokens, by id.
const SPECIAL: [&str; 5] = ["<unk>", "<pad>", "<|end|>", "<|user|>", "<|assistant|>"];
const PAD: usize = 1;
const END: usize = 2;
/// Positions the model knows.
const POSITIONS: usize = 256;

/// Name and content of each file of the folder.
pub fn quickstart_model_files() -> Vec<(&'static str, String)> {
    let vocabulary = vocabulary();
    let pretty = |value: &Value| format!("{value:#}\n");
    vec![
        ("config.json", pretty(&config(vocabulary.len()))),
        (
            "generation_config.json",
            pretty(&json!({ "eos_token_id": END, "pad_token_id": PAD, "do_sample": true, "temperature": 1.0 })),
        ),
        ("tokenizer.json", pretty(&tokenizer(&vocabulary))),
        ("tokenizer_config.json", pretty(&tokenizer_config())),
    ]
}

/// Every token, by id.
fn vocabulary() -> Vec<String> {
    let words = TABLES.iter().chain(&TEXT_COLUMNS).chain(&INTEGER_COLUMNS).map(|word| (*word).to_owned());
    let special = SPECIAL.iter().map(|token| (*token).to_owned());
    let all = special.chain(phrase::vocabulary()).chain(program::vocabulary()).chain(words);
    let mut seen = HashSet::new();
    all.filter(|token| seen.insert(token.clone())).collect()
}

fn config(vocabulary: usize) -> Value {
    json!({
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        "vocab_size": vocabulary,
        "hidden_size": 96,
        "intermediate_size": 256,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
        "hidden_act": "silu",
        "max_position_embeddings": POSITIONS,
        "initializer_range": 0.02,
        "rms_norm_eps": 1e-6,
        "rope_theta": 10000.0,
        "tie_word_embeddings": true,
        "attention_dropout": 0.0,
        "use_cache": true,
        "use_sliding_window": false,
        "eos_token_id": END,
        "pad_token_id": PAD,
        "torch_dtype": "float32"
    })
}

fn tokenizer(vocabulary: &[String]) -> Value {
    let ids: serde_json::Map<String, Value> =
        vocabulary.iter().enumerate().map(|(id, token)| (token.clone(), json!(id))).collect();
    let added: Vec<Value> = SPECIAL
        .iter()
        .enumerate()
        .map(|(id, token)| {
            json!({
                "id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": true
            })
        })
        .collect();
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added,
        "normalizer": null,
        "pre_tokenizer": {
            "type": "Split", "pattern": { "Regex": pattern(vocabulary) }, "behavior": "Isolated", "invert": false
        },
        "post_processor": null,
        "decoder": { "type": "Fuse" },
        "model": { "type": "WordLevel", "vocab": ids, "unk_token": SPECIAL[0] }
    })
}

/// A regular expression that matches the longest piece, else a word, else a number.
fn pattern(vocabulary: &[String]) -> String {
    let is_word = |token: &str| token.bytes().all(|byte| byte.is_ascii_lowercase());
    let is_number = |token: &str| token.bytes().all(|byte| byte.is_ascii_digit());
    let mut pieces: Vec<&String> =
        vocabulary[SPECIAL.len()..].iter().filter(|token| !is_word(token) && !is_number(token)).collect();
    pieces.sort_by(|one, other| other.len().cmp(&one.len()).then(one.cmp(other)));
    let alternatives: Vec<String> = pieces.iter().map(|piece| escape(piece)).collect();
    format!("{}|[a-z]+|[0-9]+", alternatives.join("|"))
}

fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            '\n' => escaped.push_str("\\n"),
            '\\' | '.' | '+' | '*' | '?' | '(' | ')' | '|' | '[' | ']' | '{' | '}' | '^' | '$' => {
                escaped.extend(['\\', character]);
            }
            other => escaped.push(other),
        }
    }
    escaped
}

fn tokenizer_config() -> Value {
    let template = "{% for message in messages %}{% if message.role == 'assistant' %}<|assistant|>{{ message.content }}<|end|>\
                    {% else %}<|user|>{{ message.content }}{% endif %}{% endfor %}\
                    {% if add_generation_prompt %}<|assistant|>{% endif %}";
    json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "unk_token": SPECIAL[0],
        "pad_token": SPECIAL[PAD],
        "eos_token": SPECIAL[END],
        "additional_special_tokens": [SPECIAL[3], SPECIAL[4]],
        "clean_up_tokenization_spaces": false,
        "model_max_length": POSITIONS,
        "padding_side": "left",
        "chat_template": template
    })
}
