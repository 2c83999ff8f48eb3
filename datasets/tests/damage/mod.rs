//! Files changed at random from a seed, and what reading one may do.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use rand::RngExt as _;
use rand::rngs::StdRng;

/// Most address space that reading may take: the files have some hundred KiB, and threads of the C library 128 MiB each.
const MOST: u64 = 1 << 30;

/// Most address space that this process ever had, in bytes: it grows with what is asked for, used or not.
fn most_asked_for() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmPeak:")).expect("a peak");
    peak.split_whitespace().next().and_then(|number| number.parse::<u64>().ok()).expect("a number") << 10
}

/// Some bytes of a file changed, cut off, taken out, doubled or put in.
pub(crate) fn changed(original: &[u8], random: &mut StdRng) -> Vec<u8> {
    let mut bytes = original.to_vec();
    for _ in 0..random.random_range(1..4) {
        if bytes.is_empty() {
            break;
        }
        let at = random.random_range(0..bytes.len());
        let length = random.random_range(1..32).min(bytes.len() - at);
        match random.random_range(0..7) {
            0 => bytes[at] ^= 1 << random.random_range(0..8),
            1 => bytes[at] = random.random(),
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(at..at + length)),
            4 => {
                let part = bytes[at..at + length].to_vec();
                bytes.splice(at..at, part);
            }
            5 => bytes[at..at + length].fill([0, 0xff, b'9', b'"'][random.random_range(0..4)]),
            _ => {
                let large = [
                    &b"-1"[..],
                    b"1e308",
                    b"99999999999999999999",
                    b"null",
                    b"[[[[",
                    b"\xff\xff\xff\xff\xff\xff\xff\x7f",
                ];
                let part = large[random.random_range(0..large.len())];
                bytes.splice(at..at, part.iter().copied());
            }
        }
    }
    bytes
}

/// Reads something of which one file was changed: without a panic, and without memory that only the file asks for.
pub(crate) fn read<T>(file: &Path, content: &[u8], what: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    fs::write(file, content).expect("writable");
    bounded(file, what)
}

/// The same of a file as it is.
pub(crate) fn bounded<T>(file: &Path, what: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    let before = most_asked_for();
    let result = catch_unwind(AssertUnwindSafe(what)).unwrap_or_else(|_| {
        let kept = std::env::temp_dir().join("real-damaged-file");
        let _ = fs::copy(file, &kept);
        panic!("{} panics; the content is in {}", file.display(), kept.display())
    });
    let taken = most_asked_for() - before;
    assert!(taken <= MOST, "{}: {taken} bytes were asked for; {:?}", file.display(), result.as_ref().err());
    result
}
