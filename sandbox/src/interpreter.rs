//! Finding the Python that runs the programs, and what it needs to see of the file system.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

/// A Python interpreter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interpreter {
    /// The real executable, no shim.
    pub executable: PathBuf,
    /// `3.11.7`.
    pub version: String,
    /// Directories and files outside the system's own that the interpreter reads: prefixes, packages, shared libraries.
    pub roots: Vec<PathBuf>,
}

/// Why there is no interpreter.
#[derive(Debug, thiserror::Error)]
pub enum InterpreterError {
    /// Nothing to try.
    #[error("no Python found: install Python 3.11 or newer, or set REAL_PYTHON to an interpreter")]
    Missing,
    /// It does not run.
    #[error("{0} does not work as Python interpreter ({1}): set REAL_PYTHON to Python 3.11 or newer")]
    Broken(PathBuf, String),
    /// Too old.
    #[error("{0} is Python {1}, but 3.11 or newer is needed: set REAL_PYTHON")]
    Old(PathBuf, String),
}

/// Asked of the interpreter once at start-up: where it lives, and which shared libraries its usual modules map.
const QUESTION: &str = r#"
import json, os, sys, sysconfig
for name in ("ctypes", "sqlite3", "ssl", "decimal", "lzma", "bz2", "zlib", "hashlib", "numpy"):
    try:
        __import__(name)
    except ImportError:
        pass
paths = []
# Debian's lies in /etc, behind a link.
customize = sys.modules.get("sitecustomize")
paths += [os.path.realpath(customize.__file__)] if getattr(customize, "__file__", None) else []
paths += [sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix, *sys.path, *sysconfig.get_paths().values()]
paths += [os.path.dirname(os.path.realpath(sys.executable)), os.path.dirname(sys.executable)]
try:
    with open("/proc/self/maps") as maps:
        paths += [os.path.dirname(part) for part in {line.split(maxsplit=5)[-1].strip() for line in maps} if part.startswith("/")]
except OSError:
    pass
paths = [path for path in paths if path and os.path.exists(path)]
print(json.dumps({"executable": sys.executable, "version": "%d.%d.%d" % sys.version_info[:3], "roots": sorted(set(paths))}))
"#;

/// Directories that hold the system's programs and libraries; shown read-only.
const SYSTEM: [&str; 6] = ["/usr", "/bin", "/sbin", "/lib", "/lib64", "/lib32"];
/// Files and directories of `/etc` that programs and the loader need; none holds a secret.
const SYSTEM_FILES: [&str; 5] =
    ["/etc/ld.so.cache", "/etc/localtime", "/etc/alternatives", "/etc/mime.types", "/etc/ssl/openssl.cnf"];
/// Where nothing may be shown from, whatever an interpreter says.
const NEVER: [&str; 7] = ["/", "/root", "/home", "/etc", "/proc", "/sys", "/dev"];

impl Interpreter {
    /// `REAL_PYTHON`, else the project's own environment in the cache, else `python3`.
    pub fn find() -> Result<Self, InterpreterError> {
        if let Some(given) = std::env::var_os("REAL_PYTHON") {
            return Self::ask(Path::new(&given));
        }
        let cache = std::env::var_os("REAL_CACHE").map(PathBuf::from).or_else(|| {
            let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
            base.or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache")))
                .map(|base| base.join("real"))
        });
        if let Some(own) = cache.map(|cache| cache.join("python/bin/python3")).filter(|path| path.exists()) {
            return Self::ask(&own);
        }
        match Self::ask(Path::new("python3")) {
            Err(InterpreterError::Broken(..)) => Err(InterpreterError::Missing),
            other => other,
        }
    }

    /// Asks one interpreter where it lives.
    pub fn ask(path: &Path) -> Result<Self, InterpreterError> {
        let broken = |why: String| InterpreterError::Broken(path.into(), why);
        let output = Command::new(path)
            .args(["-B", "-s", "-c", QUESTION])
            .env_remove("PYTHONPATH")
            .env_remove("PYTHONHOME")
            .env("OPENBLAS_NUM_THREADS", "1")
            .current_dir("/")
            .output()
            .map_err(|error| broken(error.to_string()))?;
        if !output.status.success() {
            return Err(broken(String::from_utf8_lossy(&output.stderr).trim().chars().take(300).collect()));
        }
        let mut found: Self = serde_json::from_slice(&output.stdout).map_err(|error| broken(error.to_string()))?;
        let number = |part: Option<&str>| part.and_then(|text| text.parse::<u32>().ok()).unwrap_or(0);
        let mut parts = found.version.split('.');
        if (number(parts.next()), number(parts.next())) < (3, 11) {
            return Err(InterpreterError::Old(path.into(), found.version));
        }
        found.roots = outermost(found.roots);
        Ok(found)
    }

    /// Everything that tests may read: the interpreter's own places and the system's programs and libraries.
    pub fn visible_paths(&self) -> Vec<PathBuf> {
        let system = SYSTEM.iter().chain(&SYSTEM_FILES).map(PathBuf::from).filter(|path| path.exists());
        system.chain(self.roots.iter().cloned()).collect()
    }
}

/// Drops what lies inside something else or inside the system's directories, and what must never be shown.
fn outermost(paths: Vec<PathBuf>) -> Vec<PathBuf> {
    let sorted: BTreeSet<PathBuf> = paths.into_iter().collect();
    let mut kept: Vec<PathBuf> = Vec::new();
    for path in sorted {
        let system = SYSTEM.iter().any(|root| path.starts_with(root));
        let never = NEVER.iter().any(|root| path == Path::new(root));
        if !system && !never && !kept.iter().any(|root| path.starts_with(root)) {
            kept.push(path);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_system_and_forbidden_paths_are_dropped() {
        let paths = ["/opt/py/lib", "/opt/py", "/usr/lib/python3", "/", "/root", "/root/.pyenv/versions/3.11"];
        let kept = outermost(paths.iter().map(PathBuf::from).collect());
        assert_eq!(kept, [PathBuf::from("/opt/py"), PathBuf::from("/root/.pyenv/versions/3.11")]);
    }

    #[test]
    fn a_program_that_is_no_python_is_named() {
        let error = Interpreter::ask(Path::new("/bin/false")).unwrap_err().to_string();
        assert!(error.contains("/bin/false") && error.contains("REAL_PYTHON"), "{error}");
    }
}
