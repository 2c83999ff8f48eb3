//! `real-trainer merge`: a folder of adapters and its base as one model.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use real_terminal::{OrRefused as _, outln};
use tch::Device;

use crate::model::Decoder;
use crate::tokenizer::Tokenizer;

/// Arguments of `real-trainer merge`.
#[derive(Clone, Debug, clap::Args)]
pub struct MergeArgs {
    /// Folder with adapters: a checkpoint of a job with model.lora
    #[arg(value_name = "FOLDER")]
    pub folder: PathBuf,
    /// Where the model goes; a folder that is not there yet
    #[arg(long, value_name = "FOLDER")]
    pub out: PathBuf,
}

/// Writes the model.
///
/// # Errors
/// The folder holds no adapters, their base is another one or gone, or the model cannot be written.
pub fn run(args: &MergeArgs) -> Result<()> {
    check(args).or_refused()?;
    let tokenizer = Tokenizer::load(&args.folder).or_refused()?;
    let model = Decoder::load(&args.folder, Device::Cpu).or_refused()?;
    model.save(&args.out).with_context(|| format!("cannot write {}", args.out.display()))?;
    tokenizer.save(&args.out)?;
    outln!("{}", args.out.display());
    Ok(())
}

fn check(args: &MergeArgs) -> Result<()> {
    let folder = args.folder.display();
    ensure!(args.folder.is_dir(), "there is no folder {folder}; give a checkpoint of a job with model.lora");
    ensure!(args.folder.join("adapter_config.json").is_file(), "{folder} holds no adapters (adapter_config.json)");
    let there = args.out.symlink_metadata().is_ok();
    ensure!(!there, "--out {} is there already; nothing is overwritten", args.out.display());
    Ok(())
}
