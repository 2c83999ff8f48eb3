//! Adapters: gradients by the chain rule, what is on disk, and runs that resume exactly.

mod job;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use job::{Job, read_json, stderr};
use real_crds::config::{Lora, LoraTarget};
use real_trainer::model::{Base, Decoder, Entropy, ModelConfig, Prediction, ValueModel};
use real_trainer::optim::{AdamW, AdamWConfig};
use real_trainer::ppo::losses::{self, Clip};
use real_trainer::sequences::{Packed, Sequence, longest_answer};
use real_trainer::weights::WeightFiles;
use serde_json::json;
use tch::{Device, Kind, Tensor, no_grad};

/// A base on disk, of a family.
fn base(folder: &Path, family: &str, seed: u64) -> Base {
    let config: ModelConfig = serde_json::from_value(json!({
        "model_type": family, "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 3, "num_attention_heads": 4,
        "num_key_value_heads": 2, "vocab_size": 31, "tie_word_embeddings": family != "llama", "initializer_range": 0.2,
    }))
    .expect("a configuration");
    Decoder::random(config, seed, Device::Cpu).save(folder).expect("writable");
    Base::of(folder).expect("readable")
}

fn settings(targets: &[LoraTarget]) -> Lora {
    Lora { rank: 3, alpha: 7.0, targets: targets.to_vec() }
}

/// A decoder with adapters that do something: B is drawn too.
fn with_adapters(base: &Base, lora: &Lora, kind: Kind) -> Decoder {
    let model = Decoder::load(&base.folder, Device::Cpu).expect("loads").with_compute(kind);
    let model = model.with_lora(lora, base.clone(), 9);
    tch::manual_seed(4);
    no_grad(|| {
        for (_, tensor) in model.named_parameters().filter(|(name, _)| name.ends_with("lora_B.weight")) {
            let _ = tensor.shallow_clone().normal_(0.0, 0.3);
        }
    });
    model
}

fn batch() -> Packed {
    let sequences = [
        Sequence::new(&[1, 2, 3], &[4, 5, 6, 7]),
        Sequence::new(&[8], &[9, 10]),
        Sequence::new(&[11, 12], &[13, 14, 15]),
    ];
    Packed::of(&sequences, &[0, 1, 2], longest_answer(&sequences), Device::Cpu)
}

fn logits(model: &Decoder) -> Tensor {
    let batch = batch();
    no_grad(|| model.logits(&model.hidden(&batch.ids, &batch.lengths)).to_kind(Kind::Float))
}

fn far(a: &Tensor, b: &Tensor) -> f64 {
    (a.detach() - b.detach()).abs().max().double_value(&[])
}

type Loss = fn(&Prediction, &Tensor) -> Tensor;

/// The loss of supervised fine-tuning, and that of PPO with an entropy bonus.
const LOSSES: [(&str, Entropy, Loss); 2] = [
    ("sft", Entropy::Unused, |said, _| -said.log_probs.sum(Kind::Float)),
    ("ppo", Entropy::Learnt, |said, old| {
        let advantages = Tensor::from_slice(&[1.5_f32, -1.0, 0.5, -2.0]).repeat([3]).narrow(0, 0, old.size()[0]);
        let policy = losses::policy(&said.log_probs, old, &advantages, Clip { low: 0.2, high: 0.2, dual: Some(3.0) });
        (policy.loss - &said.entropy * 0.01).sum(Kind::Float)
    }),
];

#[test]
fn gradients_of_adapters_are_those_of_the_merged_matrix_by_the_chain_rule() {
    for (family, targets) in [
        ("qwen2", LoraTarget::ALL.to_vec()),
        ("qwen3", vec![LoraTarget::QProj, LoraTarget::VProj]),
        ("llama", vec![LoraTarget::KProj, LoraTarget::UpProj, LoraTarget::DownProj]),
    ] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let base = base(folder.path(), family, 3);
        let lora = settings(&targets);
        let model = with_adapters(&base, &lora, Kind::Float);
        let saved = folder.path().join("saved");
        model.save(&saved).expect("writable");
        // What is saved and loaded is a decoder of the plain kind, whose gradients are tested elsewhere.
        let merged = Decoder::load(&saved, Device::Cpu).expect("loads");
        assert!(!merged.has_adapters() && far(&logits(&merged), &logits(&model)) < 1e-5, "{family}");
        for (what, entropy, loss) in LOSSES {
            let batch = batch();
            let old = Tensor::full([batch.targets.size()[0]], -3.0, (Kind::Float, Device::Cpu));
            for decoder in [&model, &merged] {
                AdamW::new(decoder.named_parameters(), AdamWConfig::default()).zero_grad().expect("gradients");
                decoder.learn(&batch, 1.0, entropy, |said, span| loss(said, &span.of(&old))).expect("gradients");
            }
            let adapters: BTreeMap<&str, &Tensor> = model.named_parameters().collect();
            let dense: BTreeMap<&str, &Tensor> = merged.named_parameters().collect();
            let mut checked = 0;
            for (name, a) in adapters.iter().filter(|(name, _)| name.ends_with("lora_A.weight")) {
                let module = name.trim_end_matches(".lora_A.weight");
                let b = adapters[format!("{module}.lora_B.weight").as_str()];
                // Rows of the module in the matrix that it is joined in.
                let (joined, from) = match module.rsplit('.').next().expect("a name") {
                    "q_proj" => (module.replace("q_proj", "qkv_proj"), 0),
                    "k_proj" => (module.replace("k_proj", "qkv_proj"), 24),
                    "v_proj" => (module.replace("v_proj", "qkv_proj"), 36),
                    "gate_proj" => (module.replace("gate_proj", "gate_up_proj"), 0),
                    "up_proj" => (module.replace("up_proj", "gate_up_proj"), 40),
                    _ => (module.to_owned(), 0),
                };
                let gradient = dense[format!("{joined}.weight").as_str()].grad().narrow(0, from, b.size()[0]);
                let scale = lora.alpha / lora.rank as f64;
                let (of_a, of_b) = no_grad(|| (b.tr().matmul(&gradient) * scale, gradient.matmul(&a.tr()) * scale));
                let most = of_a.abs().max().double_value(&[]).max(of_b.abs().max().double_value(&[]));
                assert!(
                    far(&a.grad(), &of_a).max(far(&b.grad(), &of_b)) < 2e-5 * (1.0 + most),
                    "{family} {what} {name}"
                );
                checked += 1;
            }
            assert_eq!(checked, 3 * targets.len());
        }
    }
}

#[test]
fn the_reference_and_the_start_are_the_base_and_nothing_is_copied_for_them() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let base = base(folder.path(), "qwen2", 3);
    let plain = Decoder::load(folder.path(), Device::Cpu).expect("loads");
    let fresh = Decoder::load(folder.path(), Device::Cpu).expect("loads");
    let fresh = fresh.with_lora(&settings(&LoraTarget::ALL), base.clone(), 1);
    assert!(logits(&fresh).equal(&logits(&plain)), "B starts at 0");
    let model = with_adapters(&base, &settings(&LoraTarget::ALL), Kind::Float);
    assert!(far(&logits(&model), &logits(&plain)) > 0.1);
    let reference = model.frozen();
    assert!(logits(&reference).equal(&logits(&plain)));
    // The critic has adapters of its own on the same base.
    let critic = ValueModel::new(model.deep_copy());
    let (of_actor, of_critic): (usize, usize) = (model.named_parameters().count(), critic.named_parameters().count());
    assert_eq!(of_critic, of_actor + 2);
    let mut optimizer = AdamW::new(critic.named_parameters(), AdamWConfig::default());
    let before = logits(&model);
    // The head starts at 0: what is below it learns from the second step on.
    for _ in 0..2 {
        optimizer.zero_grad().expect("no gradients");
        critic.learn(&batch(), |values, _| (values - 1.0).square().sum(Kind::Float)).expect("gradients");
        optimizer.step(0.1).expect("a step");
    }
    assert!(far(&logits(critic.backbone()), &before) > 0.0);
    assert!(logits(&model).equal(&before));
    assert!(logits(&reference).equal(&logits(&plain)));
    let saved = folder.path().join("critic");
    critic.save(&saved).expect("writable");
    let again = critic.with_saved_adapters(&saved).expect("the same base").expect("it has adapters");
    let values = |critic: &ValueModel| no_grad(|| critic.values(&batch().ids, &batch().lengths));
    assert!(values(&again).equal(&values(&critic)));
    let numbers: usize = model.named_parameters().map(|(_, tensor)| tensor.numel()).sum();
    assert_eq!(numbers as i64, plain.config().adapter_parameters(&settings(&LoraTarget::ALL)));
}

#[test]
fn a_folder_of_adapters_has_the_names_and_shapes_of_peft() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let base = base(folder.path(), "qwen2", 3);
    let model = with_adapters(&base, &settings(&[LoraTarget::QProj, LoraTarget::DownProj]), Kind::BFloat16);
    let saved = folder.path().join("saved");
    model.save(&saved).expect("writable");
    assert!(!saved.join("model.safetensors").exists(), "adapters alone");
    let config = read_json(&saved.join("adapter_config.json"));
    assert_eq!(config["peft_type"], "LORA");
    assert_eq!((&config["r"], &config["lora_alpha"]), (&json!(3), &json!(7.0)));
    assert_eq!(config["target_modules"], json!(["q_proj", "down_proj"]));
    assert_eq!(config["base_model_name_or_path"], json!(base.folder));
    let mut files = WeightFiles::open(&saved.join("adapter_model.safetensors")).expect("adapters");
    let names: Vec<String> = files.names().map(str::to_owned).collect();
    assert_eq!(names.len(), 12);
    let at = |name: &str| format!("base_model.model.model.layers.2.{name}.weight");
    for (name, shape) in [
        ("self_attn.q_proj.lora_A", [3, 24]),
        ("self_attn.q_proj.lora_B", [24, 3]),
        ("mlp.down_proj.lora_A", [3, 40]),
        ("mlp.down_proj.lora_B", [24, 3]),
    ] {
        let tensor = files.read(&at(name), &shape, Kind::Float, Device::Cpu).expect(name);
        assert_eq!(tensor.size(), shape);
    }
    // Saved and taken over again they are the same; beside another base they are refused, by name.
    let again = model.with_saved_adapters(&saved).expect("the same base").expect("it has adapters");
    assert!(logits(&again).equal(&logits(&model)));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let other = self::base(folder.path(), "qwen2", 4);
    let elsewhere = with_adapters(&other, &settings(&[LoraTarget::QProj, LoraTarget::DownProj]), Kind::Float);
    let error = elsewhere.with_saved_adapters(&saved).expect_err("another base").to_string();
    assert!(error.contains("another base") && error.contains(&other.sha256), "{error}");
    let error = with_adapters(&base, &settings(&[LoraTarget::QProj]), Kind::Float).with_saved_adapters(&saved);
    assert!(error.expect_err("other targets").to_string().contains("down_proj"));
}

#[test]
fn a_folder_as_peft_writes_it_is_read_and_what_would_change_its_numbers_is_refused_by_name() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let below = folder.path().join("below");
    fs::create_dir(&below).expect("writable");
    let base = base(&below, "qwen2", 3);
    let model = with_adapters(&base, &settings(&[LoraTarget::QProj, LoraTarget::DownProj]), Kind::Float);
    let saved = folder.path().join("saved");
    model.save(&saved).expect("writable");
    // PEFT writes no configuration of the model, and nothing of which base it is but a name.
    for name in ["config.json", "base.json"] {
        fs::remove_file(saved.join(name)).expect("it was there");
    }
    let written = read_json(&saved.join("adapter_config.json"));
    let with = |changes: serde_json::Value| {
        let mut config = written.clone();
        for (key, value) in changes.as_object().expect("keys") {
            config[key] = value.clone();
        }
        fs::write(saved.join("adapter_config.json"), config.to_string()).expect("writable");
        Decoder::load(&saved, Device::Cpu)
    };
    let unused = json!({
        "peft_version": "0.21.2", "lora_dropout": 0.1, "layers_pattern": null, "rank_pattern": {}, "loftq_config": {},
        "use_some_later_kind": false, "init_lora_weights": "gaussian", "target_modules": ["down_proj", "q_proj"],
    });
    assert!(far(&logits(&with(unused).expect("plain LoRA")), &logits(&model)) < 1e-5);
    for (key, value) in [
        ("alpha_pattern", json!({"q_proj": 32})),
        ("rank_pattern", json!({"q_proj": 2})),
        ("use_rslora", json!(true)),
        ("use_dora", json!(true)),
        ("bias", json!("lora_only")),
        ("init_lora_weights", json!("pissa")),
        ("modules_to_save", json!(["lm_head"])),
        ("layer_replication", json!([[0, 2]])),
        ("use_some_later_kind", json!({"scale": 2})),
        ("peft_type", json!("IA3")),
        ("target_modules", json!("all-linear")),
        ("target_modules", json!(["embed_tokens"])),
        ("r", json!(0)),
        ("lora_alpha", json!(null)),
    ] {
        let error = with(json!({key: value})).expect_err(key).to_string();
        assert!(error.contains(key) && error.contains("adapter_config.json"), "{key}: {error}");
    }
    // Below them must be a model, and neither nothing nor themselves.
    for (name, why) in
        [("", "says nothing"), ("./nowhere", "no such folder"), (saved.to_str().expect("text"), "on themselves")]
    {
        let error = with(json!({"base_model_name_or_path": name})).expect_err(name).to_string();
        assert!(error.contains(why), "{name}: {error}");
    }
}

/// A job with adapters beside a base on disk.
fn job(steps: u64) -> Job {
    let mut job = Job::sft(steps);
    let folder = job.run_dir().parent().expect("a folder").join("model");
    let config = ModelConfig::load(&folder).expect("a configuration");
    Decoder::random(config, 2, Device::Cpu).save(&folder).expect("writable");
    job.config["model"] = json!({
        "uri": folder, "initialize": "pretrained",
        "lora": {"rank": 4, "alpha": 8.0, "targets": ["q_proj", "v_proj", "gate_proj", "up_proj", "down_proj"]},
    });
    job.config["algorithm"]["sft"]["learningRate"] = 0.01.into();
    job
}

#[test]
fn a_run_with_adapters_learns_resumes_exactly_and_can_be_merged() {
    let straight = job(6);
    straight.run_well(&[]);
    let mut stopped = job(6);
    stopped.config["checkpoint"]["everySteps"] = 3.into();
    stopped.run_well(&[]);
    fs::remove_dir_all(stopped.checkpoint(6, "")).expect("a checkpoint of step 6");
    // What a kill in the midst of a write leaves.
    fs::create_dir(stopped.run_dir().join("checkpoints/.step-6.partial")).expect("creatable");
    stopped.run_well(&["--resume"]);
    assert_eq!(straight.metrics(), stopped.metrics());
    for file in ["adapter_model.safetensors", "optimizer/actor.safetensors", "state.json"] {
        let [a, b] = [&straight, &stopped].map(|job| fs::read(job.checkpoint(6, file)).expect("a checkpoint's file"));
        assert!(a == b, "{file} differs");
    }
    assert!(!straight.checkpoint(6, "model.safetensors").exists());
    assert!(!stopped.run_dir().join("checkpoints/.step-6.partial").exists());
    let loss = |line: usize| straight.metrics()[line]["train/loss"].as_f64().expect("a loss");
    assert!(loss(5) < loss(0), "{} → {}", loss(0), loss(5));

    let merged = straight.run_dir().join("merged");
    let output = Command::new(env!("CARGO_BIN_EXE_real-trainer"))
        .arg("merge")
        .arg(straight.checkpoint(6, ""))
        .arg("--out")
        .arg(&merged)
        .output()
        .expect("the program starts");
    assert!(output.status.success(), "{}", stderr(&output));
    // A later job goes on from the merged model, or from the adapters themselves, alike.
    let first_loss = |model: &Path| {
        let mut next = job(1);
        next.config["model"] = json!({"uri": model, "initialize": "pretrained"});
        next.run_well(&[]);
        next.metrics()[0]["train/loss"].as_f64().expect("a loss")
    };
    let (from_merged, from_adapters) = (first_loss(&merged), first_loss(&straight.checkpoint(6, "")));
    assert!((from_merged - from_adapters).abs() < 1e-6 && from_merged < loss(0), "{from_merged} {from_adapters}");

    // Another base under the same name is no base of theirs.
    let folder = straight.run_dir().parent().expect("a folder").join("model");
    let config = ModelConfig::load(&folder).expect("a configuration");
    Decoder::random(config, 3, Device::Cpu).save(&folder).expect("writable");
    let output = straight.run(&["--resume"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("another base"), "{}", stderr(&output));
}
