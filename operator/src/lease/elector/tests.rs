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
    assert_eq!(first.history.lock().unwrap().len() + second.history.lock().unwrap().len(), 1, "no change of leader");
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
