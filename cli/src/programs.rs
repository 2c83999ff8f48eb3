//! Where the project's other programs are.

use std::env;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A program of the project that is nowhere to be found.
#[derive(Debug, thiserror::Error)]
#[error("the program `{name}` is neither beside `real` (in {beside}) nor on PATH; build it with `make build`")]
pub struct MissingProgram {
    name: String,
    beside: String,
}

/// Finds a program of the project: beside the running executable first, so that programs of one build stay together,
/// then on `PATH`.
pub fn find(name: &str) -> Result<PathBuf, MissingProgram> {
    let beside = env::current_exe().ok().and_then(|exe| exe.parent().map(Path::to_owned));
    let path = env::var_os("PATH").unwrap_or_default();
    beside
        .clone()
        .into_iter()
        .chain(env::split_paths(&path))
        .map(|dir| dir.join(name))
        .find(|p| is_executable(p))
        .ok_or_else(|| MissingProgram {
            name: name.to_owned(),
            beside: beside.map_or_else(|| "an unknown folder".to_owned(), |dir| dir.display().to_string()),
        })
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_on_path_is_found() {
        assert!(find("sh").unwrap().ends_with("sh"));
    }

    #[test]
    fn a_missing_program_is_named_with_what_to_do() {
        let message = find("real-no-such-program").unwrap_err().to_string();
        assert!(message.contains("`real-no-such-program`") && message.contains("make build"), "{message}");
    }
}
