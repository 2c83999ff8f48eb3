//! What all controllers share.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder};
use tracing::warn;

use crate::event::PlannedEvent;
use crate::lease::Guard;
use crate::metrics::Metrics;

/// What all controllers share.
pub(crate) struct Context {
    /// Writes only while this replica leads.
    pub(crate) client: Client,
    /// Whether it does.
    pub(crate) guard: Guard,
    /// Counts what happens.
    pub(crate) metrics: Metrics,
    /// Publishes events; one for all, since it knows which are repeated.
    pub(crate) recorder: Recorder,
    /// Print plans in place of acting.
    pub(crate) dry_run: bool,
}

impl Context {
    /// Publishes events. One that cannot be published is not worth another reconcile.
    pub(crate) async fn publish(&self, events: &[PlannedEvent], about: &ObjectReference) {
        for event in events {
            let event = Event {
                type_: if event.warning { EventType::Warning } else { EventType::Normal },
                reason: event.reason.clone(),
                note: Some(event.note.chars().take(LONGEST_NOTE).collect()),
                action: event.action.clone(),
                secondary: None,
            };
            if let Err(error) = self.recorder.publish(&event, about).await {
                warn!(%error, reason = event.reason, "an event could not be published");
            }
        }
    }
}

/// The API server takes notes of up to 1024 bytes.
const LONGEST_NOTE: usize = 512;

/// A map that is shared; its entries are whole at all times, so a panic elsewhere spoils nothing.
#[derive(Debug)]
pub(crate) struct Shared<K, V>(Mutex<HashMap<K, V>>);

impl<K: Eq + Hash, V: Clone> Shared<K, V> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(HashMap::new()))
    }

    pub(crate) fn get(&self, key: &K) -> Option<V> {
        self.lock().get(key).cloned()
    }

    pub(crate) fn set(&self, key: K, value: Option<V>) -> Option<V> {
        match value {
            Some(value) => self.lock().insert(key, value),
            None => self.lock().remove(&key),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, HashMap<K, V>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
