//! Watches of what belongs to our objects: narrowed by labels, trimmed, cached, and told to a controller.

use std::fmt::Debug;

use futures::StreamExt as _;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Pod, PodSpec, PodTemplateSpec};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc::UnboundedSender;
use tracing::warn;

use crate::cache::Cache;
use crate::job::CONFIG_VOLUME;

/// Which news of an object are told to its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// All.
    All,
    /// All but that it was made: the operator makes it, and knows.
    ButCreation,
}

/// Follows the objects that `selector` matches for ever: into `cache`, and their owners to `triggers`.
pub(crate) async fn follow<K, O>(
    api: Api<K>,
    selector: String,
    (trim, news): (fn(&mut K), News),
    cache: Cache<K>,
    triggers: UnboundedSender<ObjectRef<O>>,
) where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
    O: Resource<DynamicType = ()>,
{
    let events = watcher(api, watcher::Config::default().labels(&selector)).default_backoff().modify(move |object| {
        object.managed_fields_mut().clear();
        trim(object);
    });
    let mut events = std::pin::pin!(events);
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
                let made = match &event {
                    Event::Apply(object) => news == News::ButCreation && !cache.has(object),
                    _ => false,
                };
                let owners = cache.observe(&event);
                for (namespace, name) in owners.into_iter().filter(|_| !made) {
                    // The receiver ends with the controller, and this with it.
                    let _ = triggers.send(ObjectRef::new(&name).within(&namespace));
                }
            }
            Err(error) => warn!(%error, kind = %K::kind(&()), "a watch broke and starts again"),
        }
    }
}

/// Keeps everything.
pub(crate) fn whole<K>(_: &mut K) {}

/// Of a Job, what decides about an attempt, and which configuration it has.
pub(crate) fn trim_job(job: &mut Job) {
    job.annotations_mut().clear();
    if let Some(spec) = &mut job.spec {
        let volumes = spec.template.spec.take().and_then(|pod| pod.volumes).unwrap_or_default();
        let config = volumes.into_iter().filter(|volume| volume.name == CONFIG_VOLUME).collect();
        let pod = PodSpec { volumes: Some(config), ..PodSpec::default() };
        spec.template = PodTemplateSpec { metadata: None, spec: Some(pod) };
    }
}

/// Of a pod, what says where and how it is; its spec is most of it.
pub(crate) fn trim_pod(pod: &mut Pod) {
    pod.annotations_mut().clear();
    pod.spec = pod.spec.take().map(|spec| PodSpec { node_name: spec.node_name, ..PodSpec::default() });
    if let Some(status) = &mut pod.status {
        status.ephemeral_container_statuses = None;
        status.host_ips = None;
        status.pod_ips = None;
    }
}
