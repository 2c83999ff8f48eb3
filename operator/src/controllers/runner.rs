//! Looks at objects as an agenda says, each look a task of its own.
//!
//! Not `kube`'s `Controller`: it polls every look that is under way or waits for its turn whenever one of them moves, so that
//! what a job costs would grow with the number of jobs that wait; and it reads an object before its look has its turn, when it may be
//! out of date long since.

use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::{Stream, StreamExt as _};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::agenda::Agenda;

/// An agenda that looks share.
pub(super) struct Shared<K>(Arc<Mutex<Agenda<K>>>);

impl<K> Clone for Shared<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K: Clone + Eq + Hash> Shared<K> {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(Agenda::new())))
    }

    /// Every change leaves it whole, so a panic elsewhere spoils nothing.
    pub(super) fn lock(&self) -> MutexGuard<'_, Agenda<K>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs `look` for each object that there are `news` of or that asked for it, until `shutdown` or until there can be no more news,
/// and then waits for the looks that are under way. What a look returns is when the object is to be looked at again.
///
/// A look says on `agenda` when it has its turn.
///
/// # Panics
///
/// Where a look does.
pub(super) async fn run<K, F>(
    agenda: &Shared<K>,
    news: impl Stream<Item = K>,
    look: impl Fn(K) -> F,
    shutdown: &CancellationToken,
) where
    K: Clone + Eq + Hash + Send + 'static,
    F: Future<Output = Option<Duration>> + Send + 'static,
{
    let mut news = std::pin::pin!(news);
    let mut looks = JoinSet::new();
    loop {
        loop {
            let Some(key) = agenda.lock().take(Instant::now()) else { break };
            let (look, agenda) = (look(key.clone()), agenda.clone());
            looks.spawn(async move {
                let again = look.await.map(|wait| Instant::now() + wait);
                agenda.lock().done(key, again);
            });
        }
        let next = agenda.lock().next();
        tokio::select! {
            () = shutdown.cancelled() => break,
            Some(ended) = looks.join_next() => go_on(ended),
            () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {}
            key = news.next() => match key {
                Some(key) => agenda.lock().news(key, Instant::now()),
                None => break,
            },
        }
    }
    while let Some(ended) = looks.join_next().await {
        go_on(ended);
    }
}

/// A look that panicked is a bug, and nobody knows what it left undone.
fn go_on(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        std::panic::resume_unwind(error.into_panic());
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll};

    use futures::stream;

    use super::*;
    use crate::turnstile::Turnstile;

    /// Counts how often a future is polled.
    struct Counted<F>(Pin<Box<F>>, Arc<AtomicUsize>);

    impl<F: Future> Future for Counted<F> {
        type Output = F::Output;

        fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
            self.1.fetch_add(1, Ordering::Relaxed);
            self.0.as_mut().poll(context)
        }
    }

    /// How often looks are polled, and how many there are, where `objects` are looked at twice, four at once.
    async fn work(objects: usize) -> (usize, usize) {
        let (agenda, turnstile, shutdown) = (Shared::new(), Turnstile::new(4), CancellationToken::new());
        let (polls, looks) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let look = |key: usize| {
            let (agenda, turnstile, shutdown, looks) =
                (agenda.clone(), turnstile.clone(), shutdown.clone(), looks.clone());
            let look = async move {
                let _pass = turnstile.enter(key.is_multiple_of(2)).await;
                agenda.lock().begin(&key);
                tokio::time::sleep(Duration::from_millis(10)).await;
                let done = looks.fetch_add(1, Ordering::Relaxed) + 1;
                if done == 2 * objects {
                    shutdown.cancel();
                }
                (done <= objects).then_some(Duration::from_secs(1))
            };
            Counted(Box::pin(look), polls.clone())
        };
        let news = stream::iter(0..objects).chain(stream::pending());
        run(&agenda, news, look, &shutdown).await;
        (polls.load(Ordering::Relaxed), looks.load(Ordering::Relaxed))
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_costs_as_much_with_five_hundred_objects_as_with_fifty() {
        for objects in [50, 500] {
            let (polls, looks) = work(objects).await;
            assert_eq!(looks, 2 * objects);
            // To its turn, to its end, and the first.
            assert!(polls <= 3 * looks, "{polls} polls of {looks} looks at {objects} objects");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn looks_that_are_under_way_at_the_end_are_waited_for() {
        let (agenda, shutdown) = (Shared::new(), CancellationToken::new());
        let ended = Arc::new(AtomicUsize::new(0));
        let look = |key: u32| {
            let (agenda, shutdown, ended) = (agenda.clone(), shutdown.clone(), ended.clone());
            async move {
                agenda.lock().begin(&key);
                shutdown.cancel();
                tokio::time::sleep(Duration::from_secs(3)).await;
                ended.fetch_add(1, Ordering::Relaxed);
                None
            }
        };
        run(&agenda, stream::iter([1, 2]).chain(stream::pending()), look, &shutdown).await;
        assert_eq!(ended.load(Ordering::Relaxed), 2);
    }
}
