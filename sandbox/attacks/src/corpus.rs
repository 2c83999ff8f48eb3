//! The corpus: every folder of `sandbox/hostile/` is an attack. A new attack is a new folder.

use std::fs;
use std::path::{Path, PathBuf};

use real_sandbox_api::{BatchRequest, Comparison, Limits, Setup, Status, Test};
use serde::Deserialize;

use crate::Aim;

/// Fewer than this are not the corpus.
const LEAST: usize = 110;

/// A program, and the verdicts that are allowed.
#[derive(Clone, Debug)]
pub struct Attack {
    /// Name of its folder.
    pub name: String,
    /// What is sent.
    pub request: BatchRequest,
    /// Verdicts that are allowed, for each test.
    pub allowed: Vec<Vec<Status>>,
}

/// An attack that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    /// No file, or one that cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// An `expect.yaml` that says something else than it should.
    #[error("{}: {reason}", path.display())]
    Expectation {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Attacks are missing.
    #[error("{} holds {count} attacks, at least {LEAST} are the corpus", path.display())]
    Incomplete {
        /// The folder.
        path: PathBuf,
        /// How many there are.
        count: usize,
    },
}

/// `expect.yaml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expectation {
    #[serde(default)]
    setup: Setup,
    #[serde(default)]
    limits: Limits,
    tests: Vec<Test>,
    allowed: Vec<Vec<Status>>,
}

/// All attacks in the order of their names, aimed.
///
/// # Errors
/// The first one that cannot be read.
pub fn corpus(aim: &Aim) -> Result<Vec<Attack>, CorpusError> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../hostile");
    let unreadable = |source| CorpusError::Read { path: root.clone(), source };
    let entries = fs::read_dir(&root).map_err(unreadable)?.collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    let mut folders: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    folders.sort();
    if folders.len() < LEAST {
        return Err(CorpusError::Incomplete { path: root, count: folders.len() });
    }
    folders.iter().map(|folder| read(folder, aim)).collect()
}

fn read(folder: &Path, aim: &Aim) -> Result<Attack, CorpusError> {
    let text = |name: &str| {
        let path = folder.join(name);
        let text = fs::read_to_string(&path).map_err(|source| CorpusError::Read { path, source })?;
        Ok(aim.fill_in(&text))
    };
    let wrong = |reason| CorpusError::Expectation { path: folder.join("expect.yaml"), reason };
    let expect: Expectation =
        serde_saphyr::from_str(&text("expect.yaml")?).map_err(|error| wrong(error.to_string()))?;
    let (tests, allowed) = (expect.tests.len(), expect.allowed.len());
    if tests != allowed {
        return Err(wrong(format!("{tests} tests, and allowed verdicts for {allowed}")));
    }
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let request = BatchRequest {
        id: Some(name.clone()),
        program: text("program.py")?,
        setup: expect.setup,
        tests: expect.tests,
        comparison: Comparison::Exact,
        limits: expect.limits,
        stop_at_first_failure: false,
    };
    Ok(Attack { name, request, allowed: expect.allowed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_placeholder_is_left_and_every_test_has_its_verdicts() {
        for attack in corpus(&Aim::pod()).unwrap() {
            let sent = serde_json::to_string(&attack.request).unwrap();
            for name in ["@SECRET@", "@PLANTED@", "@PORT@", "@ABSTRACT@", "@SERVER@", "@SLEEP@"] {
                assert!(!sent.contains(name), "{}: {name}", attack.name);
            }
            assert!(!attack.allowed.is_empty() && attack.allowed.iter().all(|allowed| !allowed.is_empty()));
        }
    }
}
