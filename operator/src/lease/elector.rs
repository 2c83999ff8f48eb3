//! The I/O of an election.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Api, PostParams};
use kube::{Client, Error};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tracing::{debug, info, warn};

use super::election::{Decision, Observation, evaluate};
use super::guard::Key;
use super::{Guard, Identity, Timing, record};

/// This process led and does not any more. It may have begun what another replica now goes on with, so it has to exit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// Another process holds the lease.
    #[error("lease {lease} is held by {holder}: this process exits and starts anew as a standby")]
    Taken {
        /// Name of the lease.
        lease: String,
        /// Who holds it.
        holder: String,
    },
    /// Somebody deleted the lease or took its holder away.
    #[error("lease {lease} was deleted or released by somebody else: this process exits and starts anew as a standby")]
    Gone {
        /// Name of the lease.
        lease: String,
    },
    /// The API server did not confirm a renewal in time.
    #[error(
        "lease {lease} could not be renewed within {deadline:?} (last: {cause}): this process exits and starts anew as a \
         standby; look at the API server if this happens again"
    )]
    Deadline {
        /// Name of the lease.
        lease: String,
        /// How long was tried.
        deadline: Duration,
        /// The last failure.
        cause: String,
    },
}

/// Acquires a lease, renews it, and releases it at the end.
pub struct Elector {
    api: Api<Lease>,
    name: String,
    me: Identity,
    timing: Timing,
    key: Key,
    seen: Option<Observation>,
}

/// The own lease, as it was last written.
struct Term {
    lease: Lease,
    /// When the last renewal that succeeded was begun.
    renewed: Instant,
}

/// Why a try failed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the lease was changed meanwhile")]
    Conflict,
    #[error("the lease or its namespace is not there")]
    Missing,
    #[error("no answer within {0:?}")]
    Silence(Duration),
    #[error(transparent)]
    Api(Error),
}

impl Failure {
    fn of(error: Error) -> Self {
        match error {
            Error::Api(status) if status.is_conflict() || status.is_already_exists() => Self::Conflict,
            Error::Api(status) if status.is_not_found() => Self::Missing,
            error => Self::Api(error),
        }
    }
}

impl Elector {
    /// An elector for the Lease `name` in `namespace`. `client` must not be one that is fenced by the guard of this election.
    pub fn new(client: Client, namespace: &str, name: &str, me: Identity, timing: Timing) -> Self {
        let (_, key) = Guard::closed();
        Self { api: Api::namespaced(client, namespace), name: name.to_owned(), me, timing, key, seen: None }
    }

    /// The guard of this election.
    pub fn guard(&self) -> Guard {
        self.key.guard()
    }

    /// Runs until `release` resolves or the lead is lost. A standby returns after the request that is under way; a leader closes its guard and hands the
    /// lease back, so that a standby need not wait for its end: resolve `release` when nothing is being written any more.
    pub async fn run(mut self, release: impl Future<Output = ()>) -> Result<(), Lost> {
        let mut release = pin!(release);
        let mut term = loop {
            let pause = match self.campaign().await {
                Ok(Ok(term)) => break term,
                Ok(Err(until)) => self.timing.jittered_retry().min(until.saturating_duration_since(Instant::now())),
                Err(failure) => {
                    warn!(lease = self.name, %failure, "could not ask for the lease");
                    self.timing.jittered_retry()
                }
            };
            tokio::select! {
                () = &mut release => return Ok(()),
                () = sleep(pause) => {}
            }
        };
        self.key.open(term.renewed + self.timing.validity());
        info!(lease = self.name, me = %self.me, "leads");
        let mut next = self.next_renewal(&term);
        loop {
            tokio::select! {
                biased;
                () = &mut release => {
                    self.release(term).await;
                    return Ok(());
                }
                () = sleep_until(next) => {}
            }
            let deadline = term.renewed + self.timing.renew_deadline();
            match self.renew(&mut term, deadline).await {
                Ok(Ok(())) if Instant::now() < deadline => {
                    self.key.open(term.renewed + self.timing.validity());
                    next = self.next_renewal(&term);
                }
                // The guard may have been closed in between, so what was judged by it is torn.
                Ok(Ok(())) => return Err(self.overdue("the answer came too late".to_owned())),
                Ok(Err(lost)) => {
                    self.key.close();
                    return Err(lost);
                }
                Err(failure) => {
                    warn!(lease = self.name, %failure, "could not renew the lease");
                    let now = Instant::now();
                    // The last try needs some time as well.
                    next = (now + self.timing.jittered_retry()).min(deadline - self.timing.retry() / 2);
                    if next <= now {
                        return Err(self.overdue(failure.to_string()));
                    }
                }
            }
        }
    }

    fn next_renewal(&self, term: &Term) -> Instant {
        let now = Instant::now();
        let seen = Observation::new(Some(term.lease.clone()), term.renewed);
        match evaluate(&seen, &self.me, &self.timing, now) {
            Decision::Hold { until } => until,
            _ => now,
        }
    }

    fn overdue(&self, cause: String) -> Lost {
        self.key.close();
        Lost::Deadline { lease: self.name.clone(), deadline: self.timing.renew_deadline(), cause }
    }

    /// One try of a standby: the own term, or when the other's lease ends.
    async fn campaign(&mut self) -> Result<Result<Term, Instant>, Failure> {
        let deadline = Instant::now() + self.timing.renew_deadline();
        let lease = self.within(deadline, self.api.get_opt(&self.name)).await?;
        let now = Instant::now();
        let seen = self.seen.get_or_insert_with(|| Observation::new(lease.clone(), now));
        seen.update(lease.clone(), now);
        // A lease that is the own one though this process does not lead: it was written, and the answer was lost.
        if let Decision::Wait { until } = evaluate(seen, &self.me, &self.timing, now) {
            debug!(lease = self.name, holder = lease.as_ref().and_then(record::holder), "waits");
            return Ok(Err(until));
        }
        let renewed = Instant::now();
        let written = if let Some(lease) = lease {
            let lease = record::held(&lease, &self.me, &self.timing, Timestamp::now());
            match self.within(deadline, self.api.replace(&self.name, &PostParams::default(), &lease)).await {
                // Deleted meanwhile.
                Err(Failure::Missing) => Err(Failure::Conflict),
                written => written,
            }
        } else {
            let lease = record::created(&self.name, &self.me, &self.timing, Timestamp::now());
            self.within(deadline, self.api.create(&PostParams::default(), &lease)).await
        };
        match written {
            Ok(lease) => Ok(Ok(Term { lease, renewed })),
            // Somebody was faster: look again.
            Err(Failure::Conflict) => Ok(Err(Instant::now() + self.timing.retry())),
            Err(failure) => Err(failure),
        }
    }

    /// One try of a leader.
    async fn renew(&self, term: &mut Term, deadline: Instant) -> Result<Result<(), Lost>, Failure> {
        match self.write_renewal(term, deadline).await {
            Err(Failure::Conflict | Failure::Missing) => {}
            outcome => return outcome.map(Ok),
        }
        // Somebody wrote to the lease: another holder, a person with an annotation, or this process by a renewal whose answer
        // was lost.
        let found = self.within(deadline, self.api.get_opt(&self.name)).await?;
        let now = Instant::now();
        let decision = evaluate(&Observation::new(found.clone(), now), &self.me, &self.timing, now);
        match (decision, found) {
            (Decision::Hold { .. } | Decision::Renew, Some(lease)) => {
                term.lease = lease;
                self.write_renewal(term, deadline).await.map(Ok)
            }
            (Decision::Wait { .. }, Some(lease)) => {
                let holder = record::holder(&lease).unwrap_or_default().to_owned();
                Ok(Err(Lost::Taken { lease: self.name.clone(), holder }))
            }
            _ => Ok(Err(Lost::Gone { lease: self.name.clone() })),
        }
    }

    async fn write_renewal(&self, term: &mut Term, deadline: Instant) -> Result<(), Failure> {
        let renewed = Instant::now();
        let lease = record::held(&term.lease, &self.me, &self.timing, Timestamp::now());
        let lease = self.within(deadline, self.api.replace(&self.name, &PostParams::default(), &lease)).await?;
        *term = Term { lease, renewed };
        Ok(())
    }

    async fn release(&self, term: Term) {
        self.key.close();
        let deadline = Instant::now() + self.timing.renew_deadline();
        match self.write_release(&term.lease, deadline).await {
            Ok(()) => info!(lease = self.name, "released"),
            Err(failure) => {
                warn!(lease = self.name, %failure, "could not release the lease; a standby waits for its end");
            }
        }
    }

    async fn write_release(&self, lease: &Lease, deadline: Instant) -> Result<(), Failure> {
        let released = record::released(lease, Timestamp::now());
        match self.within(deadline, self.api.replace(&self.name, &PostParams::default(), &released)).await {
            Err(Failure::Conflict) => {}
            outcome => return outcome.map(drop),
        }
        let lease = self.within(deadline, self.api.get(&self.name)).await?;
        if record::holder(&lease) != Some(self.me.as_str()) {
            return Ok(());
        }
        let released = record::released(&lease, Timestamp::now());
        self.within(deadline, self.api.replace(&self.name, &PostParams::default(), &released)).await.map(drop)
    }

    /// A request, bounded: the client's own retries go on for minutes.
    async fn within<T>(
        &self,
        deadline: Instant,
        request: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Failure> {
        let limit = self.timing.request();
        match timeout_at(deadline.min(Instant::now() + limit), request).await {
            Ok(answer) => answer.map_err(Failure::of),
            Err(_) => Err(Failure::Silence(limit)),
        }
    }
}

#[cfg(test)]
mod tests;
