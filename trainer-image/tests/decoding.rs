//! Decoding: what it answers, by an independent restatement, and that its steps could be recorded once and played again.

use std::collections::BTreeSet;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use real_trainer::model::{Decoder, ModelConfig};
use real_trainer::sampling::{DecodeState, Filling, Sampled, SamplingOptions, generate};
use real_trainer::shim::operations::record;
use serde_json::json;
use tch::{Device, Kind, Tensor, no_grad};

const EOS: i64 = 2;

fn decoder(family: &str) -> Decoder {
    let config: ModelConfig = serde_json::from_value(json!({
        "model_type": family, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "vocab_size": 45, "tie_word_embeddings": family != "llama", "initializer_range": 0.3,
    }))
    .expect("a configuration");
    Decoder::random(config, 3, Device::Cpu)
}

/// Of 1 to 9 tokens; some are there several times.
fn prompts() -> Vec<Vec<i64>> {
    let length = |i: usize| 1 + (i * 5) % 9;
    let prompt = |i: usize| (0..length(i)).map(|t| 3 + ((t * 7 + i * 11) % 40) as i64).collect();
    (0..13).map(|i| prompt(if i % 4 == 3 { 3 } else { i })).collect()
}

fn options(temperature: f64, top_p: f64, top_k: usize, batch_size: usize) -> SamplingOptions {
    SamplingOptions { max_new_tokens: 14, temperature, top_p, top_k, seed: 9, batch_size, eos: vec![EOS, 7] }
}

fn answers(model: &Decoder, prompts: &[Vec<i64>], options: &SamplingOptions) -> Vec<Sampled> {
    let mut answers = vec![None; prompts.len()];
    generate(model, prompts, options, &mut |index, sampled| {
        assert!(answers[index].replace(sampled).is_none(), "prompt {index} is answered once");
    })
    .expect("prompts within the vocabulary");
    answers.into_iter().map(|answer| answer.expect("every prompt is answered")).collect()
}

/// One prompt alone, the whole text anew for each token, and a running sum in 64 bits.
fn restated(model: &Decoder, index: usize, prompt: &[i64], options: &SamplingOptions) -> Vec<i64> {
    let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
    rng.set_stream(index as u64);
    let mut text = prompt.to_vec();
    while text.len() < prompt.len() + options.max_new_tokens {
        let logits = no_grad(|| model.logits(&model.hidden(&Tensor::from_slice(&text), &[text.len() as i64])));
        let logits: Vec<f64> = Vec::try_from(logits.get(-1).to_kind(Kind::Double)).expect("a row");
        let next = if options.temperature > 0.0 {
            let uniform = f64::from(rng.random::<u32>() >> 10) / 4_194_304.0;
            drawn(&logits, uniform, options)
        } else {
            (0..logits.len()).max_by(|a, b| logits[*a].total_cmp(&logits[*b])).expect("a token")
        };
        text.push(next as i64);
        if options.eos.contains(&(next as i64)) {
            break;
        }
    }
    text.split_off(prompt.len())
}

fn drawn(logits: &[f64], uniform: f64, options: &SamplingOptions) -> usize {
    let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut weights: Vec<f64> = logits.iter().map(|x| ((x - most) / options.temperature).exp()).collect();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by(|a, b| weights[*b].total_cmp(&weights[*a]));
    if options.top_k > 0 {
        order[options.top_k..].iter().for_each(|token| weights[*token] = 0.0);
    }
    let wanted = weights.iter().sum::<f64>() * options.top_p;
    let mut sum = 0.0;
    for token in order {
        if sum >= wanted {
            weights[token] = 0.0;
        }
        sum += weights[token];
    }
    let draw = uniform * weights.iter().sum::<f64>();
    let mut sum = 0.0;
    weights
        .iter()
        .position(|weight| {
            sum += weight;
            sum > draw
        })
        .expect("a draw below the sum")
}

#[test]
fn answers_are_those_of_each_prompt_alone_whoever_stands_in_the_other_rows() {
    let prompts = prompts();
    for (family, temperature, top_p, top_k) in
        [("qwen2", 0.0, 1.0, 0), ("qwen2", 1.0, 1.0, 0), ("qwen3", 0.8, 0.9, 0), ("llama", 1.3, 1.0, 6)]
    {
        let model = decoder(family);
        let wanted: Vec<Vec<i64>> = prompts
            .iter()
            .enumerate()
            .map(|(index, prompt)| restated(&model, index, prompt, &options(temperature, top_p, top_k, 1)))
            .collect();
        let lengths: BTreeSet<usize> = wanted.iter().map(Vec::len).collect();
        assert!(temperature == 0.0 || lengths.len() > 3, "rows end at different times: {lengths:?}");
        // More rows than prompts, fewer, and so few that each row is filled many times.
        for batch_size in [20, 13, 8, 5, 3, 2, 1] {
            let got = answers(&model, &prompts, &options(temperature, top_p, top_k, batch_size));
            for (index, (got, wanted)) in got.iter().zip(&wanted).enumerate() {
                assert_eq!(&got.ids, wanted, "{family} at {temperature}, {batch_size} rows, prompt {index}");
                assert_eq!(got.finished, options(0.0, 1.0, 0, 1).eos.contains(wanted.last().expect("a token")));
                assert_eq!(got.log_probs.len(), if temperature > 0.0 { wanted.len() } else { 0 });
            }
        }
    }
}

fn places(state: &DecodeState<'_>) -> Vec<(usize, Vec<i64>, Vec<i64>)> {
    state.tensors().map(|tensor| (tensor.data_ptr() as usize, tensor.size(), tensor.stride())).collect()
}

#[test]
fn steps_ask_for_the_same_operations_on_the_same_storages_and_the_host_reads_nothing() {
    // What makes the host wait for a number, or makes shapes depend on one.
    const READS: [&str; 8] =
        ["item", "_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "equal", "_to_cpu", "unique"];
    let model = decoder("qwen2");
    let prompts = prompts();
    for options in [options(1.0, 0.9, 5, 6), options(0.0, 1.0, 0, 6)] {
        let _no_grad = tch::no_grad_guard();
        let mut state = DecodeState::new(&model, 6, 9, &options);
        let before = places(&state);
        let fill = |state: &mut DecodeState<'_>, rows: &[(i64, usize)]| {
            let fillings: Vec<Filling<'_>> =
                rows.iter().map(|&(row, index)| Filling { row, index, prompt: &prompts[index] }).collect();
            state.fill(&fillings);
        };
        fill(&mut state, &[(0, 0), (1, 1), (2, 2), (4, 5)]);
        // What a block asks for before its first step, and then a step.
        let block = |state: &mut DecodeState<'_>, rows: usize, steps: usize| {
            record(|| state.advance(rows, steps)).expect("an observer")
        };
        let before_steps = block(&mut state, 6, 0);
        let step = block(&mut state, 6, 1).split_off(before_steps.len());
        assert!(step.len() > 40, "{} operations", step.len());
        for read in READS {
            assert!(!step.iter().any(|line| line.split([' ', ':']).any(|word| word == read)), "{read} in {step:?}");
        }
        let as_often = |steps: usize| [before_steps.clone(), vec![step.clone(); steps].concat()].concat();
        assert_eq!(
            block(&mut state, 6, 3),
            as_often(3),
            "rows that grow, that are free, and that end are all the same"
        );
        fill(&mut state, &[(3, 7), (5, 4)]);
        assert_eq!(block(&mut state, 6, 2), as_often(2), "and rows that were filled anew");
        state.shift(&[(4, 0)], 23);
        let fewer = block(&mut state, 3, 1).split_off(before_steps.len());
        assert_eq!(
            block(&mut state, 3, 2).split_off(before_steps.len()),
            vec![fewer; 2].concat(),
            "a smaller bucket too"
        );
        assert_eq!(places(&state), before, "nothing has moved");
        let softmax = step.iter().any(|line| line.contains("softmax"));
        assert_eq!(softmax, options.temperature > 0.0, "the most probable token needs no distribution");
    }
}

#[test]
fn what_several_rows_ask_is_read_once_and_the_last_layer_reads_no_further_than_keys_and_values() {
    let model = decoder("qwen2");
    let _no_grad = tch::no_grad_guard();
    let mut state = DecodeState::new(&model, 8, 9, &options(1.0, 1.0, 0, 8));
    let prompt: Vec<i64> = (3..12).collect();
    let fillings: Vec<Filling<'_>> = (0..8).map(|row| Filling { row, index: row as usize, prompt: &prompt }).collect();
    let asked = record(|| state.fill(&fillings)).expect("an observer");
    let reads: Vec<&String> = asked.iter().filter(|line| line.starts_with("aten::embedding ")).collect();
    assert_eq!(reads.len(), 1);
    assert!(reads[0].ends_with("[8]"), "8 tokens of 9, for 8 rows: {reads:?}");
    let silus = asked.iter().filter(|line| line.starts_with("aten::silu ")).count();
    assert_eq!(silus, 1, "two layers, one feed-forward");
}

#[test]
fn prompts_are_read_in_portions_whatever_waits() {
    let model = decoder("llama");
    let prompt = |i: i64| -> Vec<i64> { (0..40).map(|t| 3 + (i * (t + 1) + t * t) % 40).collect() };
    let prompts: Vec<Vec<i64>> = (0..500).map(prompt).collect();
    let options = SamplingOptions { max_new_tokens: 1, ..options(0.0, 1.0, 0, 500) };
    let mut answered = 0;
    let asked = record(|| {
        generate(&model, &prompts, &options, &mut |_, _| answered += 1).expect("prompts within the vocabulary");
    })
    .expect("an observer");
    assert_eq!(answered, 500);
    let lookups = asked.iter().filter(|line| line.starts_with("aten::embedding "));
    let sizes: Vec<usize> = lookups
        .map(|line| line.rsplit(['[', ']']).nth(1).and_then(|size| size.parse().ok()).expect("a vector of tokens"))
        .collect();
    // Up to 39 tokens of each of 500 prompts, and then the step that reads the last ones.
    let (step, portions) = sizes.split_last().expect("operations");
    assert!(*step == 500 && portions.len() >= 2, "{sizes:?}");
    assert!(portions.iter().all(|tokens| *tokens <= 8192), "{sizes:?}");
}
