//! Asks the pods of a pool what they have to do: `GET /v1/status` of each, all at once, none for long.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use serde::Deserialize;
use tracing::debug;

use super::tally::Counts;
use super::{Demand, Fleet, FleetLoad};
use crate::labels::{COMPONENT, HTTP_PORT};

/// A pod that does not answer within this counts as one that did not.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Pods of one pool asked at once.
const AT_ONCE: usize = 64;

/// Of `GET /v1/status`, what scaling needs; detector and sandbox use the same names.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    queue_depth: u64,
    in_flight: u64,
    oldest_seconds: f64,
    /// Not said by pods of an image that is older than the operator.
    #[serde(default)]
    answered_total: u64,
    refused_total: u64,
    tier: Option<String>,
}

/// Asks pods.
#[derive(Clone, Debug)]
pub(crate) struct Asker(reqwest::Client);

impl Asker {
    pub(crate) fn new() -> Result<Self, reqwest::Error> {
        // A redirect would lead out of the pod.
        let none = reqwest::redirect::Policy::none();
        Ok(Self(reqwest::Client::builder().timeout(TIMEOUT).redirect(none).no_proxy().build()?))
    }

    /// What the fleets of `pods` have to do. A pod that is being deleted takes no new work and is not asked.
    pub(crate) async fn demand(&self, pods: &[impl std::ops::Deref<Target = Pod>]) -> Demand {
        let asked = pods.iter().filter_map(|pod| {
            let address = pod.status.as_ref()?.pod_ip.clone()?;
            let fleet = Fleet::ALL
                .into_iter()
                .find(|fleet| pod.labels().get(COMPONENT).is_some_and(|it| it == fleet.component()))?;
            (pod.metadata.deletion_timestamp.is_none() && is_ready(pod)).then_some((fleet, pod.uid()?, address))
        });
        let at = Timestamp::now();
        let answers = stream::iter(asked.collect::<Vec<_>>())
            .map(async |(fleet, pod, address)| (fleet, pod, self.ask(&address).await))
            .buffer_unordered(AT_ONCE)
            .collect::<Vec<_>>()
            .await;
        let of = |fleet: Fleet| {
            let answers: Vec<_> =
                answers.iter().filter(|(whose, ..)| *whose == fleet).map(|(.., answer)| answer).collect();
            (!answers.is_empty()).then(|| sum(&answers))
        };
        let counts = answers.iter().filter_map(|(_, pod, answer)| {
            let status = answer.as_ref()?;
            Some((pod.clone(), Counts { answered: status.answered_total, refused: status.refused_total }))
        });
        Demand { detector: of(Fleet::Detector), sandbox: of(Fleet::Sandbox), at: Some(at), counts: counts.collect() }
    }

    async fn ask(&self, address: &str) -> Option<Status> {
        let host = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
        let url = format!("http://{host}:{HTTP_PORT}/v1/status");
        let answer = async { self.0.get(&url).send().await?.error_for_status()?.json::<Status>().await };
        answer.await.inspect_err(|error| debug!(url, %error, "a pod of a pool did not answer")).ok()
    }
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

fn sum(answers: &[&Option<Status>]) -> FleetLoad {
    let mut load = FleetLoad { asked: answers.len() as u32, ..FleetLoad::default() };
    let mut tiers = BTreeSet::new();
    for status in answers.iter().filter_map(|answer| answer.as_ref()) {
        load.replies += 1;
        load.queued += status.queue_depth;
        load.in_flight += status.in_flight;
        load.oldest_seconds = load.oldest_seconds.max(status.oldest_seconds.max(0.0) as u64);
        tiers.extend(status.tier.clone());
    }
    load.tiers = tiers;
    load
}
