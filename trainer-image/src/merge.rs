//! `real-trainer merge`: a folder of adapters and its base as one model.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use real_terminal::outln;
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
    ensure!(
        args.folder.join("adapter_config.json").is_file(),
        "{} holds no adapters (adapter_config.json)",
        args.folder.display()
    );
    ensure!(!args.out.exists(), "{} is there already; nothing is overwritten", args.out.display());
    let tokenizer = Tokenizer::load(&args.folder)?;
    let model = Decoder::load(&args.folder, Device::Cpu)?;
    model.save(&args.out).with_context(|| format!("cannot write {}", args.out.display()))?;
    tokenizer.save(&args.out)?;
    outln!("{}", args.out.display());
    Ok(())
}
