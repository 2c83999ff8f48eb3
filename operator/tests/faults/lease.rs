//! The leader loses its lease in the middle of a reconcile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::StatusCode;
use real_operator::lease::{Identity, Timing};
use real_operator::run::Options;
use real_test_kube::{Fault, Proxy, shared};
use tokio::time::{Instant, sleep};

use crate::life::OfAJob;
use crate::lives::{Life as _, play};
use crate::rig::{PATIENCE, Rig};

/// Elected, with a lease of 3 s.
fn elected(name: &'static str) -> impl FnOnce(&mut Options) {
    let millis = Duration::from_millis;
    let timing = Timing::new(millis(3000), millis(2000), millis(300), millis(500)).expect("they fit together");
    move |options| {
        options.leader_elect = true;
        options.timing = timing;
        options.identity = Identity::from(name.to_owned());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_leader_that_is_cut_off_in_the_middle_writes_nothing_more_and_another_goes_on() {
    let first = Rig::new("lost").await;
    let second = Rig {
        namespace: first.namespace.clone(),
        client: shared().client(),
        proxy: Proxy::start(shared()).expect("a proxy"),
    };
    let cut = Arc::new(AtomicBool::new(false));
    let cuts = cut.clone();
    first.proxy.rule(move |call| match call.resource.as_str() {
        // Hangs until long after the lease has ended; the attempt's Job would be next.
        "networkpolicies" if call.verb.is_write() => {
            cuts.store(true, Ordering::SeqCst);
            Fault::Delay(Duration::from_secs(8))
        }
        "leases" if cuts.load(Ordering::SeqCst) => Fault::answer(StatusCode::INTERNAL_SERVER_ERROR, "InternalError"),
        _ => Fault::Pass,
    });
    let leader = first.operator_with(elected("first"));
    OfAJob::begin(&first).await;
    let deadline = Instant::now() + PATIENCE;
    while !cut.load(Ordering::SeqCst) {
        assert!(Instant::now() < deadline, "{:#?}", first.write_log());
        sleep(Duration::from_millis(50)).await;
    }
    let _standby = second.operator_with(elected("second"));
    play::<OfAJob>(&second).await;

    let lost = leader.stop().await.expect_err("the process has to end");
    println!("the first leader ended: {lost:#}");
    let writes = first.write_log();
    let hung = writes.iter().position(|call| call.contains("networkpolicies")).unwrap_or(writes.len());
    let later: Vec<_> = writes.iter().skip(hung + 1).filter(|call| !call.contains("leases")).collect();
    assert!(later.is_empty(), "{later:#?}");
    assert!(second.write_log().iter().any(|call| call.contains("create jobs")), "{:#?}", second.write_log());
}
