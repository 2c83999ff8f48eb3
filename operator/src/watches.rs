//! Watches of what belongs to our objects: narrowed by labels, trimmed, cached, and told to a controller.

use std::fmt::Debug;
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Pod, PodSpec, PodTemplateSpec};
use kube::api::WatchParams;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use real_crds::v1alpha1::RealTrainingJob;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::timeout;
use tracing::{info, warn};

use crate::cache::Cache;
use crate::controllers::Scope;

/// Which news of an object are told to its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// All.
    All,
    /// All but that it was made: the operator makes it, and knows.
    ButCreation,
}

/// A server that does not say at once whether it streams lists is asked for them page by page.
const PROBE: Duration = Duration::from_secs(5);

/// How watches begin: by a list that comes as a stream (KEP-3157), where the server can; otherwise by one in pages. A stream is one
/// request however many objects there are, costs the server no memory for the whole of a list, and the operator none either: each
/// object is trimmed as it comes.
pub(crate) async fn beginning(client: &Client, scope: &Scope) -> watcher::Config {
    let probe = WatchParams { timeout: Some(1), send_initial_events: true, ..WatchParams::default() };
    let api = scope.api::<RealTrainingJob>(client);
    let probe = probe.fields("metadata.name=none");
    let asked = timeout(PROBE, api.watch(&probe, "0")).await;
    if matches!(asked, Ok(Ok(_))) {
        return watcher::Config::default().streaming_lists();
    }
    info!("the API server does not stream lists: they are asked for in pages");
    watcher::Config::default()
}

/// Follows the objects that `which` selects for ever: into `cache`, and their owners to `triggers`.
pub(crate) async fn follow<K, O>(
    api: Api<K>,
    which: watcher::Config,
    (trim, news): (fn(&mut K), News),
    cache: Cache<K>,
    triggers: UnboundedSender<ObjectRef<O>>,
) where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
    O: Resource<DynamicType = ()>,
{
    let events = watcher(api, which).default_backoff().modify(move |object| {
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

/// Of a Job, what decides about an attempt. What its pods are like is most of it.
pub(crate) fn trim_job(job: &mut Job) {
    job.annotations_mut().clear();
    if let Some(spec) = &mut job.spec {
        spec.template = PodTemplateSpec::default();
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
