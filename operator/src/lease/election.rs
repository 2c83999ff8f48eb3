//! The decision: what a process that sees a Lease does next. No I/O, no clock.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use tokio::time::Instant;

use super::record::holder;
use super::{Identity, Timing};

/// What this process last saw of a Lease, and since when it looks like that.
#[derive(Clone, Debug)]
pub struct Observation {
    lease: Option<Lease>,
    changed: Instant,
}

impl Observation {
    /// The first look.
    pub fn new(lease: Option<Lease>, now: Instant) -> Self {
        Self { lease, changed: now }
    }

    /// Another look. Only a change of the record starts the wait for its end anew; times within the record are another
    /// machine's and say nothing here.
    pub fn update(&mut self, lease: Option<Lease>, now: Instant) {
        let spec = |lease: &Option<Lease>| lease.as_ref().map(|lease| lease.spec.clone());
        if spec(&self.lease) != spec(&lease) {
            self.changed = now;
        }
        self.lease = lease;
    }

    /// The Lease; `None` where there is none.
    pub fn lease(&self) -> Option<&Lease> {
        self.lease.as_ref()
    }
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// This process holds the lease and need not renew it yet.
    Hold {
        /// When to renew.
        until: Instant,
    },
    /// This process holds the lease and renews it now.
    Renew,
    /// Nobody holds the lease, or not any more: take it.
    Acquire,
    /// Another process holds the lease.
    Wait {
        /// When its lease ends if it is not renewed.
        until: Instant,
    },
}

/// What `me` does at `now`.
///
/// A holder's lease ends `leaseDurationSeconds` of its record after *this process saw* the record change. A record without a
/// duration is given the own one.
pub fn evaluate(seen: &Observation, me: &Identity, timing: &Timing, now: Instant) -> Decision {
    let Some(lease) = &seen.lease else {
        return Decision::Acquire;
    };
    match holder(lease) {
        None => Decision::Acquire,
        Some(holder) if holder == me.as_str() => {
            let until = seen.changed + timing.retry();
            if now < until { Decision::Hold { until } } else { Decision::Renew }
        }
        Some(_) => {
            let until = seen.changed + duration(lease).unwrap_or(timing.lease());
            if now < until { Decision::Wait { until } } else { Decision::Acquire }
        }
    }
}

fn duration(lease: &Lease) -> Option<Duration> {
    let seconds = lease.spec.as_ref()?.lease_duration_seconds?;
    u64::try_from(seconds).ok().filter(|seconds| *seconds > 0).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use k8s_openapi::api::coordination::v1::LeaseSpec;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

    use super::*;

    fn me() -> Identity {
        Identity::from("me".to_owned())
    }

    fn lease(holder: Option<&str>, seconds: Option<i32>) -> Lease {
        let spec = LeaseSpec {
            holder_identity: holder.map(str::to_owned),
            lease_duration_seconds: seconds,
            ..LeaseSpec::default()
        };
        Lease { spec: Some(spec), ..Lease::default() }
    }

    #[derive(Debug, PartialEq)]
    enum Expected {
        HoldUntil(u64),
        Renew,
        Acquire,
        WaitUntil(u64),
    }

    #[test]
    fn every_record_and_age_has_its_decision() {
        use Expected::{Acquire, HoldUntil, Renew, WaitUntil};
        // Defaults: lease 15 s, retry 2 s. Ages and results in milliseconds after the record was seen to change.
        let rows = [
            ("no lease", None, 0, Acquire),
            ("a lease without a spec", Some(Lease::default()), 0, Acquire),
            ("no holder", Some(lease(None, Some(15))), 0, Acquire),
            ("a released lease, just seen", Some(lease(Some(""), Some(15))), 0, Acquire),
            ("mine, just renewed", Some(lease(Some("me"), Some(15))), 0, HoldUntil(2000)),
            ("mine, not yet due", Some(lease(Some("me"), Some(15))), 1999, HoldUntil(2000)),
            ("mine, due", Some(lease(Some("me"), Some(15))), 2000, Renew),
            ("mine, over by my own clock", Some(lease(Some("me"), Some(15))), 60_000, Renew),
            ("another's, just seen", Some(lease(Some("you"), Some(15))), 0, WaitUntil(15_000)),
            ("another's, almost over", Some(lease(Some("you"), Some(15))), 14_999, WaitUntil(15_000)),
            ("another's, over", Some(lease(Some("you"), Some(15))), 15_000, Acquire),
            ("another's shorter lease counts", Some(lease(Some("you"), Some(3))), 2999, WaitUntil(3000)),
            ("another's shorter lease, over", Some(lease(Some("you"), Some(3))), 3000, Acquire),
            ("another's longer lease counts", Some(lease(Some("you"), Some(60))), 15_000, WaitUntil(60_000)),
            ("another's without a duration", Some(lease(Some("you"), None)), 14_999, WaitUntil(15_000)),
            ("another's without a duration, over", Some(lease(Some("you"), None)), 15_000, Acquire),
            ("another's with zero seconds", Some(lease(Some("you"), Some(0))), 14_999, WaitUntil(15_000)),
            ("another's with negative seconds", Some(lease(Some("you"), Some(-5))), 14_999, WaitUntil(15_000)),
            ("another's longest", Some(lease(Some("you"), Some(i32::MAX))), 0, WaitUntil(2_147_483_647_000)),
            ("a holder whose name begins like mine", Some(lease(Some("me2"), Some(15))), 0, WaitUntil(15_000)),
            ("a holder whose name differs in case", Some(lease(Some("ME"), Some(15))), 0, WaitUntil(15_000)),
        ];
        let start = Instant::now();
        let after = |instant: Instant| (instant - start).as_millis() as u64;
        for (name, lease, age, expected) in rows {
            let now = start + Duration::from_millis(age);
            let decision = match evaluate(&Observation::new(lease, start), &me(), &Timing::default(), now) {
                Decision::Hold { until } => HoldUntil(after(until)),
                Decision::Renew => Renew,
                Decision::Acquire => Acquire,
                Decision::Wait { until } => WaitUntil(after(until)),
            };
            assert_eq!(decision, expected, "{name}, {age} ms after it changed");
        }
    }

    #[test]
    fn times_in_the_record_are_not_trusted_in_either_direction() {
        let start = Instant::now();
        for renewed in [Timestamp::MIN, Timestamp::UNIX_EPOCH, Timestamp::MAX] {
            let mut lease = lease(Some("you"), Some(15));
            lease.spec.as_mut().unwrap().renew_time = Some(MicroTime(renewed));
            let seen = Observation::new(Some(lease), start);
            let at = |seconds| evaluate(&seen, &me(), &Timing::default(), start + Duration::from_secs(seconds));
            assert_eq!(at(14), Decision::Wait { until: start + Duration::from_secs(15) });
            assert_eq!(at(15), Decision::Acquire);
        }
    }

    #[test]
    fn a_renewal_by_the_holder_starts_the_wait_anew_even_where_its_clock_went_back() {
        let start = Instant::now();
        let second = |n| start + Duration::from_secs(n);
        let renewed = |time: Timestamp| {
            let mut lease = lease(Some("you"), Some(15));
            lease.spec.as_mut().unwrap().renew_time = Some(MicroTime(time));
            Some(lease)
        };
        let mut seen = Observation::new(renewed(Timestamp::MAX), start);
        seen.update(renewed(Timestamp::UNIX_EPOCH), second(10));
        assert_eq!(evaluate(&seen, &me(), &Timing::default(), second(16)), Decision::Wait { until: second(25) });
    }

    #[test]
    fn looking_again_at_an_unchanged_record_does_not_prolong_it() {
        let start = Instant::now();
        let second = |n| start + Duration::from_secs(n);
        let mut seen = Observation::new(Some(lease(Some("you"), Some(15))), start);
        for n in 1..15 {
            // A label changes the resource version and not the record.
            let mut again = lease(Some("you"), Some(15));
            again.metadata.resource_version = Some(n.to_string());
            seen.update(Some(again), second(n));
            assert_eq!(evaluate(&seen, &me(), &Timing::default(), second(n)), Decision::Wait { until: second(15) });
        }
        assert_eq!(evaluate(&seen, &me(), &Timing::default(), second(15)), Decision::Acquire);
        assert_eq!(seen.lease().unwrap().metadata.resource_version.as_deref(), Some("14"));
    }
}
