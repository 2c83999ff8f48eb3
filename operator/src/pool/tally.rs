//! What pods have counted, added up while pods come and go.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

/// A rate over less than this would be noise.
const SHORTEST: SignedDuration = SignedDuration::from_secs(1);
/// A pod that is silent for as long is gone.
const LONGEST_SILENCE: SignedDuration = SignedDuration::from_hours(1);

/// What a pod has counted since its container started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Tests or programs that were answered.
    pub answered: u64,
    /// Requests that were told to come back later.
    pub refused: u64,
}

impl Counts {
    /// What came to `before`. A container that started again counts from 0.
    fn since(self, before: Self) -> Self {
        let more = |now: u64, before: u64| now.checked_sub(before).unwrap_or(now);
        Self { answered: more(self.answered, before.answered), refused: more(self.refused, before.refused) }
    }
}

/// The sums.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tally {
    /// When pods were last asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<Timestamp>,
    /// When each pod was last heard, and what it said; by uid.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    heard: BTreeMap<String, (Timestamp, Counts)>,
    /// Requests that were told to come back later, ever.
    refused: u64,
    /// Answers a second between the last two looks.
    #[serde(skip_serializing_if = "Option::is_none")]
    per_second: Option<String>,
}

impl Tally {
    /// Requests that were told to come back later, ever.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Answers a second, of all pods, between the last two looks; `None` before the second and where no pod answers.
    pub fn per_second(&self) -> Option<&str> {
        self.per_second.as_deref()
    }

    /// Adds what pods said when they were asked at `at`. `stored` is how many were refused before the operator started;
    /// what was counted while it did not look is nobody's.
    pub fn add(&mut self, said: &BTreeMap<String, Counts>, at: Timestamp, stored: u64) {
        let first = self.at.is_none();
        let pause = self.at.map_or(SignedDuration::ZERO, |before| at.duration_since(before));
        if !first && pause < SHORTEST {
            return;
        }
        let mut news = Counts::default();
        for (pod, &counts) in said {
            let before = self.heard.insert(pod.clone(), (at, counts));
            let more = counts.since(before.map_or(Counts::default(), |(_, before)| before));
            news.answered = news.answered.saturating_add(more.answered);
            news.refused = news.refused.saturating_add(more.refused);
        }
        self.refused = if first { stored } else { self.refused.saturating_add(news.refused) };
        self.heard.retain(|_, (heard, _)| at.duration_since(*heard) < LONGEST_SILENCE);
        self.per_second = (!first && !said.is_empty()).then(|| rate(news.answered, pause));
        self.at = Some(at);
    }
}

fn rate(answered: u64, pause: SignedDuration) -> String {
    let rate = answered as f64 / pause.as_secs_f64();
    if rate < 10.0 { format!("{rate:.1}") } else { format!("{rate:.0}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).unwrap()
    }

    fn said<const N: usize>(pods: [(&str, u64, u64); N]) -> BTreeMap<String, Counts> {
        pods.into_iter().map(|(pod, answered, refused)| (pod.to_owned(), Counts { answered, refused })).collect()
    }

    #[test]
    fn the_first_look_counts_nothing() {
        let mut tally = Tally::default();
        tally.add(&said([("a", 500, 7)]), at(0), 3);
        assert_eq!((tally.per_second(), tally.refused()), (None, 3));
        tally.add(&said([("a", 530, 9)]), at(15), 3);
        assert_eq!((tally.per_second(), tally.refused()), (Some("2.0"), 5));
    }

    #[test]
    fn pods_come_go_fall_silent_and_start_again() {
        let mut tally = Tally::default();
        tally.add(&said([("a", 1000, 0), ("b", 1000, 5)]), at(0), 0);
        tally.add(&said([("a", 1300, 0), ("new", 300, 2)]), at(10), 0);
        assert_eq!((tally.per_second(), tally.refused()), (Some("60"), 2));
        tally.add(&said([("a", 1300, 0), ("b", 1050, 6), ("new", 300, 2)]), at(20), 0);
        assert_eq!((tally.per_second(), tally.refused()), (Some("5.0"), 3), "b was silent, and has 50 and 1 more");
        tally.add(&said([("a", 20, 1)]), at(30), 0);
        assert_eq!((tally.per_second(), tally.refused()), (Some("2.0"), 4), "a started again");
        tally.add(&said([]), at(40), 0);
        assert_eq!((tally.per_second(), tally.refused()), (None, 4));
        tally.add(&said([("b", 1060, 6)]), at(7200), 0);
        assert_eq!(tally.heard.len(), 1);
    }

    #[test]
    fn the_same_answers_a_second_time_change_nothing() {
        let mut tally = Tally::default();
        tally.add(&said([("a", 0, 0)]), at(0), 0);
        tally.add(&said([("a", 100, 0)]), at(10), 0);
        let before = tally.clone();
        tally.add(&said([("a", 100, 0)]), at(10), 0);
        assert_eq!(tally, before);
    }
}
