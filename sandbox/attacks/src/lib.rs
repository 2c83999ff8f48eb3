//! The attacks of `sandbox/hostile/`, run against a sandbox that is somewhere: a process of a test, or a pod.
//!
//! [`attack`] sends every program of the corpus, and after each an honest one that must pass. What the attacks aim at is
//! said by an [`Aim`]. Whether anything is left of them is for the caller to see: processes by [`survivors`], files and
//! connections by what was aimed at.

#![forbid(unsafe_code)]

mod aim;
mod client;
mod corpus;
mod report;
mod survivors;

pub use aim::Aim;
pub use client::{Client, RequestError};
pub use corpus::{Attack, CorpusError, corpus};
pub use report::{Outcome, Report};
pub use survivors::survivors;

use real_sandbox_api::{BatchRequest, Check, Comparison, Group, Limits, Setup, Test};
use url::Url;

/// Why the attacks could not be run to their end.
#[derive(Debug, thiserror::Error)]
pub enum AttackError {
    /// The corpus cannot be read.
    #[error(transparent)]
    Corpus(#[from] CorpusError),
    /// A request got no answer; that the sandbox broke at it is possible.
    #[error("{attack}: {source}")]
    Request {
        /// At which attack.
        attack: String,
        /// What happened.
        source: RequestError,
    },
}

/// Runs the corpus against the sandbox with this base URL, one attack after the other.
///
/// # Errors
/// Where the corpus cannot be read, or a request gets no answer. Verdicts that are not allowed are no error but in the
/// [`Report`].
pub async fn attack(url: &Url, aim: &Aim) -> Result<Report, AttackError> {
    let client = Client::new(url);
    let mut outcomes = Vec::new();
    for Attack { name, request, allowed } in corpus(aim)? {
        let failed = |source| AttackError::Request { attack: name.clone(), source };
        let results = client.batch(&request).await.map_err(failed)?.results;
        let honest = client.batch(&honest()).await.map_err(failed)?.results;
        outcomes.push(Outcome { name, results, allowed, honest });
    }
    Ok(Report { outcomes })
}

/// A program that must pass whatever ran before it, twice.
fn honest() -> BatchRequest {
    let check = Check::Stdin { stdin: "honest\n".into(), stdout: "honest".into() };
    let test = Test { name: None, group: Group::default(), check };
    BatchRequest {
        id: Some("honest".into()),
        program: "print(input())".into(),
        setup: Setup::default(),
        tests: vec![test.clone(), test],
        comparison: Comparison::default(),
        limits: Limits::default(),
        stop_at_first_failure: false,
    }
}
