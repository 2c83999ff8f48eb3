//! Files of models and checkpoints that are not what they were: changed at random from a seed, so many of each. Reading one either
//! gives what the original gave, or says which file is wrong; it never panics, and takes no memory that only the file asks for.

#![allow(clippy::print_stdout, reason = "tests print through their harness, which captures it")]

#[path = "../../datasets/tests/damage/mod.rs"]
mod damage;
#[path = "job/mod.rs"]
#[allow(dead_code, reason = "these jobs only make files")]
mod job;

use std::fs;
use std::path::{Path, PathBuf};

use damage::changed;
use job::Job;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use real_trainer::checkpoint;
use real_trainer::model::{Decoder, ModelConfig};
use real_trainer::ppo::experience;
use real_trainer::sequences::{MicroBatches, Sequence};
use real_trainer::tokenizer::Tokenizer;
use real_trainer::weights::WeightFiles;
use serde_json::{Value, json};
use tch::Device;

/// Files changed, of each kind.
const CHANGES: usize = 300;

/// The fields of a JSON text, each with other values.
fn with_other_fields(original: &Value) -> Vec<(String, Value)> {
    let others = [
        json!(null),
        json!(-1),
        json!(0),
        json!(1e300),
        json!(i64::MAX),
        json!(u64::MAX),
        json!("x"),
        json!([]),
        json!({}),
        json!(true),
        json!([1, "x"]),
    ];
    let mut all = Vec::new();
    for field in original.as_object().expect("an object").keys() {
        for other in &others {
            let mut changed = original.clone();
            changed[field] = other.clone();
            all.push((field.clone(), changed));
        }
    }
    all
}

/// Reads something of which one file was changed; where it is refused, in one line that says where it is.
fn read<T>(file: &Path, content: &[u8], what: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    let result = damage::read(file, content, what);
    let place = file.parent().expect("a folder").display().to_string();
    if let Err(error) = &result {
        assert!(error.contains(&place), "{error:?} does not say that it is about {place}");
        assert!(!error.contains('\n') && error.len() < 4000, "one line of a length to read: {error}");
    }
    result
}

/// A model's folder of a job, with weights of its own.
fn model() -> (Job, PathBuf) {
    let job = Job::sft(1);
    job.run_well(&[]);
    let folder = job.checkpoint(1, "");
    (job, folder)
}

fn words(error: impl std::error::Error + 'static) -> String {
    real_terminal::causes(&error)
}

fn of_config(folder: &Path) -> Result<ModelConfig, String> {
    ModelConfig::load(folder).map_err(words)
}

fn of_weights(folder: &Path) -> Result<Vec<(String, Vec<i64>)>, String> {
    let tensors = WeightFiles::open_model(folder).and_then(|mut files| files.read_all(Device::Cpu)).map_err(words)?;
    Ok(tensors.into_iter().map(|(name, tensor)| (name, tensor.size())).collect())
}

fn of_tokenizer(folder: &Path) -> Result<Vec<i64>, String> {
    let tokenizer = Tokenizer::load(folder).map_err(words)?;
    tokenizer.chat(&[json!({"role": "user", "content": "Write a program that prints 3."})]).map_err(words)
}

#[test]
fn a_model_whose_files_were_changed_at_random_is_read_as_it_was_or_refused_by_name() {
    let (_job, folder) = model();
    let mut random = StdRng::seed_from_u64(13);
    let files =
        ["config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json", "model.safetensors"];
    let (mut refused, mut read_on) = (0, 0);
    for name in files.into_iter().filter(|name| folder.join(name).is_file()) {
        let path = folder.join(name);
        let original = fs::read(&path).expect("readable");
        for _ in 0..CHANGES {
            // Of a file of weights, most changes in its header.
            let header = if name == "model.safetensors" && random.random_bool(0.8) { 4096 } else { original.len() };
            let (first, rest) = original.split_at(header.min(original.len()));
            let content = [changed(first, &mut random), rest.to_vec()].concat();
            let whole = read(&path, &content, || {
                of_config(&folder)?;
                of_tokenizer(&folder)?;
                of_weights(&folder)?;
                Decoder::load(&folder, Device::Cpu).map(|_| ()).map_err(words)
            });
            *(if whole.is_ok() { &mut read_on } else { &mut refused }) += 1;
        }
        fs::write(&path, original).expect("writable");
    }
    println!("{refused} refused, {read_on} read");
    assert!(refused > CHANGES && read_on > CHANGES / 10, "{refused} refused, {read_on} read");
}

#[test]
fn a_model_whose_settings_have_another_value_each_is_loaded_or_the_field_is_named() {
    let (_job, folder) = model();
    let sequences = [Sequence::new(&[1, 2], &[3, 4])];
    for name in ["config.json", "generation_config.json", "tokenizer_config.json"] {
        let path = folder.join(name);
        let Ok(original) = fs::read(&path) else { continue };
        for (field, changed) in with_other_fields(&serde_json::from_slice(&original).expect("JSON")) {
            let content = changed.to_string();
            let result = read(&path, content.as_bytes(), || {
                let (config, _) = (of_config(&folder)?, of_tokenizer(&folder)?);
                let decoder = Decoder::load(&folder, Device::Cpu).map_err(words)?;
                let log_probs = experience::log_probs(&decoder, &sequences, MicroBatches::new(1, 0), 1.0);
                let finite = bool::try_from(log_probs.isfinite().all()).unwrap_or(false);
                assert!(finite, "{name}, {field}: what it computes are no numbers with {config:?}");
                Ok(())
            });
            if let Err(error) = result {
                // A shape that does not fit is told by its tensor; what ends a text by the place where it was looked for.
                let told = error.contains(&field)
                    || error.contains("tensor")
                    || error.contains("answers would not end")
                    || error.contains("chat template");
                assert!(told, "{name}, {field}: {error}");
            }
        }
        fs::write(&path, original).expect("writable");
    }
}

#[test]
fn a_checkpoint_of_which_a_byte_was_changed_is_refused_and_its_file_named() {
    let (_job, folder) = model();
    let mut random = StdRng::seed_from_u64(14);
    let whole = checkpoint::verify(&folder).expect("whole");
    let names: Vec<String> = whole.files.keys().cloned().chain(["manifest.json".to_owned()]).collect();
    for name in names {
        let path = folder.join(&name);
        let original = fs::read(&path).expect("readable");
        for _ in 0..CHANGES / 10 {
            let content = changed(&original, &mut random);
            if content == original {
                continue;
            }
            fs::write(&path, &content).expect("writable");
            match checkpoint::verify(&folder) {
                Ok(read) => assert!(name == "manifest.json" && read == whole, "{name} was changed"),
                Err(error) => {
                    let error = error.to_string();
                    assert!(name == "manifest.json" || error.contains(&name), "{name}: {error}");
                    assert!(error.contains(&folder.display().to_string()), "{error}");
                }
            }
            let listed = checkpoint::Checkpoint { step: 1, path: folder.clone() };
            let _ = checkpoint::report(&listed);
        }
        fs::write(&path, original).expect("writable");
    }
    checkpoint::verify(&folder).expect("whole again");
}

#[test]
fn lengths_that_a_file_of_weights_claims_take_no_memory() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("model.safetensors");
    let header = |text: &str| [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat();
    for content in [
        u64::MAX.to_le_bytes().to_vec(),
        (1_u64 << 40).to_le_bytes().to_vec(),
        header(r#"{"w": {"dtype": "F32", "shape": [1099511627776], "data_offsets": [0, 4398046511104]}}"#),
        header(r#"{"w": {"dtype": "F32", "shape": [4294967296, 4294967296], "data_offsets": [0, 0]}}"#),
        header(r#"{"w": {"dtype": "F32", "shape": [2], "data_offsets": [8, 0]}}"#),
        header(
            r#"{"w": {"dtype": "F32", "shape": [18446744073709551615, 2], "data_offsets": [0, 18446744073709551608]}}"#,
        ),
    ] {
        read(&path, &content, || of_weights(folder.path())).expect_err("no file of weights");
    }
    // A file that is as long as it claims, of which nothing was written.
    let mut sparse = fs::File::create(&path).expect("writable");
    std::io::Write::write_all(&mut sparse, &(1_u64 << 36).to_le_bytes()).expect("writable");
    sparse.set_len((1 << 36) + 8).expect("a sparse file");
    let error = damage::bounded(&path, || of_weights(folder.path())).expect_err("its header is no header");
    assert!(error.contains("at most 100000000 are allowed"), "{error}");
}
