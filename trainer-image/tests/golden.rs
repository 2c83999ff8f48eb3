//! Our decoders against PyTorch and transformers, whose values `tests/golden/make_golden.py` wrote.

use std::collections::BTreeMap;
use std::path::PathBuf;

use real_trainer::model::{Decoder, ValueModel};
use real_trainer::optim::{AdamW, AdamWConfig};
use real_trainer::sampling::{Sampled, SamplingOptions, generate, generate_until};
use real_trainer::tokenizer::Tokenizer;
use serde::Deserialize;
use serde_json::Value;
use tch::{Device, Kind, Tensor, no_grad};

const FAMILIES: [&str; 2] = ["qwen2", "llama"];
const TOLERANCE: f64 = 1e-4;

#[derive(Deserialize)]
struct Padded {
    ids: Vec<Vec<i64>>,
    mask: Vec<Vec<i64>>,
    logits: Vec<Vec<Vec<f32>>>,
}

#[derive(Deserialize)]
struct Expected {
    right: Padded,
    left: Padded,
    prompts: Vec<Vec<i64>>,
    greedy: Vec<Vec<i64>>,
    temperature: f64,
    log_probs: Vec<f32>,
    entropies: Vec<f32>,
    losses: Vec<f64>,
    grad_norms: Vec<f64>,
}

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn golden(name: &str) -> Value {
    let text = std::fs::read_to_string(folder("golden.json")).expect("the golden file");
    serde_json::from_str::<Value>(&text).expect("JSON")[name].take()
}

fn expected(family: &str) -> Expected {
    serde_json::from_value(golden(family)).expect("the script's layout")
}

fn decoder(family: &str) -> Decoder {
    Decoder::load(&folder(family), Device::Cpu).expect("a model folder")
}

fn matrix(rows: &[Vec<i64>]) -> Tensor {
    Tensor::from_slice2(rows)
}

fn largest_difference(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.size(), b.size());
    (a - b).abs().max().double_value(&[])
}

fn padded_logits(padded: &Padded) -> Tensor {
    let flat: Vec<f32> = padded.logits.iter().flatten().flatten().copied().collect();
    let size = [padded.ids.len(), padded.ids[0].len(), padded.logits[0][0].len()].map(|n| n as i64);
    Tensor::from_slice(&flat).view(size)
}

fn answers(model: &Decoder, prompts: &[Vec<i64>], options: &SamplingOptions) -> Vec<Sampled> {
    let mut answers = vec![None; prompts.len()];
    generate(model, prompts, options, &mut |index, sampled| {
        assert!(answers[index].replace(sampled).is_none(), "prompt {index} is answered once");
    })
    .expect("prompts within the vocabulary");
    answers.into_iter().map(|answer| answer.expect("every prompt is answered")).collect()
}

fn greedy(max_new_tokens: usize, batch_size: usize) -> SamplingOptions {
    let (temperature, top_p, top_k, seed) = (0.0, 1.0, 0, 1);
    SamplingOptions { max_new_tokens, temperature, top_p, top_k, seed, batch_size, eos: vec![2] }
}

/// The tokens of a padded batch one after the other, and how many each row has.
fn packed(ids: &Tensor, mask: &Tensor) -> (Tensor, Vec<i64>) {
    let lengths = mask.sum_dim_intlist([1].as_slice(), false, Kind::Int64);
    (ids.masked_select(&mask.to_kind(Kind::Bool)), Vec::try_from(lengths).expect("a length a row"))
}

/// Mean cross-entropy of the next token, over tokens that are not padding and have one before them.
fn next_token_loss(model: &Decoder, ids: &Tensor, mask: &Tensor) -> Tensor {
    let (ids, lengths) = packed(ids, mask);
    let hidden = model.hidden(&ids, &lengths);
    let firsts: Vec<i64> = lengths.iter().scan(0, |end, n| Some(std::mem::replace(end, *end + n))).collect();
    let next: Vec<i64> = (0..ids.size()[0]).filter(|token| !firsts.contains(token)).collect();
    let next = Tensor::from_slice(&next);
    let hidden = hidden.index_select(0, &(&next - 1));
    -model.target_log_probs(&hidden, &ids.index_select(0, &next), 1.0).mean(Kind::Float)
}

#[test]
fn logits_of_packed_sequences_equal_transformers_with_padding_on_either_side() {
    for family in FAMILIES {
        let (model, expected) = (decoder(family), expected(family));
        for (side, padded) in [("right", &expected.right), ("left", &expected.left)] {
            let (ids, mask) = (matrix(&padded.ids), matrix(&padded.mask));
            let (ids, lengths) = packed(&ids, &mask);
            let logits = no_grad(|| model.logits(&model.hidden(&ids, &lengths)));
            let wanted = padded_logits(padded);
            let wanted = wanted.masked_select(&mask.to_kind(Kind::Bool).unsqueeze(-1)).view_as(&logits);
            let difference = largest_difference(&logits, &wanted);
            assert!(difference < TOLERANCE, "{family}, padding on the {side}: {difference}");
        }
    }
}

#[test]
fn greedy_answers_equal_transformers_in_any_batching() {
    for family in FAMILIES {
        let (model, expected) = (decoder(family), expected(family));
        for batch_size in [1, 2, 3] {
            let got = answers(&model, &expected.prompts, &greedy(24, batch_size));
            let ids: Vec<&Vec<i64>> = got.iter().map(|sampled| &sampled.ids).collect();
            assert_eq!(ids, expected.greedy.iter().collect::<Vec<_>>(), "{family}, {batch_size} at a time");
        }
    }
}

#[test]
fn generation_asks_after_each_token_whether_to_stop_and_does() {
    let (model, expected) = (decoder(FAMILIES[0]), expected(FAMILIES[0]));
    let options = SamplingOptions { eos: vec![-1], ..greedy(24, 3) };
    for most in [0, 1, 5] {
        let asked = std::cell::Cell::new(0);
        let stop = || {
            asked.set(asked.get() + 1);
            asked.get() > most
        };
        let mut finished = 0;
        let whole = generate_until(&model, &expected.prompts, &options, &stop, &mut |_, _| finished += 1);
        assert_eq!((whole, asked.get(), finished), (Ok(false), most + 1, 0), "after {most}");
    }
    let whole = generate_until(&model, &expected.prompts, &options, &|| false, &mut |_, _| {});
    assert_eq!(whole, Ok(true));
}

#[test]
fn log_probabilities_and_entropies_equal_pytorch_at_a_temperature() {
    for family in FAMILIES {
        let (model, expected) = (decoder(family), expected(family));
        let ids = Tensor::from_slice(&expected.prompts[0]);
        let count = ids.size()[0] - 1;
        let (hidden, targets) =
            no_grad(|| (model.hidden(&ids, &[count + 1]).narrow(0, 0, count), ids.narrow(0, 1, count)));
        let (log_probs, entropies) = no_grad(|| model.log_probs(&hidden, &targets, expected.temperature));
        let alone = no_grad(|| model.target_log_probs(&hidden, &targets, expected.temperature));
        for (got, wanted) in
            [(&log_probs, &expected.log_probs), (&entropies, &expected.entropies), (&alone, &expected.log_probs)]
        {
            assert!(largest_difference(&got.squeeze(), &Tensor::from_slice(wanted)) < TOLERANCE, "{family}");
        }
    }
}

#[test]
fn losses_and_gradient_norms_of_adamw_steps_equal_pytorch() {
    for family in FAMILIES {
        let (model, expected) = (decoder(family), expected(family));
        let config = AdamWConfig { betas: [0.9, 0.98], weight_decay: 0.1, ..AdamWConfig::default() };
        let mut optimizer = AdamW::new(model.named_parameters(), config);
        let (ids, mask) = (matrix(&expected.right.ids), matrix(&expected.right.mask));
        for (step, (wanted, wanted_norm)) in expected.losses.iter().zip(&expected.grad_norms).enumerate() {
            let loss = next_token_loss(&model, &ids, &mask);
            optimizer.zero_grad().expect("gradients are dropped");
            loss.backward();
            let norm = optimizer.clip_grad_norm(1.0).expect("gradients");
            optimizer.step(1e-2).expect("a step");
            let loss = loss.double_value(&[]);
            assert!((loss - wanted).abs() < TOLERANCE, "{family}, step {step}: loss {loss}, PyTorch {wanted}");
            assert!((norm - wanted_norm).abs() < 1e-3, "{family}, step {step}: norm {norm}, PyTorch {wanted_norm}");
        }
    }
}

#[test]
fn an_optimizer_goes_on_from_its_saved_state_as_if_never_stopped() {
    let expected = expected("qwen2");
    let (ids, mask) = (matrix(&expected.right.ids), matrix(&expected.right.mask));
    let train = |model: &Decoder, optimizer: &mut AdamW| {
        let loss = next_token_loss(model, &ids, &mask);
        optimizer.zero_grad().expect("gradients are dropped");
        loss.backward();
        optimizer.step(1e-2).expect("a step");
        loss.double_value(&[])
    };
    let model = decoder("qwen2");
    let mut optimizer = AdamW::new(model.named_parameters(), AdamWConfig::default());
    for _ in 0..2 {
        train(&model, &mut optimizer);
    }
    let copy = model.deep_copy();
    let mut resumed = AdamW::new(copy.named_parameters(), AdamWConfig::default());
    let state: BTreeMap<String, Tensor> = optimizer.state().into_iter().map(|(name, t)| (name, t.copy())).collect();
    resumed.load_state(&state).expect("the same parameters");
    for _ in 0..3 {
        assert_eq!(train(&model, &mut optimizer).to_bits(), train(&copy, &mut resumed).to_bits());
    }
    for (name, value) in [("exp_avg_sq.model.norm.weight", -1e-9), ("step.model.norm.weight", -1.0)] {
        let mut damaged: BTreeMap<String, Tensor> = state.iter().map(|(name, t)| (name.clone(), t.copy())).collect();
        let _ = damaged.get_mut(name).expect("a tensor of the state").fill_(value);
        let error = resumed.load_state(&damaged).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("negative"), "{error}");
    }
    let other = decoder("llama");
    let error = AdamW::new(other.named_parameters(), AdamWConfig::default()).load_state(&state).unwrap_err();
    assert!(error.to_string().contains("belongs to another model"), "{error}");
}

#[test]
fn sampled_answers_do_not_depend_on_batching_and_carry_their_log_probabilities() {
    let (model, expected) = (decoder("qwen2"), expected("qwen2"));
    let prompts: Vec<Vec<i64>> = expected.prompts.iter().cycle().take(40).cloned().collect();
    let options = |batch_size| SamplingOptions { temperature: 0.9, seed: 5, ..greedy(30, batch_size) };
    let together = answers(&model, &prompts, &options(40));
    let apart = answers(&model, &prompts, &options(7));
    for (a, b) in together.iter().zip(&apart) {
        assert_eq!(a.ids, b.ids);
    }
    assert!(together[0].ids != together[3].ids, "each prompt has a stream of its own, equal prompts differ");
    assert!(together.iter().any(|a| a.finished) && together.iter().any(|a| !a.finished), "some end, some are cut");
    for (prompt, answer) in prompts.iter().zip(&together) {
        assert_eq!(answer.finished, answer.ids.last() == Some(&2));
        let all: Vec<i64> = prompt.iter().chain(&answer.ids).copied().collect();
        let ids = Tensor::from_slice(&all);
        let (from, count) = (prompt.len() as i64, answer.ids.len() as i64);
        let again = no_grad(|| {
            let hidden = model.hidden(&ids, &[from + count]).narrow(0, from - 1, count);
            model.target_log_probs(&hidden, &ids.narrow(0, from, count), 0.9)
        });
        assert!(largest_difference(&again, &Tensor::from_slice(&answer.log_probs)) < TOLERANCE);
    }
}

#[test]
fn samples_follow_the_models_distribution() {
    let model = decoder("qwen2");
    let prompt = vec![5i64, 9, 11];
    let ids = Tensor::from_slice(&prompt);
    let wanted: Vec<f64> = no_grad(|| {
        let logits = model.logits(&model.hidden(&ids, &[3]));
        Vec::try_from(logits.get(2).softmax(-1, Kind::Double)).expect("a vector")
    });
    let count = 4000;
    let options = SamplingOptions { temperature: 1.0, ..greedy(1, 1000) };
    let mut seen = vec![0.0; wanted.len()];
    for answer in answers(&model, &vec![prompt; count], &options) {
        seen[answer.ids[0] as usize] += 1.0;
    }
    // χ² over tokens expected at least five times: far beyond the 99.99 % point only where the sampler is wrong.
    let (mut chi, mut bins) = (0.0, 0.0);
    for (p, n) in wanted.iter().zip(&seen) {
        let mean: f64 = p * count as f64;
        if mean >= 5.0 {
            chi += (n - mean).powi(2) / mean;
            bins += 1.0;
        }
    }
    assert!(chi < bins + 5.0 * (2.0f64 * bins).sqrt(), "χ² {chi:.1} over {bins} tokens");
}

#[test]
fn a_saved_model_loads_with_the_same_parameters() {
    for family in FAMILIES {
        let model = decoder(family);
        let dir = tempfile::tempdir().expect("a folder");
        model.save(dir.path()).expect("saved");
        let again = Decoder::load(dir.path(), Device::Cpu).expect("loaded");
        for ((name, a), (other, b)) in model.named_parameters().zip(again.named_parameters()) {
            assert_eq!(name, other);
            assert!(a.equal(b), "{family}: {name}");
        }
        let left: Vec<_> = std::fs::read_dir(dir.path()).expect("a folder").flatten().map(|e| e.file_name()).collect();
        assert_eq!(left.len(), 2, "config.json, model.safetensors and nothing else: {left:?}");
    }
}

#[test]
fn a_critic_starts_at_zero_and_survives_saving() {
    let expected = expected("qwen2");
    let (ids, lengths) = packed(&matrix(&expected.left.ids), &matrix(&expected.left.mask));
    let critic = ValueModel::new(decoder("qwen2"));
    let zero = |tensor: &Tensor| tensor.equal(&tensor.zeros_like());
    assert!(zero(&critic.values(&ids, &lengths)));
    let mut optimizer = AdamW::new(critic.named_parameters(), AdamWConfig::default());
    for _ in 0..2 {
        optimizer.zero_grad().expect("gradients are dropped");
        (critic.values(&ids, &lengths) - 1.0).square().mean(Kind::Float).backward();
        optimizer.step(1e-2).expect("a step");
    }
    let dir = tempfile::tempdir().expect("a folder");
    critic.save(dir.path()).expect("saved");
    let again = ValueModel::load(dir.path(), Device::Cpu).expect("loaded");
    let (values, loaded) = no_grad(|| (critic.values(&ids, &lengths), again.values(&ids, &lengths)));
    assert!(!zero(&values) && values.equal(&loaded));
}

#[test]
fn a_random_model_is_the_same_for_a_seed_and_spread_as_configured() {
    let config = decoder("llama").config().clone();
    let [a, b, c] = [3, 3, 4].map(|seed| Decoder::random(config.clone(), seed, Device::Cpu));
    let first = |model: &Decoder| model.named_parameters().next().expect("a parameter").1.detach();
    assert!(first(&a).equal(&first(&b)) && !first(&a).equal(&first(&c)));
    let deviation = first(&a).std(true).double_value(&[]);
    assert!((deviation / config.initializer_range - 1.0).abs() < 0.1, "{deviation}");
    for (name, tensor) in a.named_parameters().filter(|(name, _)| name.contains("norm")) {
        assert!(tensor.equal(&tensor.ones_like()), "{name}");
    }
}

#[test]
fn activations_in_bfloat16_stay_close_and_give_gradients_in_32_bits() {
    let expected = expected("qwen2");
    let (ids, mask) = (matrix(&expected.left.ids), matrix(&expected.left.mask));
    let model = decoder("qwen2").with_compute(Kind::BFloat16);
    let loss = next_token_loss(&model, &ids, &mask);
    loss.backward();
    let exact = next_token_loss(&decoder("qwen2"), &ids, &mask).double_value(&[]);
    assert!((loss.double_value(&[]) / exact - 1.0).abs() < 0.02, "{loss:?} {exact}");
    assert!(model.named_parameters().all(|(_, p)| p.grad().kind() == Kind::Float));
    let got = answers(&model, &expected.prompts, &greedy(4, 3));
    assert!(got.iter().all(|a| a.ids.len() == 4 || a.finished));
}

#[test]
fn chat_template_and_tokens_equal_transformers() {
    let wanted = golden("chat");
    let tokenizer = Tokenizer::load(&folder("tokenizer")).expect("a tokenizer");
    let messages: Vec<Value> = serde_json::from_value(wanted["messages"].clone()).expect("messages");
    assert_eq!(tokenizer.chat_text(&messages).expect("a template"), wanted["text"].as_str().expect("text"));
    let ids = tokenizer.chat(&messages).expect("a template");
    assert_eq!(serde_json::to_value(&ids).expect("numbers"), wanted["ids"]);
    assert_eq!(tokenizer.decode(&ids).expect("tokens"), wanted["decoded"].as_str().expect("text"));
    assert_eq!((tokenizer.eos(), tokenizer.pad(), tokenizer.vocabulary()), (&[2i64][..], 0, 10));
    let refused = tokenizer.chat(&[serde_json::json!({"role": "tool", "content": ""})]).unwrap_err().to_string();
    assert!(refused.contains("unknown role tool"), "{refused}");
}

#[test]
fn a_broken_model_folder_is_refused_by_name() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path();
    let load = || Decoder::load(path, Device::Cpu).unwrap_err().to_string();
    let refused = |wanted: &[&str]| {
        let message = load();
        for part in wanted {
            assert!(message.contains(part), "{message:?} lacks {part:?}");
        }
    };
    refused(&["config.json", "cannot read"]);

    let text = std::fs::read_to_string(folder("qwen2").join("config.json")).expect("a configuration");
    let configure =
        |from: &str, to: &str| std::fs::write(path.join("config.json"), text.replace(from, to)).expect("written");
    configure("{", "[");
    refused(&["config.json"]);
    configure("\"qwen2\"", "\"mamba\"");
    refused(&["config.json", "mamba", "qwen2"]);
    configure("\"use_sliding_window\": false", "\"use_sliding_window\": true");
    refused(&["use_sliding_window is true"]);
    configure("\"num_key_value_heads\": 2", "\"num_key_value_heads\": 3");
    refused(&["num_key_value_heads is 3", "divide"]);
    configure("", "");
    refused(&["model.safetensors", "cannot read"]);

    let weights = path.join("model.safetensors");
    let bytes = std::fs::read(folder("qwen2").join("model.safetensors")).expect("weights");
    std::fs::write(&weights, &bytes[..bytes.len() - 100]).expect("written");
    refused(&["model.safetensors", "cut short"]);
    std::fs::write(&weights, b"not weights").expect("written");
    refused(&["model.safetensors", "not a safetensors file"]);
    std::fs::write(&weights, &bytes).expect("written");
    configure("\"intermediate_size\": 48", "\"intermediate_size\": 50");
    refused(&["model.layers.0.mlp.gate_proj.weight", "[48, 32]", "[50, 32]"]);
    configure("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3");
    refused(&["no tensor model.layers.2.input_layernorm.weight", "[32]"]);
    configure("", "");
    assert!(Decoder::load(path, Device::Cpu).is_ok());
}
