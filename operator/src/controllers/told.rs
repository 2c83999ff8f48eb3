//! What is said of objects in events, where nothing else says why they get no further.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::events::v1::Event;
use kube::api::ListParams;
use kube::{Api, Resource, ResourceExt};
use tokio::time::Instant;

use crate::act::Failure;
use crate::context::{Context, Shared};
use crate::hindrance::{ASK_AGAIN_AFTER, PodEvent, is_slow};

/// The last event about an object, of those that `which` selects. The API server reads all events of a namespace for it, so that it is
/// only asked where nothing else says more.
pub(super) async fn last_event<K>(context: &Context, about: &K, which: &str) -> Result<Option<Event>, Failure>
where
    K: Resource<DynamicType = ()>,
{
    let uid = about.uid().unwrap_or_default();
    let of = ListParams::default().fields(&format!("regarding.uid={uid},{which}"));
    let events = Api::<Event>::namespaced(context.client.clone(), &about.namespace().unwrap_or_default());
    let found = events.list(&of).await;
    let what = || format!("events of {} {}", K::kind(&()), about.name_any());
    let found = found.map_err(|source| Failure::Read { what: what(), source })?;
    let time = |event: &Event| {
        let series = event.series.as_ref().map(|series| series.last_observed_time.0);
        let deprecated = event.deprecated_last_timestamp.as_ref().map(|time| time.0);
        series.max(deprecated).max(event.event_time.as_ref().map(|time| time.0))
    };
    Ok(found.items.into_iter().max_by_key(time))
}

/// What was last said of slow pods, by their uid, and when it was asked.
pub(super) struct Told(Shared<String, (Instant, Option<PodEvent>)>);

impl Told {
    pub(super) fn new() -> Self {
        Self(Shared::new())
    }

    /// The last warning about the first of `pods` that has a node and gets no further, as it was said within the last minute.
    pub(super) async fn of(
        &self,
        context: &Context,
        pods: impl IntoIterator<Item = &Pod>,
    ) -> Result<Option<PodEvent>, Failure> {
        const FRESH: Duration = Duration::from_secs(ASK_AGAIN_AFTER);
        let now = Timestamp::now();
        let Some(pod) = pods.into_iter().find(|pod| is_slow(pod, now)) else { return Ok(None) };
        let uid = pod.uid().unwrap_or_default();
        if let Some((at, told)) = self.0.get(&uid)
            && at.elapsed() < FRESH
        {
            return Ok(told);
        }
        let told = last_event(context, pod, "type=Warning").await?.map(|event| PodEvent {
            pod: pod.name_any(),
            reason: event.reason.unwrap_or_default(),
            note: event.note.unwrap_or_default(),
        });
        // Nobody else forgets pods that are gone.
        self.0.lock().retain(|_, (at, _)| at.elapsed() < FRESH);
        self.0.set(uid, Some((Instant::now(), told.clone())));
        Ok(told)
    }
}
