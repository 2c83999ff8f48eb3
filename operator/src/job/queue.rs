//! What Kueue says of an attempt's Job, by the Workload that it makes of it, and how much the attempt has to lose.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

/// Kueue's Workload of an attempt's Job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Workload {
    /// Its name.
    pub name: String,
    /// Why the Job waits, in Kueue's words; nothing where it has said none, or admitted it.
    pub waits: Option<String>,
    /// Why Kueue has taken the quota back, in its words, until it gives it anew.
    pub evicted: Option<String>,
    /// The value of its annotation [`crate::labels::KUEUE_BOOST`].
    pub boost: Option<String>,
}

/// A boost that is to be written on a Workload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Boost {
    /// Name of the Workload.
    pub workload: String,
    /// By how much its priority is above that of its class.
    pub value: u32,
}

/// The largest boost: an hour or more would be lost. Priorities of classes that are further apart than this never meet.
pub(super) const MOST: u32 = 7;

/// The boost of an attempt that would lose what it did since `since`, and when it grows next.
///
/// 0 where it has just written a checkpoint, and 1 more each time the minutes double: 1, 2, 4, 8, 16, 32, 64. So what would lose an
/// hour gives way last, and a checkpoint interval, however long, costs no more than seven writes.
pub(super) fn boost(since: Timestamp, now: Timestamp) -> (u32, Option<Timestamp>) {
    let minutes = (now.duration_since(since).as_secs().max(0) / 60) as u64;
    let boost = (u64::BITS - minutes.leading_zeros()).min(MOST);
    let grows = (boost < MOST).then(|| since.checked_add(SignedDuration::from_mins(1 << boost)).ok()).flatten();
    (boost, grows)
}

impl Workload {
    /// The boost that it has, by an annotation that may be ours: that of another controller is left to it.
    pub(super) fn boosted(&self) -> Option<u32> {
        match &self.boost {
            None => Some(0),
            Some(value) => value.parse().ok().filter(|boost| *boost <= MOST),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_would_lose_more_gives_way_later_and_the_boost_is_written_seldom() {
        let since: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        let after = |minutes| boost(since, since + SignedDuration::from_mins(minutes));
        let boosts: Vec<u32> = [0, 1, 2, 3, 4, 8, 16, 32, 63, 64, 10_000].map(|minutes| after(minutes).0).to_vec();
        assert_eq!(boosts, [0, 1, 2, 2, 3, 4, 5, 6, 6, 7, 7]);
        assert_eq!(after(64).1, None);
        // Each time that it names, it has grown by one: it is never looked at in vain.
        let (mut now, mut looks) = (since, 0);
        while let (before, Some(next)) = boost(since, now) {
            assert_eq!(boost(since, next).0, before + 1);
            (now, looks) = (next, looks + 1);
        }
        assert_eq!(looks, MOST);
        // A clock that went back loses nothing.
        assert_eq!(boost(since, since - SignedDuration::from_hours(1)).0, 0);
    }

    #[test]
    fn a_boost_of_another_controller_is_not_ours() {
        let with = |boost: &str| Workload { boost: Some(boost.to_owned()), ..Workload::default() }.boosted();
        assert_eq!((with("0"), with("7"), with("8"), with("-1"), with("150")), (Some(0), Some(7), None, None, None));
        assert_eq!(Workload::default().boosted(), Some(0));
    }
}
