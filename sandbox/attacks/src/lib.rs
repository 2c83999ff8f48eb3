//! The attacks of `sandbox/hostile/`, run against a sandbox that is somewhere: a process of a test, or a pod.
//!
//! [`attack`] sends every program of the corpus, and after each an honest one that must pass. What the attacks aim at is
//! said by an [`Aim`]. Whether anything is left of them is for the caller to see: processes by [`survivors`], files and
//! connections by what was aimed at.

#![forbid(unsafe_code)]

mod aim;
mod client;
mod corpus;
mod driver;
mod report;
mod route;
mod survivors;

pub use aim::Aim;
pub use client::{Client, RequestError};
pub use corpus::{Attack, CorpusError, Kind, RunCode, corpus};
pub use report::{Outcome, Report};
pub use route::{Route, Verdict};
pub use survivors::survivors;

use futures::{StreamExt, TryStreamExt};
use url::Url;

/// Why the attacks could not be run to their end.
#[derive(Debug, thiserror::Error)]
pub enum AttackError {
    /// The corpus cannot be read.
    #[error(transparent)]
    Corpus(#[from] CorpusError),
    /// The selection names one that does not exist.
    #[error("no attack is called {0:?}; each is a folder of sandbox/hostile")]
    Unknown(String),
    /// There is no sandbox, or it speaks another language.
    #[error("before any attack an honest program got no answer: {0}")]
    Absent(RequestError),
    /// The sandbox is gone.
    #[error("after {attack} an honest program got no answer: {source}")]
    Lost {
        /// The last attack that was sent.
        attack: &'static str,
        /// What happened.
        source: RequestError,
    },
}

/// Which attacks are run, and how.
#[derive(Clone, Debug)]
pub struct Selection {
    /// Each attack is sent by each of these.
    pub routes: Vec<Route>,
    /// Kinds of attacks; none means all.
    pub kinds: Vec<Kind>,
    /// Names of attacks; none means all.
    pub names: Vec<String>,
    /// How many are under way at once, each with its honest program after it.
    pub jobs: usize,
}

impl Default for Selection {
    fn default() -> Self {
        Self { routes: vec![Route::Batch, Route::RunCode], kinds: Vec::new(), names: Vec::new(), jobs: 4 }
    }
}

/// Runs the corpus against the sandbox with this base URL, some attacks side by side.
///
/// # Errors
/// Where the corpus cannot be read, or an honest program gets no answer. Verdicts that are not allowed, and attacks without an
/// answer, are no error but in the [`Report`].
pub async fn attack(url: &Url, aim: &Aim, selection: &Selection) -> Result<Report, AttackError> {
    let client = Client::new(url);
    let attacks = corpus(aim)?;
    let Selection { routes, kinds, names, jobs } = selection;
    if let Some(name) = names.iter().find(|name| !attacks.iter().any(|attack| attack.name == **name)) {
        return Err(AttackError::Unknown(name.clone()));
    }
    let is_chosen = |attack: &&Attack| {
        (kinds.is_empty() || kinds.contains(&attack.kind))
            && (names.is_empty() || names.iter().any(|name| name == attack.name))
    };
    let chosen: Vec<&Attack> = attacks.iter().filter(is_chosen).collect();
    let mut outcomes = Vec::new();
    for route in routes {
        route.honest(&client).await.map_err(AttackError::Absent)?;
        let each = futures::stream::iter(&chosen).map(|attack| one(&client, *route, attack));
        outcomes.append(&mut each.buffered((*jobs).max(1)).try_collect().await?);
    }
    Ok(Report { outcomes })
}

async fn one(client: &Client, route: Route, attack: &Attack) -> Result<Outcome, AttackError> {
    let Attack { name, kind, allowed, run_code, .. } = attack;
    let mut outcome = Outcome { name, kind: *kind, route, ..Outcome::default() };
    if route == Route::RunCode {
        outcome.skipped.clone_from(&run_code.skip);
    }
    if outcome.skipped.is_some() {
        return Ok(outcome);
    }
    let special = run_code.allowed.as_ref().filter(|_| route == Route::RunCode);
    outcome.allowed.clone_from(special.unwrap_or(allowed));
    match route.run(client, attack).await {
        Ok(results) => outcome.results = results,
        Err(error) => outcome.no_answer = Some(error.to_string()),
    }
    outcome.honest = route.honest(client).await.map_err(|source| AttackError::Lost { attack: name, source })?;
    Ok(outcome)
}
