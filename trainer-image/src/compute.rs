//! Where computation happens: device, activation type, threads.

use tch::{Cuda, Device, Kind};

/// How libgomp's threads wait. With its default, spinning, two threads on two busy cores are ten times slower than one.
const WAITING: [(&str, &str); 2] = [("OMP_WAIT_POLICY", "PASSIVE"), ("GOMP_SPINCOUNT", "0")];

/// Makes libgomp wait passively unless the environment says otherwise.
///
/// libgomp reads its settings when it is loaded, before `main`: the only way to set them from inside is to start again.
/// Call it first in `main`, before any thread is there.
///
/// # Errors
/// The program cannot start itself again.
pub fn wait_passively() -> std::io::Result<()> {
    use std::os::unix::process::CommandExt;
    if WAITING.iter().all(|(key, _)| std::env::var_os(key).is_some()) {
        return Ok(());
    }
    let unset = WAITING.into_iter().filter(|(key, _)| std::env::var_os(key).is_none());
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_default();
    // `exec` replaces this process, so its id and its parent stay the same; it returns only where it fails.
    Err(std::process::Command::new(std::env::current_exe()?).arg0(name).args(arguments).envs(unset).exec())
}

/// Lets the C library keep memory that tensors give back, up to 2 GiB at its end, instead of asking the kernel for fresh pages each
/// time: a step takes the same sizes again and again. Whoever sets `MALLOC_MMAP_MAX_` decides for themselves.
pub fn keep_memory() {
    if std::env::var_os("MALLOC_MMAP_MAX_").is_some() {
        return;
    }
    for (setting, value) in [(libc::M_MMAP_MAX, 0), (libc::M_TRIM_THRESHOLD, i32::MAX), (libc::M_TOP_PAD, 64 << 20)] {
        // SAFETY: it sets a number of the C library's allocator; blocks that are there keep being freed the way they came.
        unsafe { libc::mallopt(setting, value) };
    }
}

/// Takes [`keep_memory`] back: from now on blocks of a MiB and more go back to the kernel at once. For jobs that have no room to
/// spare.
pub fn give_memory_back() {
    if std::env::var_os("MALLOC_MMAP_MAX_").is_some() {
        return;
    }
    for (setting, value) in
        [(libc::M_MMAP_MAX, 1 << 20), (libc::M_MMAP_THRESHOLD, 1 << 20), (libc::M_TRIM_THRESHOLD, 1 << 24)]
    {
        // SAFETY: as above.
        unsafe { libc::mallopt(setting, value) };
    }
}

/// Number of libtorch's threads; 0 for as many as there are cores.
pub fn set_threads(count: usize) {
    let available = std::thread::available_parallelism().map_or(1, usize::from);
    tch::set_num_threads(i32::try_from(if count == 0 { available } else { count }).unwrap_or(i32::MAX));
}

/// The device that a configuration names; `rank` is the process's number on its machine.
///
/// # Errors
/// CUDA is asked for and libtorch has none.
pub fn device(wanted: real_crds::config::Device, rank: usize) -> Result<Device, String> {
    use real_crds::config::Device as Wanted;
    match wanted {
        Wanted::Cpu => Ok(Device::Cpu),
        Wanted::Auto if !Cuda::is_available() => Ok(Device::Cpu),
        Wanted::Cuda if !Cuda::is_available() => {
            Err("compute.device is cuda, and libtorch sees no CUDA device: put a CUDA libtorch on LD_LIBRARY_PATH, or use auto or cpu".into())
        }
        Wanted::Auto | Wanted::Cuda => Ok(Device::Cuda(rank)),
    }
}

/// The type of activations that a configuration names.
pub fn kind(wanted: real_crds::config::Dtype) -> Kind {
    match wanted {
        real_crds::config::Dtype::F32 => Kind::Float,
        real_crds::config::Dtype::Bf16 => Kind::BFloat16,
    }
}
