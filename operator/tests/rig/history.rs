//! States of objects, also those that went by between two looks: an attempt may be in a phase for no longer than one reconcile.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Mutex, PoisonError};

use futures::StreamExt as _;
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::{Api, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep, timeout_at};

use super::{PATIENCE, TICK};

/// How far the test has come with each object: what is waited for came after that.
#[derive(Default)]
pub(crate) struct History(Mutex<HashMap<String, String>>);

impl History {
    /// What comes from here on is news: this is what the test wrote, or waited for.
    pub(crate) fn seen<K: Resource<DynamicType = ()>>(&self, object: &K) {
        if let Some(version) = object.resource_version() {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key::<K>(&object.name_any()), version);
        }
    }

    fn since<K: Resource<DynamicType = ()>>(&self, name: &str) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key::<K>(name)).cloned()
    }

    /// The present state of the object `name` where it is as `wanted`, or else the first since the test last wrote or waited for it
    /// that was, or else the first that comes.
    ///
    /// # Errors
    /// None does in time; what there is then.
    pub(crate) async fn until<K>(&self, api: &Api<K>, name: &str, wanted: impl Fn(&K) -> bool) -> Result<K, Option<K>>
    where
        K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        let (one, deadline) = (format!("metadata.name={name}"), Instant::now() + PATIENCE);
        let mut since = self.since::<K>(name);
        loop {
            let present = api.list(&ListParams::default().fields(&one)).await.expect("it can be listed");
            let version = present.metadata.resource_version.expect("a list has a version");
            let present = present.items.into_iter().next();
            if let Some(found) = present.as_ref().filter(|object| wanted(object)) {
                self.seen(found);
                return Ok(found.clone());
            }
            let begin = since.take().unwrap_or(version);
            // An error is a connection that was cut, or a past that the server has forgotten: from the present, then.
            if let Ok(states) = api.watch(&WatchParams::default().fields(&one), &begin).await {
                let mut states = states.boxed();
                loop {
                    match timeout_at(deadline, states.next()).await {
                        Err(_) => return Err(api.get_opt(name).await.expect("it can be read")),
                        Ok(Some(Ok(WatchEvent::Added(state) | WatchEvent::Modified(state)))) => {
                            if wanted(&state) {
                                self.seen(&state);
                                return Ok(state);
                            }
                        }
                        Ok(Some(Ok(WatchEvent::Deleted(_) | WatchEvent::Bookmark(_)))) => {}
                        Ok(Some(Ok(WatchEvent::Error(_)) | Err(_)) | None) => break,
                    }
                }
            }
            if Instant::now() > deadline {
                return Err(present);
            }
            sleep(TICK).await;
        }
    }
}

fn key<K: Resource<DynamicType = ()>>(name: &str) -> String {
    format!("{} {name}", K::kind(&()))
}
