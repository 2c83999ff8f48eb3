//! Forward and backward in one: the gradients are autograd's, and the memory is bounded.

use std::sync::{Mutex, MutexGuard, PoisonError};

use real_crds::config::GradientCheckpointing::{self, Always, Auto, Never};
use real_trainer::model::{Decoder, Entropy, ModelConfig, ValueModel};
use real_trainer::sequences::{MicroBatches, Packed, Sequence, longest_answer, micro_batches};
use real_trainer::shim::memory;
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

/// Memory is counted for the whole process: one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn decoder(family: &str, changes: &[(&str, Value)]) -> Decoder {
    let mut config = json!({
        "model_type": family, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4,
        "num_key_value_heads": 2, "vocab_size": 61, "tie_word_embeddings": family != "llama", "initializer_range": 0.2,
    });
    for (key, value) in changes {
        config[key] = value.clone();
    }
    let config: ModelConfig = serde_json::from_value(config).expect("a configuration");
    Decoder::random(config, 3, Device::Cpu)
}

/// `rows` sequences of nearly `length` tokens, the prompt a quarter.
fn batch(rows: usize, length: usize) -> Vec<Sequence> {
    let sequence = |row: usize| {
        let tokens: Vec<i64> = (0..length - row % 3).map(|t| 3 + ((t * 7 + row * 13) % 50) as i64).collect();
        Sequence { tokens, prompt: length / 4 }
    };
    (0..rows).map(sequence).collect()
}

fn packed(batch: &[Sequence]) -> Packed {
    let rows: Vec<usize> = (0..batch.len()).collect();
    Packed::of(batch, &rows, longest_answer(batch), Device::Cpu)
}

/// A loss with the shape of PPO's: of log-probabilities and entropies, with a weight for each token.
fn policy_loss(log_probs: &Tensor, entropy: &Tensor, weights: &Tensor) -> Tensor {
    ((log_probs * weights).exp() - entropy * 0.01).sum(Kind::Float)
}

fn gradients<'m>(parameters: impl Iterator<Item = (&'m str, &'m Tensor)>) -> Vec<(String, Tensor)> {
    parameters
        .map(|(name, parameter)| {
            let gradient = parameter.grad();
            let copy = gradient.copy();
            let mut gradient = gradient;
            let _ = gradient.zero_();
            (name.to_owned(), copy)
        })
        .collect()
}

fn assert_same(got: &[(String, Tensor)], wanted: &[(String, Tensor)], what: &str) {
    for ((name, got), (_, wanted)) in got.iter().zip(wanted) {
        let difference = ((got - wanted).norm() / wanted.norm().clamp_min(1e-3)).double_value(&[]);
        assert!(difference < 1e-6, "{what}: the gradient of {name} differs by {difference}");
    }
}

#[test]
fn gradients_are_autograds_whatever_is_kept_and_however_the_head_is_cut() {
    let _alone = alone();
    for family in ["qwen2", "qwen3", "llama", "mistral"] {
        let batch = batch(5, 17);
        let packed = packed(&batch);
        let count = packed.targets.numel() as i64;
        let weights = Tensor::arange(count, (Kind::Float, Device::Cpu)) / count as f64 - 0.4;
        let model = decoder(family, &[]);
        let hidden = packed.predicting(&model.hidden(&packed.ids, &packed.lengths));
        let (log_probs, entropy) = model.log_probs(&hidden, &packed.targets, 0.8);
        policy_loss(&log_probs, &entropy, &weights).backward();
        let wanted = gradients(model.named_parameters());

        let mut model = model;
        for checkpointing in [Always, Never, Auto] {
            for tokens in [1000, 7, 1] {
                model = model.with_checkpointing(checkpointing).with_tokens_at_a_time(tokens);
                let mut seen = Vec::new();
                model
                    .learn(&packed, 0.8, Entropy::Learnt, |prediction, span| {
                        seen.push(span.of(&packed.targets));
                        policy_loss(&prediction.log_probs, &prediction.entropy, &span.of(&weights))
                    })
                    .expect("two passes");
                assert!(Tensor::cat(&seen, 0).equal(&packed.targets), "each token once, in order");
                assert_same(
                    &gradients(model.named_parameters()),
                    &wanted,
                    &format!("{family}, {checkpointing:?}, {tokens} tokens at a time"),
                );
            }
        }
    }
}

/// A critic whose head is not zero, or nothing would reach the decoder.
fn critic() -> ValueModel {
    let critic = ValueModel::new(decoder("qwen2", &[]));
    let (_, head) = critic.named_parameters().find(|(name, _)| *name == "score.weight").expect("a head");
    let mut head = head.shallow_clone();
    tch::no_grad(|| {
        let _ = head.fill_(0.1);
    });
    critic
}

#[test]
fn gradients_of_a_critic_are_autograds() {
    let _alone = alone();
    let batch = batch(4, 13);
    let packed = packed(&batch);
    let loss = |values: &Tensor| ((values - 0.3).square() * 0.5).sum(Kind::Float);
    let plain = critic();
    loss(&packed.predicting(&plain.values(&packed.ids, &packed.lengths))).backward();
    let wanted = gradients(plain.named_parameters());
    for checkpointing in [Always, Never] {
        let critic = critic().with_checkpointing(checkpointing);
        critic.learn(&packed, |values, _| loss(values)).expect("two passes");
        assert_same(&gradients(critic.named_parameters()), &wanted, &format!("{checkpointing:?}"));
    }
}

#[test]
fn in_bfloat16_gradients_are_32_bits_and_near_the_exact_ones() {
    let _alone = alone();
    let batch = batch(5, 17);
    let packed = packed(&batch);
    let learn = |model: Decoder| {
        let count = packed.targets.numel() as f64;
        let loss = |prediction: &real_trainer::model::Prediction, _| -prediction.log_probs.sum(Kind::Float) / count;
        model.learn(&packed, 1.0, Entropy::Unused, loss).expect("two passes");
        gradients(model.named_parameters())
    };
    let exact = learn(decoder("qwen2", &[]));
    for checkpointing in [Always, Never] {
        let model = decoder("qwen2", &[]).with_compute(Kind::BFloat16).with_checkpointing(checkpointing);
        for ((name, got), (_, wanted)) in learn(model).iter().zip(&exact) {
            assert_eq!(got.kind(), Kind::Float, "{name}");
            let error = ((got - wanted).norm() / wanted.norm().clamp_min(1e-6)).double_value(&[]);
            assert!(error < 0.05, "{name}: {error}");
        }
    }
}

#[test]
fn a_frozen_copy_says_what_the_model_says_and_learns_nothing() {
    let _alone = alone();
    let batch = batch(3, 9);
    let packed = packed(&batch);
    let model = decoder("qwen3", &[]).with_compute(Kind::BFloat16);
    let frozen = model.frozen();
    assert!(frozen.named_parameters().all(|(_, t)| t.kind() == Kind::BFloat16 && !t.requires_grad()));
    let [a, b] = [&model, &frozen].map(|model| tch::no_grad(|| model.hidden(&packed.ids, &packed.lengths)));
    assert!(a.equal(&b), "bit by bit");
}

#[test]
fn gradients_do_not_depend_on_how_a_batch_is_cut() {
    let _alone = alone();
    let batch = batch(7, 20);
    let (rows, columns) = ((0..batch.len()).collect::<Vec<_>>(), longest_answer(&batch));
    let tokens: usize = batch.iter().map(|sequence| sequence.answer().len()).sum();
    let model = decoder("qwen2", &[]);
    let of = |cuts: Vec<Vec<usize>>| {
        for rows in cuts {
            let packed = Packed::of(&batch, &rows, columns, Device::Cpu);
            let loss = |prediction: &real_trainer::model::Prediction, _| {
                -prediction.log_probs.sum(Kind::Float) / tokens as f64
            };
            model.learn(&packed, 1.0, Entropy::Unused, loss).expect("two passes");
        }
        gradients(model.named_parameters())
    };
    let whole = of(vec![rows.clone()]);
    let bounds = [1, 2, 5].map(MicroBatches::Sequences).into_iter().chain([1, 40, 59, 1000].map(MicroBatches::Tokens));
    for bound in bounds {
        assert_same(&of(micro_batches(&batch, &rows, bound)), &whole, &format!("{bound:?}"));
    }
}

/// Most bytes alive while a model learns from a batch, beyond what was there and the gradients that stay.
fn peak(model: &Decoder, packed: &Packed) -> i64 {
    let learn = || {
        let loss = |prediction: &real_trainer::model::Prediction, _| prediction.log_probs.sum(Kind::Float);
        model.learn(packed, 1.0, Entropy::Learnt, loss).expect("two passes");
    };
    learn(); // makes the gradients
    memory::take_peak();
    let before = memory::live();
    learn();
    let peak = memory::take_peak() - before;
    assert_eq!(memory::live(), before, "nothing is left behind");
    peak
}

#[test]
fn memory_is_flat_in_the_number_of_chunks_and_nearly_flat_in_depth() {
    let _alone = alone();
    memory::count().expect("another allocator");
    // Many words, so that logits are what counts: 64 tokens of them are 4 MiB.
    let words = [("vocab_size", json!(16_384)), ("num_hidden_layers", json!(2))];
    let wide = decoder("qwen2", &words).with_checkpointing(Always).with_tokens_at_a_time(64);
    let of_tokens = |rows: usize| peak(&wide, &packed(&batch(rows, 33)));
    let (few, many) = (of_tokens(4), of_tokens(40));
    let hidden = 36 * 33 * 32 * 4; // of the other 36 rows
    assert!(many < few + 24 * hidden, "{few} bytes in 2 chunks, {many} in 16");
    let unchunked = decoder("qwen2", &words).with_tokens_at_a_time(1 << 20);
    let whole = peak(&unchunked, &packed(&batch(40, 33)));
    assert!(whole > 3 * many, "{whole} bytes at once, {many} in chunks");

    let packed = packed(&batch(8, 64));
    let of_layers = |layers: i64, checkpointing: GradientCheckpointing| {
        let model = decoder("qwen2", &[("num_hidden_layers", json!(layers)), ("vocab_size", json!(64))]);
        peak(&model.with_checkpointing(checkpointing), &packed)
    };
    let input = 8 * 64 * 32 * 4; // of a layer
    let (shallow, deep) = (of_layers(2, Always), of_layers(12, Always));
    assert!(deep <= shallow + 10 * input * 11 / 10, "{shallow} bytes with 2 layers, {deep} with 12");
    let (shallow, deep) = (of_layers(2, Never), of_layers(12, Never));
    // What the plan says of a layer that keeps everything.
    let layer = 8 * 64 * 4 * decoder("qwen2", &[]).config().activations();
    let measured = (deep - shallow) / 10;
    assert!((layer * 8 / 10..=layer * 12 / 10).contains(&measured), "{measured} bytes a layer, planned {layer}");
}
