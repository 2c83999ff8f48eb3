//! The operator dies after each of its writes in turn, and the next one takes up what is there; or it lives, and does not hear of it.

use crate::life::OfAJob;
use crate::lives::{After, each_write_unheard, undisturbed};
use crate::sweeps::OfASweep;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_operator_that_dies_after_any_write_leaves_nothing_that_the_next_one_cannot_take_up() {
    let calm = undisturbed::<OfAJob>().await;
    // A write whose answer is lost is not made twice either.
    tokio::join!(
        each_write_unheard::<OfAJob>(&calm, After::Death),
        each_write_unheard::<OfAJob>(&calm, After::Silence)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_operator_that_dies_after_any_write_of_a_sweep_leaves_nothing_that_the_next_one_cannot_take_up() {
    let calm = undisturbed::<OfASweep>().await;
    assert!(calm.writes >= 6, "two Jobs, their results, a beginning and an end: {:#?}", calm.log);
    each_write_unheard::<OfASweep>(&calm, After::Death).await;
}
