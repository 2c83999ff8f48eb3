//! Who is next: clients take turns, and short tests go before long ones.
//!
//! Nobody knows how long a test will take, so each gets a turn; one that is not done by then, while others wait, is put
//! back among the long ones and later run again from its start. Programs that were long before start there.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// A long test goes before waiting short ones after this many of them, and not before it has waited for so long.
const SHORT_FIRST: u32 = 8;
const LONG_PATIENCE: Duration = Duration::from_secs(20);
/// Programs remembered as long.
const REMEMBERED: usize = 8192;

/// Who asks; tests of ours (set-ups) have none.
pub type Client = Option<IpAddr>;

/// Something that waits.
pub(crate) struct Waiting<T> {
    pub(crate) item: T,
    pub(crate) client: Client,
    pub(crate) arrived: Instant,
    /// Stands for the program.
    pub(crate) program: u64,
    pub(crate) long: bool,
}

/// The queue.
pub(crate) struct Queue<T> {
    short: Line<T>,
    long: Line<T>,
    /// Short ones served since the last long one.
    served: u32,
    known_long: VecDeque<u64>,
    /// Tests of requests that were taken on and come later: number and arrival.
    announced: HashMap<u64, (usize, Instant)>,
    next_announcement: u64,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self {
            short: Line::default(),
            long: Line::default(),
            served: 0,
            known_long: VecDeque::new(),
            announced: HashMap::new(),
            next_announcement: 0,
        }
    }
}

impl<T> Queue<T> {
    pub(crate) fn push(&mut self, mut waiting: Waiting<T>) {
        waiting.long |= self.known_long.contains(&waiting.program);
        if waiting.long { self.long.push(waiting) } else { self.short.push(waiting) }
    }

    /// The next one; a long one only where `long_allowed`, or nothing else waits.
    pub(crate) fn pop(&mut self, long_allowed: bool) -> Option<Waiting<T>> {
        let patient = self.long.oldest().is_none_or(|arrived| arrived.elapsed() < LONG_PATIENCE);
        if !self.short.is_empty() && (!long_allowed || patient || self.served < SHORT_FIRST) {
            self.served += 1;
            return self.short.pop();
        }
        self.served = 0;
        self.long.pop().or_else(|| self.short.pop())
    }

    /// Whether a test that had its turn should make room.
    pub(crate) fn short_ones_wait(&self) -> bool {
        !self.short.is_empty()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.short.is_empty() && self.long.is_empty()
    }

    /// From now on, tests of this program start among the long ones.
    pub(crate) fn remember_long(&mut self, program: u64) {
        if !self.known_long.contains(&program) {
            self.known_long.push_back(program);
            if self.known_long.len() > REMEMBERED {
                self.known_long.pop_front();
            }
        }
    }

    /// Counts tests that will come.
    pub(crate) fn announce(&mut self, tests: usize) -> u64 {
        self.next_announcement += 1;
        self.announced.insert(self.next_announcement, (tests, Instant::now()));
        self.next_announcement
    }

    /// One of them has come.
    pub(crate) fn comes(&mut self, announcement: u64) {
        if let Some((tests, _)) = self.announced.get_mut(&announcement) {
            *tests = tests.saturating_sub(1);
        }
    }

    /// They have come, or will not.
    pub(crate) fn withdraw(&mut self, announcement: u64) {
        self.announced.remove(&announcement);
    }

    /// Tests that wait, the announced ones included.
    pub(crate) fn len(&self) -> usize {
        self.short.len() + self.long.len() + self.announced.values().map(|(tests, _)| tests).sum::<usize>()
    }

    /// When the one came that has waited longest.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        let announced = self.announced.values().filter(|(tests, _)| *tests > 0).map(|(_, arrived)| *arrived);
        self.short.oldest().into_iter().chain(self.long.oldest()).chain(announced).min()
    }
}

/// Clients in turn, each with what it waits for in order.
struct Line<T> {
    turns: VecDeque<Client>,
    waiting: HashMap<Client, VecDeque<Waiting<T>>>,
    len: usize,
}

impl<T> Default for Line<T> {
    fn default() -> Self {
        Self { turns: VecDeque::new(), waiting: HashMap::new(), len: 0 }
    }
}

impl<T> Line<T> {
    fn push(&mut self, waiting: Waiting<T>) {
        let client = waiting.client;
        let own = self.waiting.entry(client).or_default();
        if own.is_empty() {
            self.turns.push_back(client);
        }
        own.push_back(waiting);
        self.len += 1;
    }

    fn pop(&mut self) -> Option<Waiting<T>> {
        let client = self.turns.pop_front()?;
        let own = self.waiting.get_mut(&client)?;
        let next = own.pop_front()?;
        if own.is_empty() {
            self.waiting.remove(&client);
        } else {
            self.turns.push_back(client);
        }
        self.len -= 1;
        Some(next)
    }

    fn len(&self) -> usize {
        self.len
    }

    fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn oldest(&self) -> Option<Instant> {
        self.waiting.values().filter_map(|own| own.front()).map(|waiting| waiting.arrived).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(item: u32, client: u8, long: bool) -> Waiting<u32> {
        let client = Some(IpAddr::from([10, 0, 0, client]));
        Waiting { item, client, arrived: Instant::now(), program: u64::from(item), long }
    }

    fn drain(queue: &mut Queue<u32>, long_allowed: bool) -> Vec<u32> {
        std::iter::from_fn(|| queue.pop(long_allowed)).map(|next| next.item).collect()
    }

    #[test]
    fn clients_take_turns_however_much_one_of_them_asks_for() {
        let mut queue = Queue::default();
        for (item, client) in [(1, 1), (2, 1), (3, 1), (4, 2), (5, 3), (6, 2)] {
            queue.push(waiting(item, client, false));
        }
        assert_eq!(drain(&mut queue, true), [1, 4, 5, 2, 6, 3]);
        assert!(queue.is_empty() && queue.oldest().is_none());
    }

    #[test]
    fn long_ones_wait_for_short_ones_and_are_not_forgotten() {
        let mut queue = Queue::default();
        queue.push(waiting(100, 1, true));
        for item in 0..4 {
            queue.push(waiting(item, 1, false));
        }
        assert_eq!(drain(&mut queue, true), [0, 1, 2, 3, 100]);

        let mut old = waiting(100, 1, true);
        old.arrived = Instant::now().checked_sub(LONG_PATIENCE * 2).unwrap();
        queue.push(old);
        for item in 0..20 {
            queue.push(waiting(item, 1, false));
        }
        let at = drain(&mut queue, true).iter().position(|item| *item == 100);
        assert_eq!(at, Some(SHORT_FIRST as usize));
    }

    #[test]
    fn a_program_that_was_long_before_starts_among_the_long_ones() {
        let mut queue = Queue::default();
        queue.remember_long(1);
        for item in [1, 2] {
            queue.push(waiting(item, 1, false));
        }
        assert_eq!(drain(&mut queue, true), [2, 1]);
    }

    #[test]
    fn announced_tests_count_until_they_have_come() {
        let mut queue: Queue<u32> = Queue::default();
        let announcement = queue.announce(3);
        assert_eq!(queue.len(), 3);
        assert!(queue.is_empty() && queue.oldest().is_some());
        queue.comes(announcement);
        assert_eq!(queue.len(), 2);
        queue.withdraw(announcement);
        assert_eq!(queue.len(), 0);
    }
}
