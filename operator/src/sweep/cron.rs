//! Times as cron writes them (POSIX crontab, with the steps, names and `@` words of Vixie's cron).

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

/// Days that are looked at for the next time: the 29th of February of a leap year may be eight years away.
const MOST_DAYS: usize = 366 * 9;

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// Sets of minutes, hours, days and months, a bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cron {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Whether either of two restricted kinds of days will do, as cron has it.
    either: bool,
}

impl Cron {
    /// Reads `MINUTE HOUR DAY MONTH WEEKDAY`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let text = match text.trim() {
            "@hourly" => "0 * * * *",
            "@daily" => "0 0 * * *",
            "@weekly" => "0 0 * * 0",
            "@monthly" => "0 0 1 * *",
            other => other,
        };
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields[..] else {
            return Err(format!(
                "has {} fields; it must have five (minute, hour, day of the month, month, day of the week), or be @hourly, @daily, \
                 @weekly or @monthly",
                fields.len()
            ));
        };
        let mut weekdays = field("day of the week", weekday, (0, 7), &DAYS, 0)?;
        // Sunday is 0 and 7.
        weekdays = (weekdays | weekdays >> 7) & 0x7f;
        let cron = Self {
            minutes: field("minute", minute, (0, 59), &[], 0)?,
            hours: field("hour", hour, (0, 23), &[], 0)?,
            days: field("day of the month", day, (1, 31), &[], 0)?,
            months: field("month", month, (1, 12), &MONTHS, 1)?,
            weekdays,
            either: !day.starts_with('*') && !weekday.starts_with('*'),
        };
        let leap = DateTime::constant(2024, 1, 1, 0, 0, 0, 0).to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp());
        match leap.ok().and_then(|start| cron.after(start, &TimeZone::UTC)) {
            Some(_) => Ok(cron),
            None => Err("never comes".to_owned()),
        }
    }

    /// The first time after `time`. What falls into an hour that a clock leaves out comes right behind it; of an hour that comes twice the
    /// first counts.
    pub(super) fn after(&self, time: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let start = time.to_zoned(zone.clone());
        let mut date = start.date();
        for _ in 0..MOST_DAYS {
            if self.has_day(date) {
                let times = set(self.hours).flat_map(|hour| set(self.minutes).map(move |minute| (hour, minute)));
                for (hour, minute) in times {
                    let clock = date.to_datetime(Time::constant(hour, minute, 0, 0));
                    let at = zone.to_ambiguous_zoned(clock).compatible().ok()?.timestamp();
                    if at > time {
                        return Some(at);
                    }
                }
            }
            date = date.tomorrow().ok()?;
        }
        None
    }

    /// The last time from `first`, which is one, up to `now`.
    pub(super) fn latest(&self, first: Timestamp, now: Timestamp, zone: &TimeZone) -> Timestamp {
        let mut date = now.to_zoned(zone.clone()).date();
        let begin = first.to_zoned(zone.clone()).date();
        for _ in 0..MOST_DAYS {
            if date < begin {
                break;
            }
            let midnight = date.at(0, 0, 0, 0).checked_sub(1.second());
            let before = midnight.ok().and_then(|clock| zone.to_ambiguous_zoned(clock).compatible().ok());
            let mut last = None;
            let mut at = before.map(|zoned| zoned.timestamp());
            while let Some(next) = at.and_then(|at| self.after(at, zone)).filter(|next| *next <= now) {
                (last, at) = (Some(next), Some(next));
            }
            if let Some(last) = last {
                return last.max(first);
            }
            let Ok(yesterday) = date.yesterday() else { break };
            date = yesterday;
        }
        first
    }

    fn has_day(&self, date: Date) -> bool {
        let has = |set: u64, number: i8| set & (1 << number) != 0;
        let (day, weekday) = (has(self.days, date.day()), has(self.weekdays, date.weekday().to_sunday_zero_offset()));
        has(self.months, date.month()) && if self.either { day || weekday } else { day && weekday }
    }
}

/// The numbers of a set.
fn set(bits: u64) -> impl Iterator<Item = i8> + Clone {
    (0..64_i8).filter(move |number| bits & (1 << number) != 0)
}

/// `*`, numbers, names, ranges and steps, with commas between.
fn field(what: &str, text: &str, (low, high): (u8, u8), names: &[&str], first: u8) -> Result<u64, String> {
    let wrong = || {
        let or =
            if names.is_empty() { String::new() } else { format!(" or {} to {}", names[0], names[names.len() - 1]) };
        format!(
            "has the {what} \"{text}\"; it must be *, or numbers from {low} to {high}{or}, with - , and / between them"
        )
    };
    let number = |text: &str| {
        let lower = text.to_ascii_lowercase();
        let by_name = names.iter().position(|name| *name == lower).map(|index| index as u8 + first);
        let plain = || text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u8>().ok()).flatten();
        by_name.or_else(plain).filter(|number| (low..=high).contains(number)).ok_or_else(wrong)
    };
    let mut bits = 0;
    for part in text.split(',') {
        let (span, step) = part.split_once('/').map_or((part, None), |(span, step)| (span, Some(step)));
        let step = match step {
            Some(step) => step.parse::<u8>().ok().filter(|step| *step > 0).ok_or_else(wrong)?,
            None => 1,
        };
        let (from, to) = match span.split_once('-') {
            _ if span == "*" => (low, high),
            Some((from, to)) => (number(from)?, number(to)?),
            // `5/10` means from 5 on.
            None if part.contains('/') => (number(span)?, high),
            None => (number(span)?, number(span)?),
        };
        if from > to {
            return Err(wrong());
        }
        bits |= (from..=to).step_by(usize::from(step)).fold(0_u64, |bits, number| bits | 1 << number);
    }
    Ok(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(cron: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
        let (cron, zone) = (Cron::parse(cron).unwrap(), TimeZone::get(zone).unwrap());
        let mut time: Timestamp = after.parse().unwrap();
        let mut next = || {
            time = cron.after(time, &zone)?;
            Some(time.to_string())
        };
        std::iter::from_fn(&mut next).take(count).collect()
    }

    #[test]
    fn times_are_those_of_cron() {
        let after = "2026-03-01T12:00:00Z";
        for (cron, expected) in [
            ("30 4 * * *", ["2026-03-02T04:30:00Z", "2026-03-03T04:30:00Z"]),
            ("*/20 * * * *", ["2026-03-01T12:20:00Z", "2026-03-01T12:40:00Z"]),
            ("5/30 0 1-7 * mon", ["2026-03-02T00:05:00Z", "2026-03-02T00:35:00Z"]),
            ("0 0 1 jan,JUL *", ["2026-07-01T00:00:00Z", "2027-01-01T00:00:00Z"]),
            ("0 9 * * 1-5", ["2026-03-02T09:00:00Z", "2026-03-03T09:00:00Z"]),
            ("0 9 * * 7", ["2026-03-08T09:00:00Z", "2026-03-15T09:00:00Z"]),
            // Both kinds of days are restricted: either will do.
            ("0 9 13 * 5", ["2026-03-06T09:00:00Z", "2026-03-13T09:00:00Z"]),
            ("0 0 29 2 *", ["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"]),
            ("@hourly", ["2026-03-01T13:00:00Z", "2026-03-01T14:00:00Z"]),
            ("@weekly", ["2026-03-08T00:00:00Z", "2026-03-15T00:00:00Z"]),
        ] {
            assert_eq!(times(cron, "UTC", after, 2), expected, "{cron}");
        }
    }

    #[test]
    fn a_day_with_a_changed_clock_has_each_time_once() {
        // The clock jumps from 2 to 3 on the 29th of March, and back from 3 to 2 on the 25th of October.
        let spring = times("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", 2);
        assert_eq!(spring, ["2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"]);
        let autumn = times("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2);
        assert_eq!(autumn, ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]);
    }

    #[test]
    fn what_is_no_time_is_refused_in_words() {
        for (cron, expected) in [
            ("0 3 * *", "has 4 fields"),
            ("61 3 * * *", "the minute \"61\"; it must be *, or numbers from 0 to 59"),
            ("0 3 * * fry", "the day of the week \"fry\"; it must be *, or numbers from 0 to 7 or sun to sat"),
            ("0 5-3 * * *", "the hour \"5-3\""),
            ("*/0 * * * *", "the minute \"*/0\""),
            ("+5 * * * *", "the minute \"+5\""),
            ("0 0 30 2 *", "never comes"),
        ] {
            let said = Cron::parse(cron).unwrap_err();
            assert!(said.contains(expected), "{said}");
        }
    }
}
