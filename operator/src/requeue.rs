//! When an object is looked at again, even if nothing happens: at the earliest of the times that a plan asks for.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// `seconds` after `time`.
pub(crate) fn after(time: Timestamp, seconds: u64) -> Timestamp {
    time.checked_add(SignedDuration::from_secs(seconds as i64)).unwrap_or(Timestamp::MAX)
}

/// No later than after `wait`.
pub(crate) fn within(requeue: &mut Option<Duration>, wait: Duration) {
    *requeue = Some(requeue.map_or(wait, |other| other.min(wait)));
}

/// No later than at `time`, and a second more: the API server's times are cut to seconds.
pub(crate) fn by(requeue: &mut Option<Duration>, now: Timestamp, time: Timestamp) {
    within(requeue, Duration::try_from(time.duration_since(now)).unwrap_or_default() + Duration::from_secs(1));
}

/// Whether an object that `ended` is to be deleted by now, by its `ttl` in seconds. Until then it is looked at again in time.
pub(crate) fn is_outlived(
    requeue: &mut Option<Duration>,
    now: Timestamp,
    ended: Option<&Time>,
    ttl: Option<u64>,
) -> bool {
    let Some(ttl) = ttl else { return false };
    let deadline = after(ended.map_or(now, |time| time.0), ttl);
    let outlived = now >= deadline;
    if !outlived {
        by(requeue, now, deadline);
    }
    outlived
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_time_that_is_asked_for_counts() {
        let now = Timestamp::from_second(1000).unwrap();
        let mut requeue = None;
        by(&mut requeue, now, after(now, 60));
        assert_eq!(requeue, Some(Duration::from_secs(61)));
        within(&mut requeue, Duration::from_secs(5));
        by(&mut requeue, now, after(now, u64::MAX));
        assert_eq!(requeue, Some(Duration::from_secs(5)));
        // What is past is due at once.
        by(&mut requeue, now, Timestamp::from_second(10).unwrap());
        assert_eq!(requeue, Some(Duration::from_secs(1)));
    }

    #[test]
    fn what_is_over_goes_after_its_time_and_stays_where_there_is_none() {
        let (now, ended) = (Timestamp::from_second(1000).unwrap(), Time(Timestamp::from_second(990).unwrap()));
        let mut requeue = None;
        assert!(!is_outlived(&mut requeue, now, Some(&ended), None));
        assert_eq!(requeue, None);
        assert!(!is_outlived(&mut requeue, now, Some(&ended), Some(30)));
        assert_eq!(requeue, Some(Duration::from_secs(21)));
        assert!(is_outlived(&mut requeue, now, Some(&ended), Some(10)));
        assert!(is_outlived(&mut requeue, now, None, Some(0)), "without a time it has just ended");
    }
}
