//! What the lives of jobs and of sweeps have in common: a cluster that plays on until they are over, an operator that dies after each
//! of its writes in turn, an API server that answers badly for a whole life.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::{StreamExt as _, stream};
use real_test_kube::{Call, Fault};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::rig::{PATIENCE, Rig};

/// Lives at once. They wait most of the time.
const AT_ONCE: usize = 12;

/// The life of an object of ours.
pub(crate) trait Life {
    /// Whether what it needs has to be there before a storm begins.
    const CALM_BEGINNING: bool;

    /// Whether a call is a write that belongs to it.
    fn has(call: &Call) -> bool;

    /// Creates the object.
    async fn begin(rig: &Rig);

    /// One look at what there is, and what a cluster would do about it.
    async fn step(rig: &Rig);

    /// What is left at the end, without what differs from life to life. Its `phase` says whether it is over.
    async fn end(rig: &Rig) -> Value;
}

/// What became of a life.
pub(crate) struct Outcome {
    pub(crate) end: Value,
    /// Writes that belong to it.
    pub(crate) writes: usize,
    /// All writes.
    pub(crate) made: usize,
    pub(crate) log: Vec<String>,
}

impl Outcome {
    async fn of<L: Life>(rig: &Rig) -> Self {
        let writes = rig.proxy.count(L::has);
        Self { end: L::end(rig).await, writes, made: rig.proxy.writes(), log: rig.write_log() }
    }
}

/// Plays the cluster until the object has succeeded.
pub(crate) async fn play<L: Life>(rig: &Rig) {
    let deadline = Instant::now() + 2 * PATIENCE;
    while L::end(rig).await["phase"] != "Succeeded" {
        L::step(rig).await;
        let calls = || rig.proxy.calls().iter().map(ToString::to_string).collect::<Vec<_>>();
        assert!(Instant::now() < deadline, "no end: {:#}\n{:#?}", L::end(rig).await, calls());
        sleep(Duration::from_millis(100)).await;
    }
    rig.quiet().await;
}

/// A life in which nothing goes wrong.
pub(crate) async fn undisturbed<L: Life>() -> Outcome {
    let rig = Rig::new("calm").await;
    let operator = rig.operator();
    L::begin(&rig).await;
    play::<L>(&rig).await;
    operator.stop().await.expect("a graceful end");
    Outcome::of::<L>(&rig).await
}

/// What happens to an operator after one of its writes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// It dies, and another goes on.
    Death,
    /// It lives on, and does not know what became of the write.
    Silence,
}

/// Lives in each of which the server carries out one write, a later one each time, and the operator does not hear of it. They all
/// end as the one in calm.
pub(crate) async fn each_write_unheard<L: Life>(calm: &Outcome, after: After) {
    println!("{} points:\n{}", calm.writes, calm.log.join("\n"));
    let lives = (1..=calm.writes).map(async |last| {
        let rig = Rig::new("unheard").await;
        let writes = cut::<L>(&rig, last, after);
        let operator = rig.operator();
        L::begin(&rig).await;
        if after == After::Death {
            // Events can be fewer in a life than in another, so the last points may not be reached.
            while writes.load(Ordering::SeqCst) < last && L::end(&rig).await["phase"] != "Succeeded" {
                L::step(&rig).await;
                sleep(Duration::from_millis(100)).await;
            }
            operator.kill().await;
            rig.proxy.pass();
            let _next = rig.operator();
            play::<L>(&rig).await;
        } else {
            play::<L>(&rig).await;
        }
        assert_eq!(L::end(&rig).await, calm.end, "after write {last}: {:#?}", rig.write_log());
    });
    stream::iter(lives).buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
}

/// Counts writes; at number `last` the server carries it out and the operator does not hear of it, nor, where it dies, of anything
/// after it.
fn cut<L: Life>(rig: &Rig, last: usize, after: After) -> Arc<AtomicUsize> {
    let then = move || if after == After::Death { Fault::DropConnection } else { Fault::Pass };
    let writes = Arc::new(AtomicUsize::new(0));
    let counted = writes.clone();
    rig.proxy.rule(move |call| {
        if !L::has(call) {
            return if counted.load(Ordering::SeqCst) >= last { then() } else { Fault::Pass };
        }
        match counted.fetch_add(1, Ordering::SeqCst) + 1 {
            number if number < last => Fault::Pass,
            number if number == last => Fault::PassThenDrop,
            _ => then(),
        }
    });
    writes
}

/// A life in which `fault` decides about each request by its number among those of its verb and resource. One number for all would
/// let a retry of as many requests as a fault's period fail for ever.
pub(crate) async fn weather<L: Life>(fault: impl Fn(&Call, usize) -> Fault + Send + Sync + 'static) -> Outcome {
    let rig = Rig::new("storm").await;
    let numbers: Mutex<HashMap<(String, String), usize>> = Mutex::default();
    let rule = move |call: &Call| {
        let mut numbers = numbers.lock().expect("no panic before");
        let next = numbers.entry((format!("{:?}", call.verb), call.resource.clone())).or_default();
        let number = *next;
        *next += 1;
        fault(call, number)
    };
    let _operator = if L::CALM_BEGINNING {
        let operator = rig.operator();
        L::begin(&rig).await;
        rig.proxy.rule(rule);
        operator
    } else {
        rig.proxy.rule(rule);
        let operator = rig.operator();
        L::begin(&rig).await;
        operator
    };
    play::<L>(&rig).await;
    Outcome::of::<L>(&rig).await
}

/// Every storm ends as the calm does, and costs no more than three times its writes.
pub(crate) fn same_ends(calm: &Outcome, storms: &[(&str, Outcome)]) {
    for (storm, outcome) in storms {
        println!("{storm}: {} writes, {} in calm", outcome.made, calm.made);
        assert_eq!(outcome.end, calm.end, "{storm}");
        assert!(outcome.made <= 3 * calm.made, "{storm}: {} writes, {} in calm", outcome.made, calm.made);
    }
}
