//! An API server that answers badly for a whole life.

use std::time::Duration;

use http::StatusCode;
use real_test_kube::{Call, Fault, Verb};

use crate::life::OfAJob;
use crate::lives::{same_ends, undisturbed, weather};
use crate::sweeps::OfASweep;

/// Every other write meets one that came before it.
fn conflict(call: &Call, n: usize) -> Fault {
    if call.verb.is_write() && n.is_multiple_of(2) {
        Fault::answer(StatusCode::CONFLICT, "Conflict")
    } else {
        Fault::Pass
    }
}

/// Every third request fails.
fn breakdown(_: &Call, n: usize) -> Fault {
    if n.is_multiple_of(3) { Fault::answer(StatusCode::INTERNAL_SERVER_ERROR, "InternalError") } else { Fault::Pass }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_job_ends_the_same_in_any_storm() {
    let conflicts = weather::<OfAJob>(conflict);
    let throttled = weather::<OfAJob>(|call, n| {
        let refuse = call.verb.is_write() && n % 2 == 0;
        if refuse {
            Fault::answer(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests").retry_after(1)
        } else {
            Fault::Pass
        }
    });
    let broken = weather::<OfAJob>(breakdown);
    let gone = weather::<OfAJob>(|call, n| {
        let expire = call.verb == Verb::Watch && n % 3 == 0;
        if expire { Fault::answer(StatusCode::GONE, "Expired") } else { Fault::Pass }
    });
    let dropped = weather::<OfAJob>(|call, _| match call.verb {
        Verb::Watch => Fault::DropAfter(Duration::from_millis(700)),
        _ => Fault::Pass,
    });
    let late = weather::<OfAJob>(|call, n| match (call.verb, call.resource.as_str()) {
        // What became of the operator's own Jobs and pods is told seconds late, what became of the job itself at once.
        (Verb::Watch, "jobs" | "pods") if n % 2 == 0 => Fault::Delay(Duration::from_secs(3)),
        (Verb::Watch, "jobs" | "pods") => Fault::DropAfter(Duration::from_millis(500)),
        _ => Fault::Pass,
    });
    let calm = undisturbed::<OfAJob>();
    let (calm, conflicts, throttled, broken, gone, dropped, late) =
        tokio::join!(calm, conflicts, throttled, broken, gone, dropped, late);
    let storms = [
        ("conflicts", conflicts),
        ("throttled", throttled),
        ("broken", broken),
        ("gone", gone),
        ("dropped", dropped),
        ("late", late),
    ];
    same_ends(&calm, &storms);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_sweep_ends_the_same_in_any_storm() {
    let dropped = weather::<OfASweep>(|call, n| match call.verb {
        Verb::Watch if n % 2 == 0 => Fault::answer(StatusCode::GONE, "Expired"),
        Verb::Watch => Fault::DropAfter(Duration::from_millis(700)),
        _ => Fault::Pass,
    });
    let (calm, conflicts, broken, dropped) =
        tokio::join!(undisturbed::<OfASweep>(), weather::<OfASweep>(conflict), weather::<OfASweep>(breakdown), dropped);
    same_ends(&calm, &[("conflicts", conflicts), ("broken", broken), ("dropped", dropped)]);
}
