//! A bounded memory of programs that no analysis comes to an end with: each costs many times what others do.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use real_detector_api::AnalysisError;

/// The oldest is forgotten then.
const MOST: usize = 10_000;

/// Programs, by two hashes with secret keys: nobody can write a program that is taken for another.
#[derive(Debug, Default)]
pub(crate) struct Hopeless {
    keys: [RandomState; 2],
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    errors: HashMap<[u64; 2], AnalysisError>,
    order: VecDeque<[u64; 2]>,
}

impl Hopeless {
    fn name(&self, code: &str) -> [u64; 2] {
        self.keys.each_ref().map(|key| key.hash_one(code))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was found out about a program.
    pub(crate) fn get(&self, code: &str) -> Option<AnalysisError> {
        if self.known().errors.is_empty() {
            return None;
        }
        let name = self.name(code);
        self.known().errors.get(&name).cloned()
    }

    /// Remembers what is about a program and took long to find out.
    pub(crate) fn add(&self, code: &str, error: &AnalysisError) {
        let name = self.name(code);
        let mut known = self.known();
        if known.errors.insert(name, error.clone()).is_none() {
            known.order.push_back(name);
        }
        if known.order.len() > MOST
            && let Some(oldest) = known.order.pop_front()
        {
            known.errors.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use real_detector_api::AnalysisErrorKind;

    use super::*;

    #[test]
    fn the_last_ones_are_remembered() {
        let memory = Hopeless::default();
        let error = |n: usize| AnalysisError { kind: AnalysisErrorKind::TooCostly, message: n.to_string(), line: None };
        assert_eq!(memory.get("0"), None);
        for n in 0..=MOST {
            memory.add(&n.to_string(), &error(n));
            memory.add(&n.to_string(), &error(n));
        }
        assert_eq!([0, 1, MOST].map(|n| memory.get(&n.to_string())), [None, Some(error(1)), Some(error(MOST))]);
        assert_eq!(memory.known().errors.len(), MOST);
    }
}
