//! What all controllers share.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIGroup;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder};
use kube::runtime::watcher;
use tokio::sync::OnceCell;
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
    /// API groups that the cluster serves with the versions that it prefers, and when it said so.
    pub(crate) groups: Shared<(), (Instant, Arc<HashMap<String, String>>)>,
    /// Whether the cluster can start a container again in its pod, once it was asked.
    pub(crate) restarts_containers: OnceCell<bool>,
}

/// The version of Kubernetes from which on containers have restart rules unless somebody turned them off (KEP-5307). A server that has
/// them turned off drops the rules, as 1.34 does by default, so that it does not matter which replica of a control plane that
/// is being upgraded answers; one before 1.34 would refuse them.
const RESTART_RULES_SINCE: (u32, u32) = (1, 35);

impl Context {
    /// Whether the cluster serves an API group, as it said within the last minute.
    pub(crate) async fn serves(&self, group: &str) -> Result<bool, Failure> {
        Ok(self.version(group).await?.is_some())
    }

    /// The version of an API group that the cluster prefers, as it said within the last minute.
    pub(crate) async fn version(&self, group: &str) -> Result<Option<String>, Failure> {
        if let Some((at, groups)) = self.groups.get(&())
            && at.elapsed() < GROUPS_KNOWN
        {
            return Ok(groups.get(group).cloned());
        }
        let found = self.client.list_api_groups().await;
        let found =
            found.map_err(|source| Failure::Read { what: "the API groups of the cluster".to_owned(), source })?;
        let versions = |group: APIGroup| {
            let version = group.preferred_version.or_else(|| group.versions.into_iter().next())?;
            Some((group.name, version.version))
        };
        let groups: Arc<HashMap<String, String>> = Arc::new(found.groups.into_iter().filter_map(versions).collect());
        let version = groups.get(group).cloned();
        self.groups.set((), Some((Instant::now(), groups)));
        Ok(version)
    }

    /// Whether the cluster can start a container again in its pod, by its exit code.
    pub(crate) async fn restarts_containers(&self) -> Result<bool, Failure> {
        let ask = || async {
            let version = self.client.apiserver_version().await;
            let version =
                version.map_err(|source| Failure::Read { what: "the version of the cluster".to_owned(), source })?;
            Ok(number(&version.major).zip(number(&version.minor)).is_some_and(|version| version >= RESTART_RULES_SINCE))
        };
        self.restarts_containers.get_or_try_init(ask).await.copied()
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

/// A part of a version. Some clusters write `35+`.
fn number(part: &str) -> Option<u32> {
    part.trim_end_matches(|c: char| !c.is_ascii_digit()).parse().ok()
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
