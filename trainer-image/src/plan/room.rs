//! How much memory a device has, and whether a job may start on it.

use std::ffi::c_int;
use std::fs;

use real_crds::config::TrainerConfig;
use tch::Device;

use super::{Plan, least, readable, remedies};
use crate::model::ModelConfig;

/// Whether a job may start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is room, or nobody knows how much there is.
    Fits,
    /// With the longest prompts and answers there would not be; the sentence says by how much, and what would help.
    Tight(String),
    /// Not even the models fit.
    Impossible(String),
}

/// Compares what a job needs with what there is.
pub fn judge(config: &TrainerConfig, model: &ModelConfig, device: Device, room: Option<u64>) -> Verdict {
    let Some(room) = room else { return Verdict::Fits };
    let (needed, least) = (Plan::new(config, model, device).peak(), least(config, model, device));
    if needed <= room {
        return Verdict::Fits;
    }
    let help = remedies(config, model, device);
    let words = |remedy: &super::Remedy| format!("{} ({})", remedy.set, readable(remedy.peak));
    let enough: Vec<String> = help.iter().filter(|remedy| remedy.peak <= room).map(words).collect();
    let help = match enough.as_slice() {
        [] if help.is_empty() => "a device with more memory would help".to_owned(),
        [] => format!(
            "none of these alone is enough: {}; a device with more memory would help",
            help.iter().map(words).collect::<Vec<_>>().join(", ")
        ),
        enough => format!("any of these would fit: {}", enough.join(", ")),
    };
    let has = format!("the device has {}", readable(room));
    if least > room {
        let sentence = format!("the models and their optimisers alone need {}, {has}: {help}", readable(least));
        return Verdict::Impossible(sentence);
    }
    Verdict::Tight(format!(
        "with prompts and answers of full length the job needs {} at once, {has}: {help}",
        readable(needed)
    ))
}

/// Bytes that a device has in all; none where that cannot be found out.
pub fn of(device: Device) -> Option<u64> {
    match device {
        Device::Cuda(_) => of_cuda(),
        _ => of_machine(),
    }
}

/// What the control group allows, or else what the machine has.
fn of_machine() -> Option<u64> {
    let number = |path: &str| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let meminfo = fs::read_to_string("/proc/meminfo").ok()?;
    let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?.split_whitespace().next()?;
    let total = total.parse::<u64>().ok()? << 10;
    let limits = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    Some(limits.into_iter().filter_map(number).fold(total, u64::min))
}

/// Bytes of host memory that are free.
pub fn available() -> Option<u64> {
    let number = |path: &str| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let meminfo = fs::read_to_string("/proc/meminfo").ok()?;
    let free = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?.split_whitespace().next()?;
    let free = free.parse::<u64>().ok()? << 10;
    let groups = [
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ];
    let left = |(most, now)| Some(number(most)?.saturating_sub(number(now)?));
    Some(groups.into_iter().filter_map(left).fold(free, u64::min))
}

fn of_cuda() -> Option<u64> {
    cuda_memory().map(|(_, total)| total)
}

/// Bytes of the current CUDA device that are taken, by whomever.
pub(crate) fn in_use_cuda() -> Option<u64> {
    cuda_memory().map(|(free, total)| total.saturating_sub(free))
}

/// What the CUDA runtime, which a CUDA libtorch brings along, says of the current device: bytes that are free, and all.
fn cuda_memory() -> Option<(u64, u64)> {
    type MemGetInfo = unsafe extern "C" fn(free: *mut usize, total: *mut usize) -> c_int;
    // SAFETY: the name is a constant that ends with a nul, and the default scope may be searched.
    let symbol = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"cudaMemGetInfo".as_ptr()) };
    if symbol.is_null() {
        return None;
    }
    // SAFETY: the CUDA runtime declares `cudaError_t cudaMemGetInfo(size_t*, size_t*)`.
    let ask: MemGetInfo = unsafe { std::mem::transmute(symbol) };
    let (mut free, mut total) = (0, 0);
    // SAFETY: both are written before it returns.
    let error = unsafe { ask(&raw mut free, &raw mut total) };
    (error == 0).then_some((free as u64, total as u64))
}
