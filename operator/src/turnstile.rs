//! How many reconciles are under way at once: as many as the API server bears, and new objects first.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// Fewest at once, however badly the API server answers.
const FEWEST: usize = 2;

/// Lets reconciles through.
///
/// The limit is halved by each answer of an overloaded server and grows by one with each round of good ones (additive increase,
/// multiplicative decrease, as RFC 5681 §3.1 has it for TCP), up to what it was made with.
#[derive(Clone, Debug)]
pub(crate) struct Turnstile(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    most: usize,
    limit: usize,
    inside: usize,
    /// Good ends since the limit changed.
    good: usize,
    new: VecDeque<oneshot::Sender<Pass>>,
    known: VecDeque<oneshot::Sender<Pass>>,
}

/// A place inside; leaves with this.
#[derive(Debug)]
pub(crate) struct Pass(Option<Turnstile>);

/// How the API server answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answered {
    /// As it should.
    Well,
    /// That it has too much to do, or not at all.
    Overloaded,
}

impl Turnstile {
    /// At most `most` at once.
    pub(crate) fn new(most: usize) -> Self {
        let most = most.max(FEWEST);
        let (new, known) = (VecDeque::new(), VecDeque::new());
        Self(Arc::new(Mutex::new(State { most, limit: most, inside: 0, good: 0, new, known })))
    }

    /// Waits for a place. A `new` object comes before all that are known.
    pub(crate) async fn enter(&self, new: bool) -> Pass {
        let waiting = {
            let mut state = self.lock();
            if state.inside < state.limit {
                state.inside += 1;
                return Pass(Some(self.clone()));
            }
            let (place, waiting) = oneshot::channel();
            let queue = if new { &mut state.new } else { &mut state.known };
            queue.push_back(place);
            waiting
        };
        // The sender is dropped with the turnstile alone, which this holds.
        waiting.await.unwrap_or(Pass(None))
    }

    /// Adapts the limit.
    pub(crate) fn answered(&self, how: Answered) {
        let mut state = self.lock();
        match how {
            Answered::Overloaded => (state.limit, state.good) = ((state.limit / 2).max(FEWEST.min(state.most)), 0),
            Answered::Well => {
                state.good += 1;
                if state.good >= state.limit {
                    (state.limit, state.good) = ((state.limit + 1).min(state.most), 0);
                }
            }
        }
        drop(state);
        self.admit();
    }

    /// Lets in whoever there is a place for.
    fn admit(&self) {
        loop {
            let mut state = self.lock();
            if state.inside >= state.limit {
                return;
            }
            let Some(next) = state.new.pop_front().or_else(|| state.known.pop_front()) else { return };
            state.inside += 1;
            drop(state);
            if let Err(mut pass) = next.send(Pass(Some(self.clone()))) {
                // Nobody waits for it any more. Dropped as it is it would let in the next from within: where thousands have gone, as
                // when the lead is lost, a stack has no room for that.
                pass.0 = None;
                self.lock().inside -= 1;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Numbers and queues are whole at all times, so a panic elsewhere spoils nothing.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if let Some(turnstile) = self.0.take() {
            turnstile.lock().inside -= 1;
            turnstile.admit();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn new_objects_come_before_those_that_are_known() {
        let turnstile = Turnstile::new(2);
        let (first, _second) = (turnstile.enter(false).await, turnstile.enter(false).await);
        let mut known = Box::pin(turnstile.enter(false));
        let mut new = Box::pin(turnstile.enter(true));
        assert!((&mut known).now_or_never().is_none() && (&mut new).now_or_never().is_none());
        drop(first);
        assert!((&mut known).now_or_never().is_none());
        let pass = (&mut new).now_or_never().expect("its turn");
        drop(pass);
        assert!((&mut known).now_or_never().is_some());
    }

    #[tokio::test]
    async fn an_overloaded_server_is_asked_less_and_one_that_answers_more_again() {
        let turnstile = Turnstile::new(16);
        for _ in 0..10 {
            turnstile.answered(Answered::Overloaded);
        }
        assert_eq!(turnstile.lock().limit, FEWEST);
        for _ in 0..200 {
            turnstile.answered(Answered::Well);
        }
        assert_eq!(turnstile.lock().limit, 16);
    }

    #[tokio::test]
    async fn one_that_gives_up_waiting_takes_no_place() {
        let turnstile = Turnstile::new(2);
        let passes = (turnstile.enter(false).await, turnstile.enter(false).await);
        let mut waiting = Box::pin(turnstile.enter(true));
        assert!((&mut waiting).now_or_never().is_none());
        drop(waiting);
        drop(passes);
        assert_eq!(turnstile.lock().inside, 0);
    }

    #[tokio::test]
    async fn however_many_give_up_waiting_a_stack_has_room_for_it() {
        let turnstile = Turnstile::new(2);
        let passes = (turnstile.enter(false).await, turnstile.enter(false).await);
        for _ in 0..100_000 {
            assert!(turnstile.enter(false).now_or_never().is_none());
        }
        drop(passes);
        let state = turnstile.lock();
        assert_eq!((state.inside, state.new.len(), state.known.len()), (0, 0, 0));
    }
}
