//! The rim: observes, asks the planners, and acts.

pub(crate) mod job;
pub(crate) mod pool;

use std::fmt;
use std::time::Duration;

use futures::{Stream, stream};
use kube::runtime::controller::Action;
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde_json::json;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::labels::{COMPONENT, MANAGED_BY, OPERATOR};
use crate::lease::Guard;

/// Label of everything the operator made.
pub(crate) fn managed() -> String {
    format!("{MANAGED_BY}={OPERATOR}")
}

/// Labels of what belongs to one of our kinds.
pub(crate) fn selector(components: &[&str]) -> String {
    format!("{},{COMPONENT} in ({})", managed(), components.join(","))
}

/// Which namespaces are watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All.
    Cluster,
    /// One.
    Namespace(String),
}

impl Scope {
    /// The API of a namespaced kind in this scope.
    pub(crate) fn api<K>(&self, client: &kube::Client) -> kube::Api<K>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
    {
        match self {
            Self::Cluster => kube::Api::all(client.clone()),
            Self::Namespace(namespace) => kube::Api::namespaced(client.clone(), namespace),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster => formatter.write_str("all namespaces"),
            Self::Namespace(namespace) => write!(formatter, "namespace {namespace}"),
        }
    }
}

/// An item each time this replica becomes the leader.
pub(crate) fn leads(guard: &Guard) -> impl Stream<Item = ()> + Send + 'static {
    stream::unfold((guard.changes(), false), async |(mut changes, led)| {
        if led {
            changes.wait_for(|leads| !*leads).await.ok()?;
        }
        changes.wait_for(|leads| *leads).await.ok()?;
        Some(((), (changes, true)))
    })
}

/// What arrives.
pub(crate) fn received<T: Send + 'static>(receiver: UnboundedReceiver<T>) -> impl Stream<Item = T> + Send + 'static {
    stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver)))
}

/// What would be done, on standard output.
pub(crate) fn show<K, P>(kind: &str, object: &K, plan: &P, requeue: Option<Duration>) -> Action
where
    K: Resource<DynamicType = ()>,
    P: Serialize,
{
    println!("{}", json!({"kind": kind, "namespace": object.namespace(), "name": object.name_any(), "plan": plan}));
    requeue.map_or_else(Action::await_change, Action::requeue)
}
