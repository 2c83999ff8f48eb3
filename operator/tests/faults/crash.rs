//! The operator dies after each of its writes in turn; the next one takes up what is there.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::{StreamExt as _, stream};
use real_test_kube::Fault;
use tokio::time::sleep;

use crate::life::{begin, end, play, step};
use crate::rig::Rig;

/// Lives at once.
const AT_ONCE: usize = 6;

/// Counts writes; at number `last` the server carries it out and the operator does not hear of it.
fn cut(rig: &Rig, last: usize, then: impl Fn() -> Fault + Send + Sync + 'static) -> Arc<AtomicUsize> {
    let writes = Arc::new(AtomicUsize::new(0));
    let counted = writes.clone();
    rig.proxy.rule(move |call| {
        let so_far = counted.load(Ordering::SeqCst);
        if !call.verb.is_write() {
            return if so_far >= last { then() } else { Fault::Pass };
        }
        match counted.fetch_add(1, Ordering::SeqCst) + 1 {
            number if number < last => Fault::Pass,
            number if number == last => Fault::PassThenDrop,
            _ => then(),
        }
    });
    writes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_operator_that_dies_after_any_write_leaves_nothing_that_the_next_one_cannot_take_up() {
    let rig = Rig::new("undisturbed").await;
    let operator = rig.operator();
    begin(&rig).await;
    play(&rig).await;
    operator.stop().await.expect("a graceful end");
    let (expected, points) = (end(&rig).await, rig.proxy.writes());
    println!("{points} crash points:\n{}", rig.write_log().join("\n"));

    let lives = (1..=points).map(|last| {
        let expected = expected.clone();
        async move {
            let rig = Rig::new("crash").await;
            let writes = cut(&rig, last, || Fault::DropConnection);
            let operator = rig.operator();
            begin(&rig).await;
            // Events can be fewer in a life than in another, so the last points may not be reached.
            while writes.load(Ordering::SeqCst) < last && end(&rig).await["phase"] != "Succeeded" {
                step(&rig).await;
                sleep(Duration::from_millis(100)).await;
            }
            operator.kill().await;
            rig.proxy.pass();
            let _next = rig.operator();
            play(&rig).await;
            assert_eq!(end(&rig).await, expected, "after write {last}: {:#?}", rig.write_log());
        }
    });
    stream::iter(lives).buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_write_whose_answer_is_lost_is_not_made_twice() {
    let rig = Rig::new("heard").await;
    let operator = rig.operator();
    begin(&rig).await;
    play(&rig).await;
    operator.stop().await.expect("a graceful end");
    let (expected, points) = (end(&rig).await, rig.proxy.writes());

    let lives = (1..=points).map(|last| {
        let expected = expected.clone();
        async move {
            let rig = Rig::new("unheard").await;
            cut(&rig, last, || Fault::Pass);
            let _operator = rig.operator();
            begin(&rig).await;
            play(&rig).await;
            assert_eq!(end(&rig).await, expected, "write {last} unheard: {:#?}", rig.write_log());
        }
    });
    stream::iter(lives).buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
}
