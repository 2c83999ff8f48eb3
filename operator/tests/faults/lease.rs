//! The leader loses its lease in the middle of a reconcile.

use std::convert::Infallible;
use std::time::Duration;

use http::StatusCode;
use real_operator::lease::{Identity, Timing};
use real_operator::run::Options;
use real_test_kube::Fault;
use tokio::sync::watch;
use tokio::time::timeout;

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

/// Keeps a replica there as a Deployment does, and says each time why the last one ended: on a busy machine a lease of 3 s may be
/// lost by one that nobody has cut off.
async fn kept(rig: &Rig, name: &'static str, ends: &watch::Sender<Vec<String>>) -> Infallible {
    loop {
        let end = rig.operator_with(elected(name)).ended().await;
        let lost = end.expect_err("nobody asked it to end");
        ends.send_modify(|ends| ends.push(format!("{lost:#}")));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_leader_that_is_cut_off_in_the_middle_writes_nothing_more_and_another_goes_on() {
    let first = Rig::new("lost").await;
    let second = first.beside();
    let cut = watch::Sender::new(false);
    let cuts = cut.clone();
    first.proxy.rule(move |call| match call.resource.as_str() {
        // Hangs until long after the lease has ended; the attempt's Job would be next.
        "networkpolicies" if call.verb.is_write() => {
            cuts.send_replace(true);
            Fault::Delay(Duration::from_secs(8))
        }
        "leases" if *cuts.borrow() => Fault::answer(StatusCode::INTERNAL_SERVER_ERROR, "InternalError"),
        _ => Fault::Pass,
    });
    let ends = || watch::Sender::new(Vec::<String>::new());
    let (first_ends, second_ends) = (ends(), ends());
    let story = async {
        OfAJob::begin(&first).await;
        timeout(PATIENCE, cut.subscribe().wait_for(|cut| *cut)).await.expect("it comes to the policy").expect("sent");
        let before = first_ends.borrow().len();
        let lost = async {
            let mut told = first_ends.subscribe();
            let lost = timeout(PATIENCE, told.wait_for(|ends| ends.len() > before)).await;
            println!("the first leader ended: {:#?}", *lost.expect("the process has to end").expect("sent"));
        };
        tokio::select! {
            never = kept(&second, "second", &second_ends) => match never {},
            _ = async { tokio::join!(play::<OfAJob>(&second), lost) } => {}
        }
    };
    tokio::select! {
        never = kept(&first, "first", &first_ends) => match never {},
        () = story => {}
    }

    let writes = first.write_log();
    let hung = writes.iter().position(|call| call.contains("networkpolicies")).unwrap_or(writes.len());
    let later: Vec<_> = writes.iter().skip(hung + 1).filter(|call| !call.contains("leases")).collect();
    assert!(later.is_empty(), "{later:#?}");
    assert!(second.write_log().iter().any(|call| call.contains("create jobs")), "{:#?}", second.write_log());
}
