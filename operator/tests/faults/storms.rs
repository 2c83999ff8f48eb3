//! An API server that answers badly for a whole life.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use http::StatusCode;
use real_test_kube::{Call, Fault, Verb};

use crate::life::{begin, end, play};
use crate::rig::Rig;

/// Plays a life in which `fault` decides about each request by its number among those of its verb and resource, and gives its
/// end and the writes it took. One number for all would let a retry of as many requests as a fault's period fail for ever.
async fn weather(
    prefix: &str,
    fault: impl Fn(&Call, usize) -> Fault + Send + Sync + 'static,
) -> (serde_json::Value, usize) {
    let rig = Rig::new(prefix).await;
    let numbers: Mutex<HashMap<(String, String), usize>> = Mutex::default();
    rig.proxy.rule(move |call| {
        let mut numbers = numbers.lock().expect("no panic before");
        let next = numbers.entry((format!("{:?}", call.verb), call.resource.clone())).or_default();
        let number = *next;
        *next += 1;
        fault(call, number)
    });
    let _operator = rig.operator();
    begin(&rig).await;
    play(&rig).await;
    (end(&rig).await, rig.proxy.writes())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_job_ends_the_same_in_any_storm() {
    let (calm, writes) = weather("calm", |_, _| Fault::Pass).await;
    let conflicts = weather("conflict", |call, n| {
        if call.verb.is_write() && n % 2 == 0 { Fault::answer(StatusCode::CONFLICT, "Conflict") } else { Fault::Pass }
    });
    let throttled = weather("throttled", |call, n| {
        let refuse = call.verb.is_write() && n % 2 == 0;
        if refuse {
            Fault::answer(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests").retry_after(1)
        } else {
            Fault::Pass
        }
    });
    let broken = weather("broken", |_, n| match n % 3 {
        0 => Fault::answer(StatusCode::INTERNAL_SERVER_ERROR, "InternalError"),
        _ => Fault::Pass,
    });
    let gone = weather("gone", |call, n| {
        let expire = call.verb == Verb::Watch && n % 3 == 0;
        if expire { Fault::answer(StatusCode::GONE, "Expired") } else { Fault::Pass }
    });
    let dropped = weather("dropped", |call, _| match call.verb {
        Verb::Watch => Fault::DropAfter(Duration::from_millis(700)),
        _ => Fault::Pass,
    });
    let late = weather("late", |call, n| match (call.verb, call.resource.as_str()) {
        // What became of the operator's own Jobs and pods is told seconds late, what became of the job itself at once.
        (Verb::Watch, "jobs" | "pods") if n % 2 == 0 => Fault::Delay(Duration::from_secs(3)),
        (Verb::Watch, "jobs" | "pods") => Fault::DropAfter(Duration::from_millis(500)),
        _ => Fault::Pass,
    });
    let (conflicts, throttled, broken, gone, dropped, late) =
        tokio::join!(conflicts, throttled, broken, gone, dropped, late);
    for (storm, (end, made)) in [
        ("conflicts", conflicts),
        ("throttled", throttled),
        ("broken", broken),
        ("gone", gone),
        ("dropped", dropped),
        ("late", late),
    ] {
        println!("{storm}: {made} writes, {writes} in calm");
        assert_eq!(end, calm, "{storm}");
        assert!(made <= 3 * writes, "{storm}: {made} writes, {writes} in calm");
    }
}
