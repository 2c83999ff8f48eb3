//! The rim: observes, asks the planners, and acts.

pub(crate) mod job;
pub(crate) mod pool;
pub(crate) mod sweep;
mod turn;

use std::fmt::{self, Debug};
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt as _, stream};
use kube::runtime::controller::{Action, Config, Controller};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher;
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, info_span, warn};

use crate::act::Failure;
use crate::backoff::Backoff;
use crate::cache::{Cache, Owner};
use crate::child::is_owned_by;
use crate::context::Context;
use crate::labels::{COMPONENT, MANAGED_BY, OPERATOR};
use crate::lease::Guard;
use crate::metrics::{self, Reason};
use crate::turnstile::{Answered, Turnstile};
use crate::written::Written;

/// When to look again at an object that was changed while it was looked at.
const AFTER_CONFLICT: Duration = Duration::from_secs(1);
/// Several changes within this are one reason to look.
const DEBOUNCE: Duration = Duration::from_millis(100);

/// Our own objects of a kind, as another controller reads them.
///
/// Not [`Store::wait_until_ready`]: it wakes only the one that asked last, and the controller of the kind asks too.
pub(crate) struct Own<K: Resource<DynamicType = ()> + 'static> {
    pub(crate) store: Store<K>,
    listed: watch::Receiver<bool>,
}

impl<K: Resource<DynamicType = ()> + Clone + 'static> Clone for Own<K> {
    fn clone(&self) -> Self {
        Self { store: self.store.clone(), listed: self.listed.clone() }
    }
}

impl<K: Resource<DynamicType = ()> + Clone + 'static> Own<K> {
    /// With what says when the first list is in `store`.
    pub(crate) fn new(store: Store<K>) -> (Self, watch::Sender<bool>) {
        let (list, listed) = watch::channel(false);
        (Self { store, listed }, list)
    }

    /// Returns once the first list is complete.
    pub(crate) async fn synced(&self) {
        // Fails only once the watch has ended, and this with it.
        let _ = self.listed.clone().wait_for(|listed| *listed).await;
    }
}

/// A controller of objects of kind `K`.
pub(crate) trait Reconciler<K>: Send + Sync + 'static {
    /// Its name in metrics.
    const NAME: metrics::Controller;

    /// What all controllers share.
    fn context(&self) -> &Context;

    /// Waits of objects that failed, by uid.
    fn backoff(&self) -> &Backoff<String>;

    /// Returns once all caches are filled: half a picture must not be acted on.
    fn synced(&self) -> impl Future<Output = ()> + Send;

    /// Our own writes that the watch has not shown yet.
    fn written(&self) -> &Written;

    /// Lets in as many at once as the API server bears.
    fn turnstile(&self) -> &Turnstile;

    /// Whether nothing was ever done about the object.
    fn is_new(object: &K) -> bool;

    /// Observes, plans, acts.
    fn reconcile(&self, object: &K) -> impl Future<Output = Result<Action, Failure>> + Send;
}

/// Reconciles objects that `changed` or were `triggered`, and all when this replica becomes the leader, until `shutdown`.
pub(crate) async fn run<K, R>(
    reconciler: Arc<R>,
    store: Store<K>,
    changed: impl Stream<Item = Result<K, watcher::Error>> + Send + 'static,
    triggered: impl Stream<Item = ObjectRef<K>> + Send + 'static,
    shutdown: CancellationToken,
) where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
    K::DynamicType: Eq + Hash,
    R: Reconciler<K>,
{
    let leads = leads(&reconciler.context().guard);
    Controller::for_stream(changed, store)
        .with_config(Config::default().debounce(DEBOUNCE))
        .reconcile_on(triggered)
        .reconcile_all_on(leads)
        .graceful_shutdown_on(shutdown.cancelled_owned())
        .run(reconcile, failed, reconciler)
        .for_each(async |_| {})
        .await;
}

async fn reconcile<K, R>(object: Arc<K>, reconciler: Arc<R>) -> Result<Action, Failure>
where
    K: Resource<DynamicType = ()>,
    R: Reconciler<K>,
{
    if reconciler.context().guard.check().is_err() {
        // The leader does it; becoming the leader is a reason to look at all.
        return Ok(Action::await_change());
    }
    let span = info_span!("reconcile", kind = %K::kind(&()), namespace = object.namespace(), name = object.name_any());
    async {
        reconciler.synced().await;
        if reconciler.written().is_behind(&*object) {
            // The watch brings it, and is a reason to look.
            return Ok(Action::requeue(AFTER_CONFLICT));
        }
        let _pass = reconciler.turnstile().enter(R::is_new(&object)).await;
        let timer = reconciler.context().metrics.reconcile(R::NAME);
        let result = reconciler.reconcile(&object).await;
        let reason = result.as_ref().err().map(Failure::reason);
        let overloaded = matches!(reason, Some(Reason::Throttled | Reason::Server | Reason::Transport));
        reconciler.turnstile().answered(if overloaded { Answered::Overloaded } else { Answered::Well });
        if reason == Some(Reason::Conflict) {
            // What was decided on has changed; the watch brings it, if it has not yet. Nothing is wrong.
            timer.outdated();
            return Ok(Action::requeue(AFTER_CONFLICT));
        }
        timer.finish(reason.map_or(Ok(()), Err));
        if result.is_ok() {
            reconciler.backoff().reset(&object.uid().unwrap_or_default());
        }
        result
    }
    .instrument(span)
    .await
}

#[expect(clippy::needless_pass_by_value, reason = "the controller calls it so")]
fn failed<K, R>(object: Arc<K>, error: &Failure, reconciler: Arc<R>) -> Action
where
    K: Resource<DynamicType = ()>,
    R: Reconciler<K>,
{
    let wait = reconciler.backoff().next(&object.uid().unwrap_or_default());
    let (namespace, name) = (object.namespace(), object.name_any());
    warn!(kind = %K::kind(&()), namespace, name, %error, ?wait, "could not be reconciled");
    Action::requeue(wait)
}

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
fn leads(guard: &Guard) -> impl Stream<Item = ()> + Send + 'static {
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

/// The child `name` of `owner`, where it is controlled by the object with this uid.
fn own<K>(cache: &Cache<K>, owner: &Owner, name: &str, uid: &str) -> Option<K>
where
    K: Resource<DynamicType = ()> + Clone,
{
    cache.get(owner, name).filter(|object| is_owned_by(object.meta(), uid)).map(|object| (*object).clone())
}
