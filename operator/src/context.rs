//! What all controllers share.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder};
use kube::runtime::watcher;
use tokio::time::Instant;
use tracing::warn;

use crate::act::Failure;
use crate::event::{LONGEST_NOTE, PlannedEvent};
use crate::lease::Guard;
use crate::metrics::Metrics;

/// Between two questions what the cluster serves.
const GROUPS_KNOWN: Duration = Duration::from_mins(1);

/// What all controllers share.
pub(crate) struct Context {
    /// Writes only while this replica leads.
    pub(crate) client: Client,
    /// Whether it does.
    pub(crate) guard: Guard,
    /// Counts what happens.
    pub(crate) metrics: Metrics,
    /// How watches begin.
    pub(crate) lists: watcher::Config,
    /// Publishes events; one for all, since it knows which are repeated.
    pub(crate) recorder: Recorder,
    /// Print plans in place of acting.
    pub(crate) dry_run: bool,
    /// API groups that the cluster serves, and when it said so.
    pub(crate) groups: Shared<(), (Instant, Arc<HashSet<String>>)>,
}

impl Context {
    /// Whether the cluster serves an API group, as it said within the last minute.
    pub(crate) async fn serves(&self, group: &str) -> Result<bool, Failure> {
        if let Some((at, groups)) = self.groups.get(&())
            && at.elapsed() < GROUPS_KNOWN
        {
            return Ok(groups.contains(group));
        }
        let found = self.client.list_api_groups().await;
        let found =
            found.map_err(|source| Failure::Read { what: "the API groups of the cluster".to_owned(), source })?;
        let groups: Arc<HashSet<String>> = Arc::new(found.groups.into_iter().map(|group| group.name).collect());
        let there = groups.contains(group);
        self.groups.set((), Some((Instant::now(), groups)));
        Ok(there)
    }

    /// Publishes events. One that cannot be published is not worth another reconcile.
    pub(crate) async fn publish(&self, events: &[PlannedEvent], about: &ObjectReference) {
        for event in events {
            let event = Event {
                type_: if event.warning { EventType::Warning } else { EventType::Normal },
                reason: event.reason.clone(),
                note: Some(event.note[..event.note.floor_char_boundary(LONGEST_NOTE)].to_owned()),
                action: event.action.clone(),
                secondary: None,
            };
            if let Err(error) = self.recorder.publish(&event, about).await {
                warn!(%error, reason = event.reason, "an event could not be published");
            }
        }
    }
}

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
