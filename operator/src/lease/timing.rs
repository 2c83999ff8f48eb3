//! The periods of an election.

use std::time::Duration;

use rand::RngExt as _;

/// Periods of an election. The defaults are those of the control plane's own components.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    lease: Duration,
    renew_deadline: Duration,
    retry: Duration,
    margin: Duration,
}

/// Periods that do not fit together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimingError {
    /// The API keeps whole seconds.
    #[error("lease duration {0:?} is not a whole number of seconds from 1 to 3600: choose one that is")]
    Lease(Duration),
    /// A leader would give up after its guard did.
    #[error(
        "renew deadline {renew_deadline:?} plus safety margin {margin:?} is more than the lease duration {lease:?}: \
         shorten one of them or lengthen the lease"
    )]
    Deadline {
        /// Lease duration.
        lease: Duration,
        /// Renew deadline.
        renew_deadline: Duration,
        /// Safety margin.
        margin: Duration,
    },
    /// One failed renewal would cost the lead.
    #[error(
        "retry period {retry:?} is zero or more than a third of the renew deadline {renew_deadline:?}: choose a period that \
         leaves room for retries"
    )]
    Retry {
        /// Retry period.
        retry: Duration,
        /// Renew deadline.
        renew_deadline: Duration,
    },
    /// A write that is on its way when the guard closes would have no time to arrive.
    #[error("safety margin is zero: leave writes that are on their way time to arrive")]
    Margin,
}

impl Timing {
    /// * `lease`: how long the others wait after the last renewal they saw; whole seconds.
    /// * `renew_deadline`: how long a leader tries to renew before it gives up.
    /// * `retry`: from one try to the next, and from one renewal to the next.
    /// * `margin`: how long before the end of the lease the guard closes.
    pub fn new(
        lease: Duration,
        renew_deadline: Duration,
        retry: Duration,
        margin: Duration,
    ) -> Result<Self, TimingError> {
        if lease.subsec_nanos() != 0 || !(1..=3600).contains(&lease.as_secs()) {
            return Err(TimingError::Lease(lease));
        }
        if margin.is_zero() {
            return Err(TimingError::Margin);
        }
        if renew_deadline + margin > lease {
            return Err(TimingError::Deadline { lease, renew_deadline, margin });
        }
        if retry.is_zero() || retry * 3 > renew_deadline {
            return Err(TimingError::Retry { retry, renew_deadline });
        }
        Ok(Self { lease, renew_deadline, retry, margin })
    }

    /// How long the others wait after the last renewal they saw.
    pub fn lease(&self) -> Duration {
        self.lease
    }

    /// How long a leader tries to renew before it gives up.
    pub fn renew_deadline(&self) -> Duration {
        self.renew_deadline
    }

    /// From one try to the next.
    pub fn retry(&self) -> Duration {
        self.retry
    }

    /// How long after the start of a renewal the guard stays open.
    pub(super) fn validity(&self) -> Duration {
        self.lease.saturating_sub(self.margin)
    }

    /// How long one request may take: a connection that swallows requests must leave time for another try.
    pub(super) fn request(&self) -> Duration {
        self.renew_deadline / 2
    }

    /// The retry period, a fifth more or less, so that standbys do not ask in step.
    pub(super) fn jittered_retry(&self) -> Duration {
        self.retry.mul_f64(rand::rng().random_range(0.8..=1.2))
    }

    /// `spec.leaseDurationSeconds`.
    pub(super) fn lease_seconds(&self) -> i32 {
        self.lease.as_secs() as i32
    }
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry: Duration::from_secs(2),
            margin: Duration::from_secs(2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_fits_together() {
        let default = Timing::default();
        assert_eq!(Timing::new(default.lease, default.renew_deadline, default.retry, default.margin), Ok(default));
    }

    #[test]
    fn periods_that_do_not_fit_together_are_refused() {
        let millis = Duration::from_millis;
        let rows = [
            ((0, 0, 1, 1), "lease duration 0ns is not a whole number"),
            ((1500, 500, 100, 100), "lease duration 1.5s is not a whole number"),
            ((3_601_000, 500, 100, 100), "lease duration 3601s is not a whole number"),
            ((3000, 2000, 300, 0), "safety margin is zero"),
            ((3000, 2600, 300, 500), "renew deadline 2.6s plus safety margin 500ms is more"),
            ((3000, 2000, 700, 500), "retry period 700ms is zero or more than a third"),
            ((3000, 2000, 0, 500), "retry period 0ns is zero or more than a third"),
        ];
        for ((lease, deadline, retry, margin), expected) in rows {
            let error = Timing::new(millis(lease), millis(deadline), millis(retry), millis(margin)).unwrap_err();
            assert!(error.to_string().starts_with(expected), "{error}");
        }
        assert!(Timing::new(millis(3000), millis(2000), millis(300), millis(500)).is_ok());
    }
}
