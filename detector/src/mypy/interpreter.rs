//! Which Python runs mypy.

use std::env;
use std::path::PathBuf;

/// `REAL_PYTHON`, else the interpreter of the project's cache folder, else `python3` on the path.
pub fn interpreter() -> PathBuf {
    if let Some(python) = env::var_os("REAL_PYTHON").filter(|path| !path.is_empty()) {
        return PathBuf::from(python);
    }
    let cache = env::var_os("REAL_CACHE").map(PathBuf::from).or_else(|| {
        let base = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        base.or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))
            .map(|base| base.join("real"))
    });
    match cache.map(|cache| cache.join("python/bin/python3")).filter(|path| path.exists()) {
        Some(python) => python,
        None => PathBuf::from("python3"),
    }
}
