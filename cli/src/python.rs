//! Which Python the services use, and whether it runs.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Oldest Python whose syntax and standard library the sandbox's harness needs.
const OLDEST: (u32, u32) = (3, 11);

/// Why there is no Python to work with.
#[derive(Debug, thiserror::Error)]
pub enum PythonError {
    /// None anywhere.
    #[error(
        "no Python: there is no {}, and no python3 on PATH; run `make setup`, or set REAL_PYTHON to a Python {}.{} or newer",
        private.display(), OLDEST.0, OLDEST.1
    )]
    Missing {
        /// Where the project's own would be.
        private: PathBuf,
    },
    /// `REAL_PYTHON` or the private one does not run.
    #[error("{origin} {} does not run: {reason}; set REAL_PYTHON to a Python {}.{} or newer, or unset it and run `make setup`", path.display(), OLDEST.0, OLDEST.1)]
    Broken {
        /// How it was chosen.
        origin: &'static str,
        /// The program.
        path: PathBuf,
        /// What happened.
        reason: String,
    },
}

/// Finds the Python that detector and sandbox will use and runs it once.
pub fn check() -> Result<PathBuf, PythonError> {
    let (origin, path) = choose()?;
    let broken = |reason: String| PythonError::Broken { origin, path: path.clone(), reason };
    let script = "import sys; print(sys.version_info[0], sys.version_info[1])";
    let output = Command::new(&path)
        .args(["-I", "-c", script])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| broken(error.to_string()))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = parse_version(&text).filter(|_| output.status.success());
    match version {
        Some(version) if version >= OLDEST => Ok(path),
        Some((major, minor)) => Err(broken(format!("it is Python {major}.{minor}, too old"))),
        None => {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(broken(said.lines().last().unwrap_or("it says no version").trim().to_owned()))
        }
    }
}

fn parse_version(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.trim().split_once(' ')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn choose() -> Result<(&'static str, PathBuf), PythonError> {
    if let Some(path) = env::var_os("REAL_PYTHON").filter(|p| !p.is_empty()) {
        return Ok(("REAL_PYTHON", path.into()));
    }
    let private = cache_dir().join("python/bin/python3");
    if private.exists() {
        return Ok(("the private Python", private));
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).map(|dir| dir.join("python3")).find(|p| p.is_file());
    found.map(|path| ("python3 on PATH,", path)).ok_or(PythonError::Missing { private })
}

/// `${REAL_CACHE:-${XDG_CACHE_HOME:-~/.cache}/real}`.
fn cache_dir() -> PathBuf {
    let set = |name: &str| env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let home = || set("HOME").unwrap_or_else(|| Path::new("/").to_owned()).join(".cache");
    set("REAL_CACHE").unwrap_or_else(|| set("XDG_CACHE_HOME").unwrap_or_else(home).join("real"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_two_numbers() {
        assert_eq!(parse_version("3 11\n"), Some((3, 11)));
        assert_eq!(parse_version("Python"), None);
    }
}
