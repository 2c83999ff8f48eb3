//! The rim: observes, asks the planners, and acts.

pub(crate) mod job;
pub(crate) mod pool;
mod runner;
pub(crate) mod sweep;
mod told;
mod turn;
pub(crate) mod workloads;

use std::collections::HashSet;
use std::fmt::{self, Debug};
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt as _, Stream, StreamExt as _, stream};
use kube::api::{ApiResource, DynamicObject};
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
use runner::Shared as Agenda;
use told::Told;
use turn::Refusals;

/// When to look again at an object that was changed while it was looked at.
const AFTER_CONFLICT: Duration = Duration::from_secs(1);

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

/// What every controller has, whatever its kind.
pub(crate) struct Common {
    /// What all controllers share.
    pub(crate) context: Arc<Context>,
    /// What the API server refused last.
    refusals: Refusals,
    /// What was last said of slow pods.
    told: Told,
    /// Our own writes that the watch has not shown yet.
    written: Written,
    /// Waits of objects that failed, by uid.
    backoff: Backoff<String>,
    /// Lets in as many at once as the API server bears.
    turnstile: Turnstile,
}

impl Common {
    /// Of a controller that has refused and written nothing yet.
    pub(crate) fn new(context: Arc<Context>, turnstile: Turnstile) -> Self {
        let (refusals, told, written, backoff) = (Refusals::new(), Told::new(), Written::new(), Backoff::new());
        Self { context, refusals, told, written, backoff, turnstile }
    }

    /// Forgets objects that are gone, by uid.
    fn retain(&self, alive: &HashSet<String>) {
        self.refusals.retain(alive);
        self.written.retain(alive);
        self.backoff.retain(|uid| alive.contains(uid));
    }
}

/// A controller of objects of kind `K`.
pub(crate) trait Reconciler<K>: Send + Sync + 'static {
    /// Its name in metrics.
    const NAME: metrics::Controller;

    /// What every controller has.
    fn common(&self) -> &Common;

    /// Returns once all caches are filled: half a picture must not be acted on.
    fn synced(&self) -> impl Future<Output = ()> + Send;

    /// Whether nothing was ever done about the object.
    fn is_new(object: &K) -> bool;

    /// Observes, plans, acts. Gives when to look again, even if nothing happens.
    fn reconcile(&self, object: &K) -> impl Future<Output = Result<Option<Duration>, Failure>> + Send;
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
    R: Reconciler<K>,
{
    let agenda = Agenda::new();
    let changed = changed.filter_map(async |change| match change {
        Ok(object) => Some(ObjectRef::from_obj(&object)),
        Err(error) => {
            warn!(%error, kind = %K::kind(&()), "a watch broke and starts again");
            None
        }
    });
    let all = || stream::iter(store.state().into_iter().map(|object| ObjectRef::from_obj(&*object)));
    let led = leads(&reconciler.common().context.guard).flat_map(move |()| all());
    let news = stream::select(changed, stream::select(triggered, led));
    let ready = {
        let (reconciler, store) = (reconciler.clone(), store.clone());
        async move {
            // Fails only once the watch has ended, and this with it.
            let _ = store.wait_until_ready().await;
            reconciler.synced().await;
        }
    };
    // One asks, for all.
    let ready = ready.boxed().shared();
    let look = |key| {
        let (ready, look) =
            (ready.clone(), look(reconciler.clone(), store.clone(), agenda.clone(), key, shutdown.clone()));
        async move {
            ready.await;
            look.await
        }
    };
    runner::run(&agenda, news, look, &shutdown).await;
}

/// One look at the object `key`, once all caches are filled. Gives when to look at it again.
async fn look<K, R>(
    reconciler: Arc<R>,
    store: Store<K>,
    agenda: Agenda<ObjectRef<K>>,
    key: ObjectRef<K>,
    shutdown: CancellationToken,
) -> Option<Duration>
where
    K: Resource<DynamicType = ()> + Clone + Send + Sync + 'static,
    R: Reconciler<K>,
{
    if reconciler.common().context.guard.check().is_err() {
        // The leader does it; becoming the leader is a reason to look at all.
        return None;
    }
    // What is gone, or is none of ours, takes no place.
    let is_new = R::is_new(&*store.get(&key)?);
    let pass = reconciler.common().turnstile.enter(is_new).await;
    agenda.lock().begin(&key);
    // As it is now, not as it was when it came into the queue.
    let object = store.get(&key).filter(|_| !shutdown.is_cancelled())?;
    if reconciler.common().written.is_behind(&*object) {
        // The watch brings it, and is a reason to look.
        return Some(AFTER_CONFLICT);
    }
    let span = info_span!("reconcile", kind = %K::kind(&()), namespace = object.namespace(), name = object.name_any());
    let again = reconcile(&*reconciler, &object).instrument(span).await;
    drop(pass);
    again
}

async fn reconcile<K, R>(reconciler: &R, object: &K) -> Option<Duration>
where
    K: Resource<DynamicType = ()>,
    R: Reconciler<K>,
{
    let timer = reconciler.common().context.metrics.reconcile(R::NAME);
    let result = reconciler.reconcile(object).await;
    let reason = result.as_ref().err().map(Failure::reason);
    let overloaded = matches!(reason, Some(Reason::Throttled | Reason::Server | Reason::Transport));
    reconciler.common().turnstile.answered(if overloaded { Answered::Overloaded } else { Answered::Well });
    if reason == Some(Reason::Conflict) {
        // What was decided on has changed; the watch brings it, if it has not yet. Nothing is wrong.
        timer.outdated();
        return Some(AFTER_CONFLICT);
    }
    timer.finish(reason.map_or(Ok(()), Err));
    let uid = object.uid().unwrap_or_default();
    match result {
        Ok(again) => {
            reconciler.common().backoff.reset(&uid);
            again
        }
        Err(error) => {
            let wait = reconciler.common().backoff.next(&uid);
            warn!(%error, ?wait, "could not be reconciled");
            Some(wait)
        }
    }
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

    /// The API of a kind that is known at run time only.
    pub(crate) fn dynamic(&self, client: &kube::Client, resource: &ApiResource) -> kube::Api<DynamicObject> {
        match self {
            Self::Cluster => kube::Api::all_with(client.clone(), resource),
            Self::Namespace(namespace) => kube::Api::namespaced_with(client.clone(), namespace, resource),
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
