//! SHA-256 of files, several at a time: one is slower than the disk that it comes from.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use real_sources::hex;
use sha2::{Digest, Sha256};

/// Files read at once, at most.
const AT_ONCE: usize = 4;

/// Length and SHA-256 of each file, in order.
///
/// # Errors
/// The first file that cannot be read, and why.
pub fn of_each(paths: &[PathBuf]) -> Result<Vec<(u64, String)>, (PathBuf, io::Error)> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(AT_ONCE).min(paths.len());
    let (next, found) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(paths.len())));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((at, path)) = paths.iter().enumerate().nth(next.fetch_add(1, Ordering::Relaxed)) {
                    let digest = of(path);
                    found.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((at, digest));
                }
            });
        }
    });
    let mut found = found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    found.sort_by_key(|(at, _)| *at);
    found.into_iter().map(|(at, digest)| digest.map_err(|error| (paths[at].clone(), error))).collect()
}

/// SHA-256 of the names and digests of files, in the order given.
///
/// # Errors
/// As [`of_each`].
pub fn of_all(paths: &[PathBuf]) -> Result<String, (PathBuf, io::Error)> {
    let mut hasher = Sha256::new();
    for (path, (_, digest)) in paths.iter().zip(of_each(paths)?) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        hasher.update(format!("{digest}  {name}\n"));
    }
    Ok(hex(&hasher.finalize()))
}

fn of(path: &Path) -> io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut bytes = 0;
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok((bytes, hex(&hasher.finalize())));
        }
        hasher.update(&buffer[..read]);
        bytes += read as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_keep_their_order_and_one_that_is_missing_is_named() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = |name: usize| folder.path().join(format!("{name}"));
        let paths: Vec<PathBuf> = (0..9).map(path).collect();
        for (at, path) in paths.iter().enumerate() {
            std::fs::write(path, "x".repeat(at)).expect("writable");
        }
        let found = of_each(&paths).expect("readable");
        assert_eq!(found.iter().map(|(bytes, _)| *bytes).collect::<Vec<_>>(), (0..9).collect::<Vec<_>>());
        // Of nothing, as FIPS 180-4 has it.
        assert_eq!(found[0].1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_ne!(of_all(&paths[1..3]).expect("readable"), of_all(&paths[2..4]).expect("readable"));
        std::fs::remove_file(&paths[5]).expect("there");
        assert_eq!(of_each(&paths).expect_err("missing").0, paths[5]);
    }
}
