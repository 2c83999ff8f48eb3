//! Which objects are to be looked at, and when. Each is looked at by one at a time, however many news there are of it.
//!
//! What this costs does not depend on how many objects wait: a step is a look into a map and into a tree.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::time::Duration;

use tokio::time::Instant;

/// News of an object that come within this after others are one reason to look.
const QUIET: Duration = Duration::from_millis(100);
/// An object of which there are always news is looked at after this all the same.
const PATIENCE: Duration = Duration::from_millis(500);

/// Objects by when they are to be looked at.
#[derive(Debug)]
pub(crate) struct Agenda<K> {
    entries: HashMap<K, Entry>,
    /// Of those that nobody looks at; the number tells apart what is due at the same time.
    due: BTreeMap<(Instant, u64), K>,
    number: u64,
}

/// An object that is to be looked at, or is.
#[derive(Debug, Default)]
struct Entry {
    next: Option<Due>,
    /// Whether somebody looks at it, or waits for his turn to.
    taken: bool,
    /// Its place in `due`.
    place: Option<(Instant, u64)>,
}

/// When an object is to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Due {
    at: Instant,
    /// Further news put it off no longer than until then; nothing does where it was asked for ahead.
    latest: Option<Instant>,
}

impl<K: Clone + Eq + Hash> Agenda<K> {
    /// Nothing to do.
    pub(crate) fn new() -> Self {
        Self { entries: HashMap::new(), due: BTreeMap::new(), number: 0 }
    }

    /// There are news of `key`.
    pub(crate) fn news(&mut self, key: K, now: Instant) {
        self.plan(key, |next| match next {
            Some(Due { latest: Some(latest), .. }) => Due { at: (now + QUIET).min(latest), latest: Some(latest) },
            Some(ahead) if ahead.at <= now + QUIET => ahead,
            _ => Due { at: now + QUIET, latest: Some(now + PATIENCE) },
        });
    }

    /// Something of `key` that is due, if anything is; whoever takes it looks at it.
    pub(crate) fn take(&mut self, now: Instant) -> Option<K> {
        let first = self.due.first_entry().filter(|first| first.key().0 <= now)?;
        let key = first.remove();
        if let Some(entry) = self.entries.get_mut(&key) {
            *entry = Entry { taken: true, ..Entry::default() };
        }
        Some(key)
    }

    /// When something is due next.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.due.first_key_value().map(|((at, _), _)| *at)
    }

    /// The look at `key` has its turn, and sees what was news until now; what comes from now on is a reason for another.
    pub(crate) fn begin(&mut self, key: &K) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.next = None;
        }
    }

    /// The look at `key` is over, and asks for another at `again`.
    pub(crate) fn done(&mut self, key: K, again: Option<Instant>) {
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.taken = false;
        }
        match again {
            Some(at) => self.plan(key, |next| match next {
                Some(next) if next.at <= at => next,
                _ => Due { at, latest: None },
            }),
            None => self.enter(key),
        }
    }

    fn plan(&mut self, key: K, next: impl FnOnce(Option<Due>) -> Due) {
        let entry = self.entries.entry(key.clone()).or_default();
        entry.next = Some(next(entry.next));
        self.enter(key);
    }

    /// Puts the object where its next look is due, unless one is under way.
    fn enter(&mut self, key: K) {
        let Some(entry) = self.entries.get_mut(&key).filter(|entry| !entry.taken) else { return };
        if let Some(place) = entry.place.take() {
            self.due.remove(&place);
        }
        let Some(next) = entry.next else {
            self.entries.remove(&key);
            return;
        };
        self.number += 1;
        entry.place = Some((next.at, self.number));
        self.due.insert((next.at, self.number), key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn news_that_come_together_are_one_look_and_a_stream_of_them_puts_it_off_no_longer_than_half_a_second() {
        let (mut agenda, begun) = (Agenda::new(), Instant::now());
        let mut looks = Vec::new();
        for i in 0..200 {
            let now = begun + 20 * MS * i;
            agenda.news("a", now);
            while let Some(key) = agenda.take(now) {
                looks.push((now - begun).as_millis());
                agenda.begin(&key);
                agenda.done(key, None);
            }
        }
        assert_eq!(looks, [500, 1020, 1540, 2060, 2580, 3100, 3620]);
        let mut agenda = Agenda::new();
        agenda.news("a", begun);
        agenda.news("a", begun + 60 * MS);
        assert_eq!(agenda.next(), Some(begun + 160 * MS));
        assert_eq!(agenda.take(begun + 159 * MS), None);
        assert_eq!(agenda.take(begun + 160 * MS), Some("a"));
    }

    #[test]
    fn nobody_looks_at_an_object_twice_at_once_and_no_news_are_lost() {
        let (mut agenda, now) = (Agenda::new(), Instant::now());
        let later = now + PATIENCE;
        agenda.news("a", now);
        assert_eq!(agenda.take(later), Some("a"));
        agenda.news("a", later);
        assert_eq!(agenda.next(), None, "it waits for its turn");
        agenda.begin(&"a");
        agenda.done("a", None);
        assert_eq!(agenda.take(later + PATIENCE), None, "it has seen them");
        agenda.news("a", later);
        agenda.take(later + PATIENCE).unwrap();
        agenda.begin(&"a");
        agenda.news("a", later);
        assert_eq!(agenda.take(later + PATIENCE), None, "somebody looks at it");
        agenda.done("a", None);
        assert_eq!(agenda.take(later + PATIENCE), Some("a"), "what came meanwhile");
        agenda.news("a", later);
        agenda.done("a", None);
        assert_eq!(agenda.take(later + 2 * PATIENCE), Some("a"), "what came to one that never had its turn");
        agenda.done("a", None);
        assert!(agenda.entries.is_empty() && agenda.due.is_empty(), "what is at rest takes no room");
    }

    #[test]
    fn the_earlier_of_news_and_of_what_was_asked_for_counts() {
        let (mut agenda, now) = (Agenda::new(), Instant::now());
        let ask = |agenda: &mut Agenda<&str>, at| {
            agenda.news("a", now);
            let key = agenda.take(now + PATIENCE).unwrap();
            agenda.begin(&key);
            agenda.done(key, Some(at));
        };
        ask(&mut agenda, now + Duration::from_hours(1));
        agenda.news("a", now);
        assert_eq!(agenda.take(now + QUIET), Some("a"), "news, an hour before");
        agenda.done("a", Some(now + 10 * MS));
        agenda.news("a", now);
        assert_eq!(agenda.next(), Some(now + 10 * MS), "what was asked for is not put off");
        agenda.news("b", now);
        assert_eq!(
            (agenda.take(now + QUIET), agenda.take(now + QUIET)),
            (Some("a"), Some("b")),
            "in the order of their times"
        );
        agenda.begin(&"a");
        agenda.news("a", now);
        agenda.done("a", Some(now + Duration::from_hours(1)));
        assert_eq!(agenda.next(), Some(now + QUIET));
    }
}
