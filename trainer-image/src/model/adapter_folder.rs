//! Adapters on disk, in the layout of PEFT: `adapter_config.json`, `adapter_model.safetensors`, and beside them `base.json`,
//! which says exactly which base they belong to. A folder that PEFT wrote has no `base.json`: its base is the folder or the
//! model of a hub that its configuration names, and whether that is the one it was trained beside cannot be seen.

use std::path::{Path, PathBuf};

use real_crds::config::{Lora, LoraTarget};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tch::{Device, Kind};

use super::lora::{Adapters, layout, short_name};
use super::{Decoder, ModelError, resolve};
use crate::digests;
use crate::json_file;
use crate::weights::{Files, INDEX_FILE, SINGLE_FILE, WeightFiles};

const CONFIG: &str = "adapter_config.json";
const TENSORS: &str = "adapter_model.safetensors";
const BASE: &str = "base.json";
/// What PEFT puts before the names of modules of a causal language model.
const PREFIX: &str = "base_model.model.";

/// The model that adapters belong to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Base {
    /// Its folder.
    pub folder: PathBuf,
    /// SHA-256 of the names and the SHA-256s of its weight files.
    pub sha256: String,
}

impl Base {
    /// That of a folder with weights. Reads them all.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn of(folder: &Path) -> Result<Self, ModelError> {
        let folder = folder.canonicalize().map_err(|error| ModelError::read(folder, error))?;
        let mut files = weight_files(&folder)?;
        // What a base that is itself a folder of adapters belongs to is a part of it.
        if is_adapters(&folder) && !folder.join(BASE).is_file() {
            files.extend(weight_files(chain(&folder)?.last().unwrap_or(&folder))?);
        }
        let sha256 = digests::of_all(&files).map_err(|(path, error)| ModelError::read(&path, error))?;
        Ok(Self { folder, sha256 })
    }
}

/// The files of a folder that say what its weights are, by name.
fn weight_files(folder: &Path) -> Result<Vec<PathBuf>, ModelError> {
    let entries = std::fs::read_dir(folder).map_err(|error| ModelError::read(folder, error))?;
    let is_weights = |path: &PathBuf| {
        path.extension().is_some_and(|ending| ending == "safetensors")
            || path.file_name().is_some_and(|name| name == BASE)
    };
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(is_weights).collect();
    files.sort();
    Ok(files)
}

/// Adapters on adapters, at most.
const LONGEST_CHAIN: usize = 8;

fn is_adapters(dir: &Path) -> bool {
    dir.join(CONFIG).is_file() && !dir.join(SINGLE_FILE).is_file() && !dir.join(INDEX_FILE).is_file()
}

/// The folders that a folder of adapters rests on, one on the other, the model last; none for a model.
///
/// # Errors
/// A folder does not say what it rests on, that is not there, or they rest on each other.
fn chain(dir: &Path) -> Result<Vec<PathBuf>, ModelError> {
    let mut folders: Vec<PathBuf> = Vec::new();
    loop {
        let last = folders.last().map_or(dir, PathBuf::as_path);
        if !is_adapters(last) {
            return Ok(folders);
        }
        if folders.len() == LONGEST_CHAIN {
            let reason = format!("adapters rest on adapters more than {LONGEST_CHAIN} deep, or on themselves");
            return Err(ModelError::malformed(&dir.join(CONFIG), reason));
        }
        let next = base_folder(last)?;
        folders.push(next);
    }
}

/// The folder where `name` of a model is: of adapters that come without it, that of what they rest on.
///
/// # Errors
/// What the adapters rest on is not there.
pub(crate) fn home(dir: &Path, name: &str) -> Result<PathBuf, ModelError> {
    if dir.join(name).is_file() || !is_adapters(dir) {
        return Ok(dir.to_path_buf());
    }
    let found = chain(dir)?.into_iter().find(|folder| folder.join(name).is_file());
    Ok(found.unwrap_or_else(|| dir.to_path_buf()))
}

/// What a folder of adapters says that it rests on.
fn base_folder(dir: &Path) -> Result<PathBuf, ModelError> {
    if dir.join(BASE).is_file() {
        return Ok(told_base(dir)?.folder);
    }
    let config = config(dir)?;
    let named = config.get("base_model_name_or_path").and_then(Value::as_str).unwrap_or_default();
    let location = |reason: String| ModelError::Location { uri: named.to_owned(), reason };
    let told = format!("base_model_name_or_path in {}", dir.join(CONFIG).display());
    if named.is_empty() {
        return Err(location(format!(
            "{told} says nothing: put there the folder of the model that the adapters are for"
        )));
    }
    if Path::new(named).is_dir() {
        return Ok(named.into());
    }
    let of_hub =
        |text: &str| text.split('/').filter(|part| !part.is_empty()).count() == 2 && !text.starts_with(['/', '.']);
    if !of_hub(named) {
        return Err(location(format!("{told} names it, and there is no such folder")));
    }
    resolve(&format!("hf://{named}"), dir).map_err(|error| match error {
        // The network may be there again later.
        ModelError::Fetch { .. } => error,
        error => location(format!("{told} names it, which is no folder here: {error}")),
    })
}

/// Keys of `adapter_config.json` that do not change what comes out, whatever they say.
const HARMLESS: [&str; 13] = [
    "auto_mapping",
    "base_model_name_or_path",
    "exclude_modules",
    "inference_mode",
    "layers_pattern",
    "lora_dropout",
    "megatron_core",
    "peft_type",
    "peft_version",
    "qalora_group_size",
    "revision",
    "runtime_config",
    "task_type",
];
/// Ways to draw adapters that leave the base as it is.
const DRAWN: [&str; 3] = ["gaussian", "orthogonal", "eva"];

fn config(dir: &Path) -> Result<Map<String, Value>, ModelError> {
    let path = dir.join(CONFIG);
    let text = json_file::text(&path).map_err(|error| ModelError::read(&path, error))?;
    json_file::parse(&text).map_err(|error| ModelError::malformed(&path, error))
}

/// Whether a value says that something is not used.
fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(items) => items.is_empty(),
        _ => false,
    }
}

/// Adds adapters to the files of a folder.
pub(super) fn add(files: &mut Files, adapters: &Adapters, base: &Base) {
    let Lora { rank, alpha, targets } = &adapters.settings;
    let targets: Vec<&str> = targets.iter().map(|target| short_name(*target)).collect();
    let config = json!({
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": base.folder, "r": rank, "lora_alpha": alpha,
        "lora_dropout": 0.0, "target_modules": targets, "bias": "none", "fan_in_fan_out": false, "inference_mode": true,
        "init_lora_weights": true, "use_rslora": false, "use_dora": false, "modules_to_save": null,
    });
    files.text(CONFIG, format!("{config:#}\n"));
    files.text(BASE, format!("{:#}\n", json!(base)));
    let named = adapters.named.iter().map(|(name, tensor)| (format!("{PREFIX}{name}"), tensor.shallow_clone()));
    files.tensors(TENSORS, named.collect());
}

/// A folder of adapters without the weights of a model.
pub(super) struct Found {
    dir: PathBuf,
    settings: Lora,
    base: Base,
}

/// What `dir` holds, where that is adapters and no model.
pub(super) fn find(dir: &Path) -> Result<Option<Found>, ModelError> {
    if !is_adapters(dir) {
        return Ok(None);
    }
    let base = if dir.join(BASE).is_file() {
        told_base(dir)?
    } else {
        let folder = chain(dir)?.first().cloned().unwrap_or_default();
        tracing::warn!(
            "{} has no {BASE}: whether {} is the model that its adapters were trained beside cannot be seen",
            dir.display(),
            folder.display()
        );
        Base::of(&folder)?
    };
    Ok(Some(Found { dir: dir.to_path_buf(), settings: settings(dir)?, base }))
}

impl Found {
    /// The base with the adapters made part of its parameters.
    pub(super) fn merge(self, device: Device) -> Result<Decoder, ModelError> {
        let Self { dir, settings, base } = self;
        if !base.folder.is_dir() {
            let reason = format!("{} holds adapters of it, and there is no such folder", dir.display());
            return Err(ModelError::Location { uri: base.folder.display().to_string(), reason });
        }
        same_base(&dir, &base, &Base::of(&base.folder)?)?;
        let decoder = Decoder::load(&base.folder, device)?;
        let adapters = tensors(&dir, &settings, &decoder)?;
        Ok(decoder.with_adapters(adapters, base).merged())
    }
}

/// The adapters of `dir` for a decoder that has such with these settings beside this base.
pub(super) fn read(decoder: &Decoder, own: &Lora, base: &Base, dir: &Path) -> Result<Adapters, ModelError> {
    if !has_adapters(dir) {
        let reason =
            format!("it is of a run that trains all parameters, and the job has adapters (spec.model.lora); {REMEDY}");
        return Err(ModelError::malformed(dir, reason));
    }
    let (told, settings) = (told_base(dir)?, settings(dir)?);
    if settings != *own {
        let reason = format!(
            "its adapters have {}; those of the job (spec.model.lora) have {}; {REMEDY}",
            said(&settings),
            said(own)
        );
        return Err(ModelError::malformed(&dir.join(CONFIG), reason));
    }
    same_base(dir, &told, base)?;
    tensors(dir, &settings, decoder)
}

/// Whether there are adapters, beside the head of a critic or not.
pub(super) fn has_adapters(dir: &Path) -> bool {
    dir.join(CONFIG).is_file()
}

/// What helps where a checkpoint has other adapters than the job.
const REMEDY: &str = "go on with the same, or use another run directory";

/// Adapters where a job has none.
pub(super) fn unwanted(dir: &Path) -> ModelError {
    let reason = format!("it holds adapters (spec.model.lora), and the job trains all parameters; {REMEDY}");
    ModelError::malformed(dir, reason)
}

/// Adapters in words.
fn said(Lora { rank, alpha, targets }: &Lora) -> String {
    let targets: Vec<&str> = targets.iter().map(|target| short_name(*target)).collect();
    format!("rank {rank}, alpha {alpha} and the targets {}", targets.join(", "))
}

fn told_base(dir: &Path) -> Result<Base, ModelError> {
    let path = dir.join(BASE);
    let text = json_file::text(&path).map_err(|error| {
        let reason = format!("what its adapters belong to cannot be read ({error})");
        ModelError::malformed(&path, reason)
    })?;
    json_file::parse(&text).map_err(|error| ModelError::malformed(&path, error))
}

fn same_base(dir: &Path, told: &Base, found: &Base) -> Result<(), ModelError> {
    if told.sha256 == found.sha256 {
        return Ok(());
    }
    let reason = format!(
        "its adapters belong to another base: the weights in {} have SHA-256 {}, those that they were trained beside (in {}) {}",
        found.folder.display(),
        found.sha256,
        told.folder.display(),
        told.sha256
    );
    Err(ModelError::malformed(&dir.join(BASE), reason))
}

/// What adapters are. A key that is not known here and that is used is refused: it may change what comes out.
fn settings(dir: &Path) -> Result<Lora, ModelError> {
    const ALL: [LoraTarget; 7] = LoraTarget::ALL;
    let (path, config) = (dir.join(CONFIG), config(dir)?);
    let wrong = |key: &str, allowed: &str| {
        let found = config.get(key).unwrap_or(&Value::Null);
        ModelError::malformed(&path, format!("{key} is {found}; {allowed}"))
    };
    if config.get("peft_type").and_then(Value::as_str) != Some("LORA") {
        return Err(wrong("peft_type", "only LORA is implemented"));
    }
    let rank = config.get("r").and_then(Value::as_u64).filter(|rank| *rank > 0);
    let rank = rank.ok_or_else(|| wrong("r", "it has to be a whole number of at least 1"))?;
    let alpha = config.get("lora_alpha").and_then(Value::as_f64);
    let alpha = alpha.ok_or_else(|| wrong("lora_alpha", "it has to be a number"))?;
    let names = config.get("target_modules").and_then(Value::as_array);
    let names = names.ok_or_else(|| wrong("target_modules", "it has to be a list of names"))?;
    for (key, value) in &config {
        let known = match key.as_str() {
            "r" | "lora_alpha" | "target_modules" => true,
            "bias" => value == "none",
            "init_lora_weights" => value.is_boolean() || value.as_str().is_some_and(|name| DRAWN.contains(&name)),
            key => HARMLESS.contains(&key) || says_nothing(value),
        };
        if !known {
            let allowed = "only plain LoRA is implemented: one rank and one alpha for all layers, the base as it was";
            return Err(wrong(key, allowed));
        }
    }
    let target = |name: &Value| {
        let last = name.as_str().unwrap_or_default().rsplit('.').next().unwrap_or_default();
        let known = ALL.into_iter().find(|target| short_name(*target) == last);
        known.ok_or_else(|| ModelError::malformed(&path, format!("target_modules: {name} is none that is implemented")))
    };
    let mut targets = names.iter().map(target).collect::<Result<Vec<_>, _>>()?;
    targets.sort_unstable();
    targets.dedup();
    Ok(Lora { rank, alpha, targets })
}

fn tensors(dir: &Path, settings: &Lora, decoder: &Decoder) -> Result<Adapters, ModelError> {
    let mut files = WeightFiles::open(&dir.join(TENSORS))?;
    let wanted = layout(decoder.specs(), settings);
    let known =
        |name: &str| name.strip_prefix(PREFIX).is_some_and(|name| wanted.iter().any(|(known, _)| known == name));
    let left: Vec<String> = files.names().filter(|name| !known(name)).map(str::to_owned).collect();
    if !left.is_empty() {
        return Err(ModelError::Leftover { path: dir.join(TENSORS), names: left, hint: String::new() });
    }
    let read = |(name, shape): (String, Vec<i64>)| {
        let tensor = files.read(&format!("{PREFIX}{name}"), &shape, Kind::Float, decoder.device())?;
        Ok((name, tensor))
    };
    Ok(Adapters::of(settings, wanted.into_iter().map(read).collect::<Result<_, ModelError>>()?))
}
