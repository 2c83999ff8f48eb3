//! Objects that were watched, by the object of ours that they belong to.
//!
//! A [`kube::runtime::reflector::Store`] finds an object by its name; here a job finds its pods without a look at all pods.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use kube::runtime::watcher::Event;
use kube::{Resource, ResourceExt};
use tokio::sync::watch;

/// Namespace and name of the object of ours that others belong to.
pub(crate) type Owner = (String, String);

/// Objects of one kind by their owner; clones share them.
pub(crate) struct Cache<K> {
    label: &'static str,
    keeps: fn(&K) -> bool,
    inner: Arc<RwLock<Inner<K>>>,
    synced: watch::Sender<bool>,
}

struct Inner<K> {
    owned: HashMap<Owner, BTreeMap<String, Arc<K>>>,
    /// Of each owner the last that was deleted, of those that are worth it.
    departed: HashMap<Owner, Arc<K>>,
    /// What a list that is under way has brought so far; what is shown stays until it is complete.
    arriving: Option<HashMap<Owner, BTreeMap<String, Arc<K>>>>,
}

impl<K> Clone for Cache<K> {
    fn clone(&self) -> Self {
        Self { label: self.label, keeps: self.keeps, inner: self.inner.clone(), synced: self.synced.clone() }
    }
}

impl<K: Resource<DynamicType = ()> + Clone> Cache<K> {
    /// An empty cache. The value of `label` names the owner.
    pub(crate) fn new(label: &'static str) -> Self {
        Self::keeping(label, |_| false)
    }

    /// The same; the last deleted object of each owner that `keeps` is true of can still be asked for.
    pub(crate) fn keeping(label: &'static str, keeps: fn(&K) -> bool) -> Self {
        let inner = Inner { owned: HashMap::new(), departed: HashMap::new(), arriving: None };
        Self { label, keeps, inner: Arc::new(RwLock::new(inner)), synced: watch::Sender::new(false) }
    }

    /// The last object of `owner` that was deleted, of those that are kept.
    pub(crate) fn departed(&self, owner: &Owner) -> Option<Arc<K>> {
        self.read().departed.get(owner).cloned()
    }

    /// Forgets what was deleted of owners that are gone.
    pub(crate) fn retain(&self, alive: impl Fn(&Owner) -> bool) {
        self.write().departed.retain(|owner, _| alive(owner));
    }

    /// Objects of `owner`, by name.
    pub(crate) fn owned(&self, owner: &Owner) -> Vec<Arc<K>> {
        self.read().owned.get(owner).map(|objects| objects.values().cloned().collect()).unwrap_or_default()
    }

    /// The object `name` of `owner`.
    pub(crate) fn get(&self, owner: &Owner, name: &str) -> Option<Arc<K>> {
        self.read().owned.get(owner)?.get(name).cloned()
    }

    /// Whether there is an object of this name already.
    pub(crate) fn has(&self, object: &K) -> bool {
        self.owner(object).is_some_and(|owner| self.get(&owner, &object.name_any()).is_some())
    }

    /// Whose `object` is.
    pub(crate) fn owner(&self, object: &K) -> Option<Owner> {
        Some((object.namespace()?, object.labels().get(self.label)?.clone()))
    }

    /// Takes in what a watch brought. Gives the owners it is about.
    pub(crate) fn observe(&self, event: &Event<K>) -> Vec<Owner> {
        let mut inner = self.write();
        match event {
            Event::Apply(object) => {
                self.owner(object).inspect(|owner| insert(&mut inner.owned, owner, object)).into_iter().collect()
            }
            Event::Delete(object) => {
                let owner = self.owner(object);
                if let Some(owner) = owner.as_ref().filter(|_| (self.keeps)(object)) {
                    inner.departed.insert(owner.clone(), Arc::new(object.clone()));
                }
                if let Some(owner) = &owner
                    && let Some(objects) = inner.owned.get_mut(owner)
                {
                    objects.remove(&object.name_any());
                    if objects.is_empty() {
                        inner.owned.remove(owner);
                    }
                }
                owner.into_iter().collect()
            }
            Event::Init => {
                inner.arriving = Some(HashMap::new());
                Vec::new()
            }
            Event::InitApply(object) => {
                if let Some(owner) = self.owner(object) {
                    insert(inner.arriving.get_or_insert_default(), &owner, object);
                }
                Vec::new()
            }
            Event::InitDone => {
                // Those that lost something while nobody watched are among those of before.
                let before = std::mem::take(&mut inner.owned);
                inner.owned = inner.arriving.take().unwrap_or_default();
                let mut owners: Vec<Owner> = inner.owned.keys().cloned().collect();
                owners.extend(before.into_keys().filter(|owner| !inner.owned.contains_key(owner)));
                drop(inner);
                self.synced.send_replace(true);
                owners
            }
        }
    }

    /// Returns once the first list is complete.
    pub(crate) async fn synced(&self) {
        // The sender lives as long as `self`.
        let _ = self.synced.subscribe().wait_for(|synced| *synced).await;
    }

    /// Assignments cannot be half done, so a panic elsewhere spoils nothing.
    fn read(&self) -> RwLockReadGuard<'_, Inner<K>> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner<K>> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn insert<K: Resource<DynamicType = ()> + Clone>(
    objects: &mut HashMap<Owner, BTreeMap<String, Arc<K>>>,
    owner: &Owner,
    object: &K,
) {
    objects.entry(owner.clone()).or_default().insert(object.name_any(), Arc::new(object.clone()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::Pod;
    use serde_json::json;

    fn pod(name: &str, job: &str) -> Pod {
        let object = json!({"metadata": {"name": name, "namespace": "ml", "labels": {"real-rl.dev/job": job}}});
        serde_json::from_value(object).unwrap()
    }

    fn names(cache: &Cache<Pod>, job: &str) -> Vec<String> {
        cache.owned(&("ml".into(), job.into())).iter().map(|pod| pod.name_any()).collect()
    }

    #[tokio::test]
    async fn a_list_replaces_what_was_there_once_it_is_complete() {
        let cache = Cache::new(crate::labels::JOB);
        cache.observe(&Event::Apply(pod("a-0", "a")));
        cache.observe(&Event::Apply(pod("gone-0", "gone")));
        cache.observe(&Event::Init);
        cache.observe(&Event::InitApply(pod("a-1", "a")));
        assert_eq!(names(&cache, "a"), ["a-0"], "not before the list is complete");
        let mut owners = cache.observe(&Event::InitDone);
        owners.sort();
        assert_eq!(owners, [("ml".to_owned(), "a".to_owned()), ("ml".to_owned(), "gone".to_owned())]);
        assert_eq!(names(&cache, "a"), ["a-1"]);
        assert_eq!(names(&cache, "gone"), Vec::<String>::new());
        cache.synced().await;
    }

    #[test]
    fn what_is_worth_it_can_still_be_asked_for_when_it_was_deleted() {
        let cache = Cache::keeping(crate::labels::JOB, |pod: &Pod| pod.name_any().ends_with("-0"));
        for name in ["a-0", "a-1"] {
            cache.observe(&Event::Apply(pod(name, "a")));
            cache.observe(&Event::Delete(pod(name, "a")));
        }
        let owner = ("ml".to_owned(), "a".to_owned());
        assert_eq!(cache.departed(&owner).unwrap().name_any(), "a-0");
        cache.retain(|_| false);
        assert!(cache.departed(&owner).is_none());
    }

    #[test]
    fn an_owner_without_objects_takes_no_room() {
        let cache = Cache::new(crate::labels::JOB);
        assert_eq!(cache.observe(&Event::Apply(pod("a-0", "a"))), [("ml".to_owned(), "a".to_owned())]);
        cache.observe(&Event::Delete(pod("a-0", "a")));
        assert!(cache.read().owned.is_empty());
    }
}
