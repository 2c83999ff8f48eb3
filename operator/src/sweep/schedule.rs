//! When a sweep with a schedule evaluates.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use real_crds::v1alpha1::Schedule;

use super::cron::Cron;

/// What a schedule asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// There is none.
    Never,
    /// Its next time is this.
    Later(Timestamp),
    /// This time has come.
    Now(Timestamp),
    /// This time has come and nothing is begun for it.
    LeftOut(Timestamp),
}

/// The time zone of a schedule.
pub(super) fn zone(schedule: &Schedule) -> Result<TimeZone, String> {
    let unknown = |_| {
        format!("\"{}\" is no time zone; it is one of the IANA's, such as Europe/Berlin or UTC", schedule.time_zone)
    };
    TimeZone::get(&schedule.time_zone).map_err(unknown)
}

/// What is due now, after the time that was served last, or after the sweep was created. Of several that were missed it is the last.
pub(super) fn due(schedule: &Schedule, last: Option<Timestamp>, created: Timestamp, now: Timestamp) -> Due {
    let (Ok(cron), Ok(zone)) = (Cron::parse(&schedule.cron), zone(schedule)) else { return Due::Never };
    let after = last.unwrap_or(created);
    let Some(first) = cron.after(after, &zone) else { return Due::Never };
    if first > now {
        return Due::Later(first);
    }
    let latest = cron.latest(first, now, &zone);
    let too_late = schedule.starting_deadline_seconds.is_some_and(|most| {
        now.duration_since(latest) > SignedDuration::from_secs(i64::try_from(most).unwrap_or(i64::MAX))
    });
    if too_late { cron.after(now, &zone).map_or(Due::Never, Due::Later) } else { Due::Now(latest) }
}

/// The first time after `time`.
pub(super) fn next(schedule: &Schedule, time: Timestamp) -> Option<Timestamp> {
    Cron::parse(&schedule.cron).ok()?.after(time, &zone(schedule).ok()?)
}

#[cfg(test)]
mod tests {
    use real_crds::v1alpha1::Concurrency;

    use super::*;

    fn schedule(cron: &str, time_zone: &str) -> Schedule {
        Schedule {
            cron: cron.to_owned(),
            time_zone: time_zone.to_owned(),
            concurrency: Concurrency::Forbid,
            starting_deadline_seconds: None,
        }
    }

    fn at(time: &str) -> Timestamp {
        time.parse().unwrap()
    }

    #[test]
    fn of_times_that_were_missed_the_last_is_made_up_for_unless_it_is_too_late() {
        let mut nightly = schedule("0 3 * * *", "Europe/Berlin");
        let created = at("2026-03-01T12:00:00Z");
        assert_eq!(due(&nightly, None, created, at("2026-03-01T13:00:00Z")), Due::Later(at("2026-03-02T02:00:00Z")));
        assert_eq!(due(&nightly, None, created, at("2026-03-02T02:00:00Z")), Due::Now(at("2026-03-02T02:00:00Z")));
        let late = at("2026-03-05T09:00:00Z");
        assert_eq!(due(&nightly, None, created, late), Due::Now(at("2026-03-05T02:00:00Z")));
        assert_eq!(
            due(&nightly, Some(at("2026-03-05T02:00:00Z")), created, late),
            Due::Later(at("2026-03-06T02:00:00Z"))
        );
        nightly.starting_deadline_seconds = Some(3600);
        assert_eq!(due(&nightly, None, created, late), Due::Later(at("2026-03-06T02:00:00Z")));
        // Years of minutes are not counted one by one.
        let often = schedule("* * * * *", "UTC");
        assert_eq!(due(&often, None, created, at("2046-03-01T12:00:30Z")), Due::Now(at("2046-03-01T12:00:00Z")));
    }

    #[test]
    fn a_zone_that_does_not_exist_is_named() {
        assert!(zone(&schedule("0 3 * * *", "Europe/Berlln")).unwrap_err().contains("Europe/Berlln"));
        assert!(zone(&schedule("0 3 * * *", "UTC")).is_ok());
    }
}
