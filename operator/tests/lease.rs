//! Leader election against a real API server.

use std::time::Duration;

use http::StatusCode;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::{Api, Client};
use real_operator::lease::{Elector, Guard, Identity, Lost, Timing};
use real_test_kube::{Call, Fault, Proxy, shared};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

const NAME: &str = "real-operator";
/// What has not happened by then does not happen, however busy the machine is.
const PATIENCE: Duration = Duration::from_mins(5);

/// A short lease, and yet one that is renewed in time on a machine that builds something else: 12 s.
fn timing() -> Timing {
    let millis = Duration::from_millis;
    Timing::new(millis(12_000), millis(9_000), millis(300), millis(2000)).expect("they fit together")
}

struct Replica {
    guard: Guard,
    release: oneshot::Sender<()>,
    outcome: JoinHandle<Result<(), Lost>>,
    /// When the guard was last seen open before it was first seen closed again.
    open_until: JoinHandle<Instant>,
}

fn replica(client: Client, namespace: &str, name: &str) -> Replica {
    let elector = Elector::new(client, namespace, NAME, Identity::from(name.to_owned()), timing());
    let guard = elector.guard();
    let (release, released) = oneshot::channel();
    let outcome = tokio::spawn(elector.run(async { drop(released.await) }));
    let watched = guard.clone();
    let open_until = tokio::spawn(async move {
        watched.acquired().await;
        let mut seen = Instant::now();
        loop {
            let now = Instant::now();
            if watched.check().is_err() {
                return seen;
            }
            seen = now;
            sleep(Duration::from_millis(2)).await;
        }
    });
    Replica { guard, release, outcome, open_until }
}

async fn acquired(replica: &Replica) -> Instant {
    timeout(PATIENCE, replica.guard.acquired()).await.expect("the lease is acquired");
    Instant::now()
}

async fn spec(namespace: &str) -> LeaseSpec {
    let api: Api<Lease> = Api::namespaced(shared().client(), namespace);
    api.get(NAME).await.expect("there is a lease").spec.expect("it has a spec")
}

/// The first leads and the second has asked at least once.
async fn two(namespace: &str, first: Client, proxy: &Proxy<'_>) -> (Replica, Replica) {
    let first = replica(first, namespace, "first");
    acquired(&first).await;
    let second = replica(proxy.client(), namespace, "second");
    timeout(PATIENCE, async {
        while proxy.count(|call| call.status == Some(200)) < 2 {
            sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("the standby asks");
    assert!(first.guard.check().is_ok() && second.guard.check().is_err(), "one leads");
    (first, second)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_released_lease_is_taken_over() {
    let namespace = shared().namespace("lease").await;
    let proxy = Proxy::start(shared()).expect("a port is free");
    let (first, second) = two(&namespace, shared().client(), &proxy).await;
    assert_eq!(proxy.writes(), 0, "a standby only looks: {:#?}", proxy.calls());
    assert_eq!(spec(&namespace).await.holder_identity.as_deref(), Some("first"));

    first.release.send(()).expect("it runs");
    assert_eq!(first.outcome.await.expect("no panic"), Ok(()));
    acquired(&second).await;
    let after = spec(&namespace).await;
    assert_eq!((after.holder_identity.as_deref(), after.lease_transitions), (Some("second"), Some(1)));

    second.release.send(()).expect("it runs");
    assert_eq!(second.outcome.await.expect("no panic"), Ok(()));
    assert_eq!(spec(&namespace).await.holder_identity.as_deref(), Some(""));
}

/// The leader's requests meet `fault` from some renewal on.
async fn cut_off(fault: fn(&Call) -> Fault) {
    let namespace = shared().namespace("lease").await;
    let (leaders, standbys) =
        (Proxy::start(shared()).expect("a port is free"), Proxy::start(shared()).expect("a port is free"));
    let (first, second) = two(&namespace, leaders.client(), &standbys).await;

    leaders.rule(fault);
    let taken = acquired(&second).await;
    let closed = first.open_until.await.expect("no panic");
    assert!(closed < taken, "both could write for {:?}", closed - taken);
    assert!(first.guard.check().is_err() && second.guard.check().is_ok());
    let lost = timeout(PATIENCE, first.outcome).await.expect("it gives up").expect("no panic").unwrap_err();
    assert!(matches!(lost, Lost::Deadline { .. }), "{lost}");
    let after = spec(&namespace).await;
    assert_eq!((after.holder_identity.as_deref(), after.lease_transitions), (Some("second"), Some(1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_whose_writes_fail_stops_before_the_standby_starts() {
    cut_off(|call| {
        if call.verb.is_write() {
            Fault::answer(StatusCode::INTERNAL_SERVER_ERROR, "InternalError")
        } else {
            Fault::Pass
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_is_cut_off_stops_before_the_standby_starts() {
    cut_off(|_| Fault::DropConnection).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_whose_requests_hang_stops_before_the_standby_starts() {
    cut_off(|_| Fault::Delay(Duration::from_hours(1))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_whose_api_server_is_overloaded_stops_before_the_standby_starts() {
    cut_off(|call| {
        if call.verb.is_write() {
            Fault::answer(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable").retry_after(1)
        } else {
            Fault::Pass
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_does_not_hear_of_its_renewals_goes_on_once_it_hears_again() {
    let namespace = shared().namespace("lease").await;
    let (leaders, standbys) =
        (Proxy::start(shared()).expect("a port is free"), Proxy::start(shared()).expect("a port is free"));
    let (first, second) = two(&namespace, leaders.client(), &standbys).await;

    let lost = std::sync::atomic::AtomicBool::new(false);
    leaders.rule(move |call| {
        let write = call.verb.is_write();
        if write && !lost.swap(true, std::sync::atomic::Ordering::SeqCst) { Fault::PassThenDrop } else { Fault::Pass }
    });
    leaders.forget();
    timeout(PATIENCE, async {
        while leaders.count(|call| call.verb.is_write() && call.status == Some(200)) < 4 {
            sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("it renews");
    assert!(
        leaders.count(|call| call.status == Some(409)) > 0,
        "its resource version was stale: {:#?}",
        leaders.calls()
    );
    assert!(first.guard.check().is_ok() && second.guard.check().is_err());
    assert_eq!(spec(&namespace).await.lease_transitions, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_that_start_together_one_leads() {
    let namespace = shared().namespace("lease").await;
    let client = shared().client();
    let replicas: Vec<Replica> =
        (0..8).map(|number| replica(client.clone(), &namespace, &format!("replica-{number}"))).collect();
    let leads = |replica: &&Replica| replica.guard.check().is_ok();
    let until = Instant::now() + timing().lease() * 2;
    let mut led = false;
    while Instant::now() < until {
        // Asked twice: the first may have lost it before the last got it.
        let mut holders: Vec<&Replica> = replicas.iter().filter(leads).collect();
        holders.retain(leads);
        assert!(holders.len() <= 1, "{} lead", holders.len());
        led |= holders.len() == 1;
        sleep(Duration::from_millis(5)).await;
    }
    assert!(led, "nobody did");
}
