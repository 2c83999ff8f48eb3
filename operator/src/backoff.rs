//! Waits of objects that failed.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rand::RngExt as _;

/// The first wait.
const BASE: Duration = Duration::from_secs(1);
/// The longest wait.
const CAP: Duration = Duration::from_mins(5);

/// Waits per object: 1 s after its first failure in a row, doubled by each, 5 min at most, each a fifth longer or shorter.
///
/// It holds only objects that failed since they last succeeded: [`Backoff::reset`] on success and deletion.
#[derive(Debug)]
pub struct Backoff<K> {
    tries: Mutex<HashMap<K, u32>>,
}

impl<K: Eq + Hash + Clone> Backoff<K> {
    /// Nothing failed yet.
    pub fn new() -> Self {
        Self { tries: Mutex::new(HashMap::new()) }
    }

    /// `key` failed: how long to leave it alone.
    pub fn next(&self, key: &K) -> Duration {
        let mut tries = self.tries();
        let tries = tries.entry(key.clone()).or_default();
        let wait = wait(*tries);
        *tries = tries.saturating_add(1);
        wait.mul_f64(rand::rng().random_range(0.8..=1.2))
    }

    /// `key` succeeded or is gone.
    pub fn reset(&self, key: &K) {
        let mut tries = self.tries();
        tries.remove(key);
        // A storm of failures must not keep its memory for ever.
        if tries.len() < tries.capacity() / 4 {
            let length = tries.len();
            tries.shrink_to(2 * length);
        }
    }

    /// Forgets all but those that are `alive`.
    pub fn retain(&self, alive: impl Fn(&K) -> bool) {
        let mut tries = self.tries();
        tries.retain(|key, _| alive(key));
        let length = tries.len();
        tries.shrink_to(2 * length);
    }

    /// How often `key` failed in a row.
    pub fn failures(&self, key: &K) -> u32 {
        self.tries().get(key).copied().unwrap_or(0)
    }

    /// Counts cannot be half-written, so a panic elsewhere spoils nothing.
    fn tries(&self) -> std::sync::MutexGuard<'_, HashMap<K, u32>> {
        self.tries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash + Clone> Default for Backoff<K> {
    fn default() -> Self {
        Self::new()
    }
}

/// The wait after `tries` earlier failures, before it is varied.
fn wait(tries: u32) -> Duration {
    2_u32.checked_pow(tries).and_then(|factor| BASE.checked_mul(factor)).map_or(CAP, |wait| wait.min(CAP))
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Pod;
    use kube::runtime::reflector::ObjectRef;

    use super::*;

    #[test]
    fn waits_double_up_to_a_cap() {
        let seconds = [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300];
        for (tries, expected) in (0..).zip(seconds) {
            assert_eq!(wait(tries), Duration::from_secs(expected), "after {tries} failures");
        }
        assert_eq!(wait(u32::MAX), CAP);
    }

    #[test]
    fn waits_vary_by_a_fifth_and_objects_wait_apart() {
        let backoff = Backoff::new();
        let one = ObjectRef::<Pod>::new("one").within("ml");
        let two = ObjectRef::<Pod>::new("two").within("ml");
        for expected in [1.0, 2.0, 4.0, 8.0] {
            let wait = backoff.next(&one).as_secs_f64();
            assert!((expected * 0.8..=expected * 1.2).contains(&wait), "{wait} s instead of about {expected} s");
        }
        assert!(backoff.next(&two) <= Duration::from_millis(1200));
        backoff.reset(&one);
        assert!(backoff.next(&one) <= Duration::from_millis(1200));
        assert_eq!((backoff.failures(&one), backoff.failures(&two)), (1, 1));
    }

    #[test]
    fn two_objects_that_fail_together_do_not_come_back_together() {
        let backoff = Backoff::new();
        let waits: std::collections::HashSet<Duration> = (0..100).map(|key| backoff.next(&key)).collect();
        assert!(waits.len() > 90, "{} of 100 waits differ", waits.len());
    }

    #[test]
    fn objects_that_succeeded_take_no_memory() {
        let backoff = Backoff::new();
        for key in 0..10_000 {
            backoff.next(&key);
        }
        for key in 0..10_000 {
            backoff.reset(&key);
            backoff.reset(&key);
        }
        let tries = backoff.tries();
        assert!(tries.is_empty());
        assert!(tries.capacity() < 16, "room for {}", tries.capacity());
    }
}
