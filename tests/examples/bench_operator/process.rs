//! What a process has used.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

/// Ticks of processor time a second.
const TICKS: f64 = 100.0;

/// The process whose number a file has.
pub(crate) fn of(file: &Path) -> Result<u32> {
    Ok(fs::read_to_string(file).with_context(|| format!("no {}", file.display()))?.trim().parse()?)
}

/// Seconds of processor time that a process has used: fields 14 and 15 of proc(5)'s `stat`.
pub(crate) fn cpu(process: u32) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let (_, fields) = text.rsplit_once(") ").context("no stat")?;
    let fields: Vec<&str> = fields.split(' ').collect();
    let ticks: u64 = [11, 12].iter().filter_map(|at| fields.get(*at)?.parse::<u64>().ok()).sum();
    Ok(ticks as f64 / TICKS)
}

/// The largest resident set of a process, in MiB.
pub(crate) fn peak(process: u32) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse::<f64>()? / 1024.0)
}
