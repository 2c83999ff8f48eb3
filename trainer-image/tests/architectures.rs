//! Decoders of every family against an independent restatement of their arithmetic: `tests/golden/make_architectures_golden.py`.

use std::collections::BTreeMap;
use std::path::Path;

use real_trainer::model::Decoder;
use real_trainer::sampling::{SamplingOptions, generate};
use real_trainer::weights::{SINGLE_FILE, save_tensors};
use serde::Deserialize;
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor, no_grad};

#[derive(Deserialize)]
struct Expected {
    config: Value,
    tokens: Vec<i64>,
    logits: Vec<Vec<f32>>,
    prompt: Vec<i64>,
    greedy: Vec<i64>,
}

/// The script's numbers: of a tensor's name and the place in it alone.
fn weight(name: &str, shape: &[i64]) -> Tensor {
    let seed = f64::from(crc32(name.as_bytes()) % 9973);
    let columns = *shape.last().expect("a dimension") as f64;
    let scale = if name.contains("embed") { 0.2 } else { 3.0 / columns.sqrt() };
    let of = |n: i64| {
        let value = 2.0 * ((n as f64 * 12.9898 + seed).sin() * 4375.85453).abs().fract() - 1.0;
        (if name.contains("norm") { 1.0 + 0.3 * value } else { value * scale }) as f32
    };
    let values: Vec<f32> = (0..shape.iter().product()).map(of).collect();
    Tensor::from_slice(&values).reshape(shape)
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc: u32, _| (crc >> 1) ^ (0xEDB8_8320 & (!(crc & 1)).wrapping_add(1)))
    })
}

/// A model folder as Hugging Face would have it.
fn write(folder: &Path, config: &Value) {
    let number = |key: &str| config[key].as_i64().unwrap_or_else(|| panic!("{key}"));
    let (hidden, wide) = (number("hidden_size"), number("intermediate_size"));
    let (heads, groups) = (number("num_attention_heads"), number("num_key_value_heads"));
    let width = config["head_dim"].as_i64().unwrap_or(hidden / heads);
    let family = config["model_type"].as_str().expect("a family");
    let mut shapes = vec![("model.embed_tokens.weight".to_owned(), vec![number("vocab_size"), hidden])];
    for layer in 0..number("num_hidden_layers") {
        let mut add = |name: &str, shape: &[i64]| shapes.push((format!("model.layers.{layer}.{name}"), shape.to_vec()));
        for (name, count) in [("q", heads), ("k", groups), ("v", groups)] {
            add(&format!("self_attn.{name}_proj.weight"), &[count * width, hidden]);
            if family == "qwen2" {
                add(&format!("self_attn.{name}_proj.bias"), &[count * width]);
            }
            if family == "qwen3" && name != "v" {
                add(&format!("self_attn.{name}_norm.weight"), &[width]);
            }
        }
        add("self_attn.o_proj.weight", &[hidden, heads * width]);
        add("input_layernorm.weight", &[hidden]);
        add("post_attention_layernorm.weight", &[hidden]);
        add("mlp.gate_proj.weight", &[wide, hidden]);
        add("mlp.up_proj.weight", &[wide, hidden]);
        add("mlp.down_proj.weight", &[hidden, wide]);
    }
    shapes.push(("model.norm.weight".into(), vec![hidden]));
    if config["tie_word_embeddings"] == json!(false) {
        shapes.push(("lm_head.weight".into(), vec![number("vocab_size"), hidden]));
    }
    let tensors: Vec<(String, Tensor)> =
        shapes.into_iter().map(|(name, shape)| (name.clone(), weight(&name, &shape))).collect();
    save_tensors(&folder.join(SINGLE_FILE), tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)))
        .expect("written");
    std::fs::write(folder.join("config.json"), config.to_string()).expect("written");
}

fn golden() -> BTreeMap<String, Expected> {
    serde_json::from_str(include_str!("golden/architectures.json")).expect("golden/architectures.json is JSON")
}

#[test]
fn logits_and_greedy_answers_of_every_family_are_the_golden_ones() {
    for (name, expected) in golden() {
        let folder = tempfile::tempdir().expect("a folder");
        write(folder.path(), &expected.config);
        let model = Decoder::load(folder.path(), Device::Cpu).unwrap_or_else(|error| panic!("{name}: {error}"));
        let ids = Tensor::from_slice(&expected.tokens);
        let logits = no_grad(|| model.logits(&model.hidden(&ids, &[expected.tokens.len() as i64])));
        let difference = (logits - Tensor::from_slice2(&expected.logits)).abs().max().double_value(&[]);
        assert!(difference < 1e-4, "{name}: {difference}");

        let options = SamplingOptions {
            max_new_tokens: expected.greedy.len(),
            temperature: 0.0,
            top_p: 1.0,
            top_k: 0,
            seed: 1,
            batch_size: 2,
            eos: vec![-1],
        };
        // A second, longer prompt beside it: then there is padding.
        let prompts = [expected.prompt.clone(), expected.tokens.clone()];
        let mut answers = BTreeMap::new();
        generate(&model, &prompts, &options, &mut |index, sampled| {
            answers.insert(index, sampled.ids);
        })
        .expect("prompts within the vocabulary");
        assert_eq!(answers[&0], expected.greedy, "{name}");

        let again = tempfile::tempdir().expect("a folder");
        model.save(again.path()).expect("saved");
        let loaded = Decoder::load(again.path(), Device::Cpu).unwrap_or_else(|error| panic!("{name}: {error}"));
        let same = |((_, a), (_, b)): ((&str, &Tensor), (&str, &Tensor))| a.equal(b) && a.kind() == Kind::Float;
        assert!(model.named_parameters().zip(loaded.named_parameters()).all(same), "{name}");
    }
}

#[test]
fn scaled_rotary_embeddings_that_say_too_little_or_too_much_are_refused_by_name() {
    let config = &golden()["llama 3"].config;
    let refusal = |scaling: Value| {
        let folder = tempfile::tempdir().expect("a folder");
        let mut config = config.clone();
        config["rope_scaling"] = scaling;
        write(folder.path(), &config);
        Decoder::load(folder.path(), Device::Cpu).expect_err("refused").to_string()
    };
    for (scaling, pieces) in [
        (
            json!({"rope_type": "dynamic", "factor": 2.0}),
            ["rope_scaling is dynamic", "default, linear, llama3 and yarn"],
        ),
        (json!({"rope_type": "linear"}), ["factor: absent", "a number above 0"]),
        (json!({"type": "yarn", "factor": -1.0}), ["factor: -1.0", "a number above 0"]),
        (
            json!({"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 4.0, "high_freq_factor": 4.0}),
            ["low_freq_factor: 4", "below high_freq_factor (4)"],
        ),
        (
            json!({"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}),
            ["original_max_position_embeddings: absent", "a number above 0"],
        ),
    ] {
        let message = refusal(scaling);
        assert!(pieces.iter().all(|piece| message.contains(piece)), "{message}");
    }
}

#[test]
fn a_sliding_window_bounds_the_length_of_sequences() {
    let mut config = golden()["mistral"].config.clone();
    config["sliding_window"] = 32.into();
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), &config);
    let model = Decoder::load(folder.path(), Device::Cpu).expect("within the window it is a full one");
    assert_eq!(model.config().longest(), 32);
    let error = model.config().check_lengths(folder.path(), 20, 13, "lower something").expect_err("too long");
    assert!(error.to_string().contains("more than the 32 positions"), "{error}");
}
