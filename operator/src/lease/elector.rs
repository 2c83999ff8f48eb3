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
mod tests {
    use std::future::poll_fn;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, Mutex};
    use std::task::Poll;

    use futures::task::AtomicWaker;
    use tokio::sync::oneshot;
    use tokio::task::JoinHandle;

    use super::super::apiserver::{Fault, Leases};
    use super::*;

    /// Stops an elector as a stopped process would be: it is not polled.
    #[derive(Clone, Default)]
    struct Freeze(Arc<(AtomicBool, AtomicWaker)>);

    impl Freeze {
        async fn over<F: Future>(self, work: F) -> F::Output {
            let mut work = pin!(work);
            poll_fn(|context| {
                self.0.1.register(context.waker());
                if self.0.0.load(Ordering::SeqCst) { Poll::Pending } else { work.as_mut().poll(context) }
            })
            .await
        }

        fn set(&self, frozen: bool) {
            self.0.0.store(frozen, Ordering::SeqCst);
            self.0.1.wake();
        }
    }

    struct Replica {
        guard: Guard,
        freeze: Freeze,
        fault: Fault,
        release: Option<oneshot::Sender<()>>,
        outcome: JoinHandle<Result<(), Lost>>,
        /// When the guard was seen to open and to close, polled each 10 ms.
        history: Arc<Mutex<Vec<(bool, Instant)>>>,
    }

    fn replica(server: &Leases, name: &str) -> Replica {
        let (client, fault) = server.client();
        let elector = Elector::new(client, "real", "operator", Identity::from(name.to_owned()), Timing::default());
        let guard = elector.guard();
        let (release, released) = oneshot::channel();
        let freeze = Freeze::default();
        let outcome = tokio::spawn(freeze.clone().over(elector.run(async { drop(released.await) })));
        let history = Arc::new(Mutex::new(Vec::new()));
        let (watched, seen) = (guard.clone(), history.clone());
        tokio::spawn(async move {
            let mut last = false;
            loop {
                let open = watched.check().is_ok();
                if open != last {
                    seen.lock().unwrap().push((open, Instant::now()));
                }
                last = open;
                sleep(Duration::from_millis(10)).await;
            }
        });
        Replica { guard, freeze, fault, release: Some(release), outcome, history }
    }

    impl Replica {
        fn release(&mut self) {
            self.release.take().unwrap().send(()).unwrap();
        }

        fn closed_at(&self) -> Instant {
            self.history.lock().unwrap().iter().rev().find(|(open, _)| !open).unwrap().1
        }

        fn opened_at(&self) -> Instant {
            self.history.lock().unwrap().iter().rev().find(|(open, _)| *open).unwrap().1
        }
    }

    async fn seconds(n: u64) {
        sleep(Duration::from_secs(n)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn one_of_two_leads_and_goes_on_leading() {
        let server = Leases::default();
        let (first, second) = (replica(&server, "first"), replica(&server, "second"));
        seconds(600).await;
        let open = [&first, &second].map(|replica| replica.guard.check().is_ok());
        assert_eq!(open.iter().filter(|open| **open).count(), 1);
        assert_eq!(
            first.history.lock().unwrap().len() + second.history.lock().unwrap().len(),
            1,
            "no change of leader"
        );
        assert_eq!(server.spec().lease_transitions, Some(0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_released_lease_is_taken_over_without_waiting_for_its_end() {
        let server = Leases::default();
        let mut first = replica(&server, "first");
        first.guard.acquired().await;
        let second = replica(&server, "second");
        seconds(30).await;
        first.release();
        let released = Instant::now();
        second.guard.acquired().await;
        assert!(released.elapsed() < Duration::from_secs(3), "{:?}", released.elapsed());
        assert_eq!(first.outcome.await.unwrap(), Ok(()));
        assert_eq!(first.guard.check(), Err(super::super::NotLeader));
        assert_eq!(server.spec().holder_identity.as_deref(), Some("second"));
        assert_eq!(server.spec().lease_transitions, Some(1));
    }

    #[tokio::test(start_paused = true)]
    async fn the_guard_of_a_replica_that_is_cut_off_closes_before_another_one_opens() {
        for cut in [Fault::SWALLOW, Fault::SERVER_ERROR, Fault::LOSE_ANSWER] {
            let server = Leases::default();
            let first = replica(&server, "first");
            first.guard.acquired().await;
            let second = replica(&server, "second");
            seconds(31).await;
            first.fault.set(cut);
            second.guard.acquired().await;
            seconds(1).await;
            assert!(first.closed_at() < second.opened_at(), "{cut}: {:?}", second.opened_at() - first.closed_at());
            let lost = first.outcome.await.unwrap().unwrap_err();
            assert!(matches!(lost, Lost::Deadline { .. }), "{lost}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_guard_of_a_replica_that_stands_still_closes_and_stays_closed_when_it_goes_on() {
        let server = Leases::default();
        let first = replica(&server, "first");
        first.guard.acquired().await;
        let second = replica(&server, "second");
        seconds(31).await;
        first.freeze.set(true);
        second.guard.acquired().await;
        seconds(1).await;
        assert!(!first.outcome.is_finished());
        assert!(first.closed_at() < second.opened_at(), "{:?}", first.closed_at() - second.opened_at());
        first.freeze.set(false);
        let lost = first.outcome.await.unwrap().unwrap_err();
        assert!(matches!(lost, Lost::Deadline { .. } | Lost::Taken { .. }), "{lost}");
        assert_eq!(first.history.lock().unwrap().len(), 2, "opened and closed once");
        assert_eq!(server.spec().holder_identity.as_deref(), Some("second"));
    }

    #[tokio::test(start_paused = true)]
    async fn an_elector_that_is_gone_does_not_keep_its_guard_open() {
        let server = Leases::default();
        let first = replica(&server, "first");
        first.guard.acquired().await;
        first.outcome.abort();
        seconds(1).await;
        assert_eq!(first.guard.check(), Err(super::super::NotLeader));
    }

    #[tokio::test(start_paused = true)]
    async fn a_short_failure_of_the_api_server_costs_nothing() {
        for fault in [Fault::SWALLOW, Fault::SERVER_ERROR, Fault::LOSE_ANSWER] {
            let server = Leases::default();
            let first = replica(&server, "first");
            first.guard.acquired().await;
            seconds(20).await;
            first.fault.set(fault);
            seconds(4).await;
            first.fault.set(Fault::NONE);
            seconds(60).await;
            assert_eq!(first.history.lock().unwrap().len(), 1, "fault {fault}");
            assert_eq!(first.guard.check(), Ok(()));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_acquisition_whose_answer_is_lost_is_found_by_the_next_look() {
        let server = Leases::default();
        let first = replica(&server, "first");
        first.fault.set(Fault::LOSE_ANSWER);
        seconds(12).await;
        assert_eq!(first.guard.check(), Err(super::super::NotLeader));
        first.fault.set(Fault::NONE);
        seconds(8).await;
        assert_eq!(first.guard.check(), Ok(()));
        assert_eq!(server.spec().lease_transitions, Some(0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_leader_whose_lease_somebody_took_or_deleted_is_lost() {
        let server = Leases::default();
        let first = replica(&server, "first");
        first.guard.acquired().await;
        server.edit(|spec| spec.holder_identity = Some("somebody".to_owned()));
        let lost = first.outcome.await.unwrap().unwrap_err();
        assert_eq!(lost, Lost::Taken { lease: "operator".to_owned(), holder: "somebody".to_owned() });
        assert_eq!(first.guard.check(), Err(super::super::NotLeader));

        let server = Leases::default();
        let first = replica(&server, "first");
        first.guard.acquired().await;
        server.delete();
        let lost = first.outcome.await.unwrap().unwrap_err();
        assert_eq!(lost, Lost::Gone { lease: "operator".to_owned() });
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_that_somebody_edits_otherwise_stays_held() {
        let server = Leases::default();
        let mut first = replica(&server, "first");
        first.guard.acquired().await;
        server.edit(|spec| spec.lease_transitions = Some(41));
        seconds(60).await;
        assert_eq!(first.guard.check(), Ok(()));
        server.edit(|spec| spec.lease_transitions = Some(42));
        first.release();
        assert_eq!(first.outcome.await.unwrap(), Ok(()));
        assert_eq!(server.spec().holder_identity.as_deref(), Some(""), "released in spite of the edit");
        assert_eq!(server.spec().lease_transitions, Some(42));
    }

    #[tokio::test(start_paused = true)]
    async fn a_standby_that_is_told_to_go_leaves_the_lease_alone() {
        let server = Leases::default();
        let first = replica(&server, "first");
        first.guard.acquired().await;
        let mut second = replica(&server, "second");
        seconds(5).await;
        second.release();
        assert_eq!(second.outcome.await.unwrap(), Ok(()));
        assert_eq!(server.spec().holder_identity.as_deref(), Some("first"));
        assert_eq!(first.guard.check(), Ok(()));
    }
}
