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
    available_by(|path| fs::read_to_string(path).ok())
}

/// Where a control group says what it allows, what is taken, and what of that is what: version 2, then version 1.
const GROUPS: [[&str; 4]; 2] = [
    ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory.stat", "inactive_file"],
    [
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
        "/sys/fs/cgroup/memory/memory.stat",
        "total_inactive_file",
    ],
];

/// As [`available`], by the texts of the kernel's files.
fn available_by(text: impl Fn(&str) -> Option<String>) -> Option<u64> {
    let number = |path: &str| text(path)?.trim().parse::<u64>().ok();
    let meminfo = text("/proc/meminfo")?;
    let free = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?.split_whitespace().next()?;
    let free = free.parse::<u64>().ok()? << 10;
    let left = |[most, now, parts, cache]: [&str; 4]| {
        let (most, now) = (number(most)?, number(now)?);
        // Pages of files that nobody has read twice go when memory is asked for, as with the kubelet's working set. A run that has
        // read its model or written a checkpoint has gigabytes of them.
        let of_cache = |line: &str| line.strip_prefix(cache)?.strip_prefix(' ')?.trim().parse::<u64>().ok();
        let cache = text(parts).and_then(|parts| parts.lines().find_map(of_cache)).unwrap_or(0);
        Some(most.saturating_sub(now.saturating_sub(cache)))
    };
    Some(GROUPS.into_iter().filter_map(left).fold(free, u64::min))
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

#[cfg(test)]
mod tests {
    use super::*;

    const MEMINFO: &str = "MemTotal:       32000000 kB\nMemFree:         100000 kB\nMemAvailable:   16000000 kB\n";
    const STAT: &str =
        "anon 3000000000\nfile 9000000000\ninactive_anon 7\nactive_file 1000000000\ninactive_file 8000000000\n";
    const STAT_1: &str = "cache 5\ninactive_file 1\ntotal_inactive_anon 3\ntotal_inactive_file 8000000000\n";

    fn with(files: &[(&str, &str)]) -> Option<u64> {
        let text = |path: &str| files.iter().find(|(name, _)| *name == path).map(|(_, text)| (*text).to_owned());
        available_by(text)
    }

    #[test]
    fn cached_pages_of_files_are_room_within_a_control_group() {
        let meminfo = ("/proc/meminfo", MEMINFO);
        for ([most, now, parts, _], stat) in GROUPS.into_iter().zip([STAT, STAT_1]) {
            let group = [meminfo, (most, "13000000000\n"), (now, "12500000000\n"), (parts, stat)];
            assert_eq!(with(&group), Some(8_500_000_000), "{most}");
            assert_eq!(with(&group[..3]), Some(500_000_000), "{most}: without its parts all counts as taken");
            let odd = [meminfo, (most, "13000000000\n"), (now, "1000\n"), (parts, stat)];
            assert_eq!(with(&odd), Some(13_000_000_000), "{most}: read at two moments, never more than is allowed");
        }
    }

    #[test]
    fn without_a_limit_the_machine_is_what_counts() {
        let meminfo = ("/proc/meminfo", MEMINFO);
        let [most, now, parts, _] = GROUPS[0];
        let all = Some(16_000_000 << 10);
        assert_eq!(with(&[meminfo]), all);
        assert_eq!(with(&[meminfo, (most, "max\n"), (now, "5\n"), (parts, STAT)]), all);
        assert_eq!(with(&[]), None);
    }
}
