//! Adapters on disk, in the layout of PEFT: `adapter_config.json`, `adapter_model.safetensors`, and beside them `base.json`,
//! which says exactly which base they belong to.

use std::path::{Path, PathBuf};

use real_crds::config::{Lora, LoraTarget};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tch::{Device, Kind};

use super::lora::{Adapters, layout, short_name};
use super::{Decoder, ModelError};
use crate::digests;
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
        let entries = std::fs::read_dir(&folder).map_err(|error| ModelError::read(&folder, error))?;
        // What a base that is itself a folder of adapters belongs to is a part of it.
        let is_weights = |path: &PathBuf| {
            path.extension().is_some_and(|ending| ending == "safetensors")
                || path.file_name().is_some_and(|name| name == BASE)
        };
        let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(is_weights).collect();
        files.sort();
        let sha256 = digests::of_all(&files).map_err(|(path, error)| ModelError::read(&path, error))?;
        Ok(Self { folder, sha256 })
    }
}

/// `adapter_config.json`, as far as it matters here.
#[derive(Deserialize)]
struct AdapterConfig {
    peft_type: String,
    r: u64,
    lora_alpha: f64,
    target_modules: Vec<String>,
    #[serde(default)]
    use_rslora: bool,
    #[serde(default)]
    use_dora: bool,
    #[serde(default)]
    fan_in_fan_out: bool,
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
    if !dir.join(CONFIG).is_file() || dir.join(SINGLE_FILE).is_file() || dir.join(INDEX_FILE).is_file() {
        return Ok(None);
    }
    let base = told_base(dir)?;
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
    let (told, settings) = (told_base(dir)?, settings(dir)?);
    if settings != *own {
        let reason = format!("its adapters are {settings:?}; those of the job are {own:?}");
        return Err(ModelError::malformed(&dir.join(CONFIG), reason));
    }
    same_base(dir, &told, base)?;
    tensors(dir, &settings, decoder)
}

fn told_base(dir: &Path) -> Result<Base, ModelError> {
    let path = dir.join(BASE);
    let text = std::fs::read_to_string(&path).map_err(|error| {
        let reason = format!("what its adapters belong to cannot be read ({error})");
        ModelError::malformed(&path, reason)
    })?;
    serde_json::from_str(&text).map_err(|error| ModelError::malformed(&path, error))
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

fn settings(dir: &Path) -> Result<Lora, ModelError> {
    const ALL: [LoraTarget; 7] = LoraTarget::ALL;
    let path = dir.join(CONFIG);
    let text = std::fs::read_to_string(&path).map_err(|error| ModelError::read(&path, error))?;
    let config: AdapterConfig = serde_json::from_str(&text).map_err(|error| ModelError::malformed(&path, error))?;
    if config.peft_type != "LORA" || config.use_rslora || config.use_dora || config.fan_in_fan_out || config.r == 0 {
        return Err(ModelError::malformed(&path, "only plain LoRA is implemented (no rsLoRA, no DoRA)"));
    }
    let target = |name: &String| {
        let known = ALL.into_iter().find(|target| short_name(*target) == name.rsplit('.').next().unwrap_or(name));
        known.ok_or_else(|| ModelError::malformed(&path, format!("target_modules: {name} is none that is implemented")))
    };
    let mut targets = config.target_modules.iter().map(target).collect::<Result<Vec<_>, _>>()?;
    targets.sort_unstable();
    targets.dedup();
    Ok(Lora { rank: config.r, alpha: config.lora_alpha, targets })
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
