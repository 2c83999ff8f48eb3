//! Workloads of Kueue, which it makes of our Jobs: followed where it is installed, and boosted.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use kube::ResourceExt as _;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher::{Event, watcher};
use real_crds::v1alpha1::RealTrainingJob;
use serde_json::Value;
use tokio::sync::watch;
use tracing::{debug, warn};

use super::{Scope, job, sweep};
use crate::act::Target;
use crate::context::{Context, Shared};
use crate::job::{Boost, Workload};
use crate::labels::{KUEUE, KUEUE_BOOST};

/// Between two looks whether Kueue has been installed.
const LOOK_AGAIN_AFTER: Duration = Duration::from_mins(1);

/// Namespace and name of the Job that a Workload is made of.
type Made = (String, String);

/// What Kueue says of Jobs; clones share it.
#[derive(Clone)]
pub(crate) struct Workloads {
    known: Arc<Shared<Made, Workload>>,
    /// Whether everything that there is has been told once.
    synced: watch::Sender<bool>,
}

impl Workloads {
    pub(crate) fn new() -> Self {
        Self { known: Arc::new(Shared::new()), synced: watch::Sender::new(false) }
    }

    /// What Kueue says of the Job `name`.
    pub(crate) fn of(&self, namespace: &str, name: &str) -> Option<Workload> {
        self.known.get(&(namespace.to_owned(), name.to_owned()))
    }

    /// Returns once what there was has been told, or Kueue is known not to be there.
    pub(crate) async fn synced(&self) {
        // The sender lives as long as `self`.
        let _ = self.synced.subscribe().wait_for(|synced| *synced).await;
    }

    /// Follows them for ever, and tells the jobs and sweeps that they are about.
    pub(crate) async fn follow(
        self,
        context: Arc<Context>,
        scope: Scope,
        jobs: Store<RealTrainingJob>,
        triggers: (job::Triggers, sweep::Triggers),
    ) {
        let mut arriving = HashMap::new();
        loop {
            if let Some(resource) = resource(&context).await {
                let events = watcher(scope.dynamic(&context.client, &resource), context.lists.clone());
                let mut events = std::pin::pin!(events.default_backoff());
                while let Some(event) = events.next().await {
                    match event {
                        Ok(event) => self.observe(event, &mut arriving, &jobs, &triggers),
                        Err(error) => {
                            self.synced.send_replace(true);
                            warn!(%error, "the watch of Kueue's Workloads broke and starts again");
                            if context.serves(KUEUE).await.is_ok_and(|serves| !serves) {
                                break;
                            }
                        }
                    }
                }
            }
            self.synced.send_replace(true);
            tokio::time::sleep(LOOK_AGAIN_AFTER).await;
        }
    }

    fn observe(
        &self,
        event: Event<DynamicObject>,
        arriving: &mut HashMap<Made, Workload>,
        jobs: &Store<RealTrainingJob>,
        (training, sweeps): &(job::Triggers, sweep::Triggers),
    ) {
        let told = |made: &Made| {
            // An attempt, or a cell.
            let Some((owner, _)) = made.1.rsplit_once('-') else { return };
            let job = ObjectRef::new(owner).within(&made.0);
            // The receivers end with the controllers, and this with them.
            let _ = if jobs.get(&job).is_some() {
                training.send(job).is_ok()
            } else {
                sweeps.send(ObjectRef::new(owner)).is_ok()
            };
        };
        match event {
            Event::Init => arriving.clear(),
            Event::InitApply(object) => arriving.extend(read(&object)),
            Event::InitDone => {
                let arrived = std::mem::take(arriving);
                let before = std::mem::replace(&mut *self.known.lock(), arrived.clone());
                self.synced.send_replace(true);
                let differ = |made: &&Made| before.get(*made) != arrived.get(*made);
                let gone = before.keys().filter(|made| !arrived.contains_key(*made));
                arrived.keys().chain(gone).filter(differ).for_each(told);
            }
            Event::Apply(object) => {
                if let Some((made, workload)) = read(&object)
                    && self.known.set(made.clone(), Some(workload.clone())) != Some(workload)
                {
                    told(&made);
                }
            }
            Event::Delete(object) => {
                // Not that of a Job of the same name, which came after.
                if let Some((made, gone)) = read(&object)
                    && self.known.get(&made).is_some_and(|known| known.name == gone.name)
                {
                    self.known.set(made.clone(), None);
                    told(&made);
                }
            }
        }
    }

    /// Writes how dear it would be to stop a Job. It is a hint: a job does not fail without it.
    pub(crate) async fn boost(&self, context: &Context, namespace: &str, boost: &Boost) {
        let Some(resource) = resource(context).await else { return };
        let target = Target { resource: &resource, namespace, name: &boost.workload };
        if let Err(error) = target.annotate(&context.client, None, (KUEUE_BOOST, &boost.value.to_string())).await {
            warn!(namespace, workload = boost.workload, %error, "how dear it is to stop it could not be written");
        }
    }
}

async fn resource(context: &Context) -> Option<ApiResource> {
    let version = context.version(KUEUE).await.inspect_err(|error| debug!(%error, "is Kueue there?")).ok()??;
    Some(ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(KUEUE, &version, "Workload"), "workloads"))
}

/// The Job that a Workload is made of, and what it says.
fn read(object: &DynamicObject) -> Option<(Made, Workload)> {
    let owner =
        object.owner_references().iter().find(|owner| owner.kind == "Job" && owner.api_version == "batch/v1")?;
    let name = object.name_any();
    let conditions = object.data["status"]["conditions"].as_array();
    let said = |type_: &str, status: &str| {
        let found = conditions?.iter().find(|condition| condition["type"] == type_ && condition["status"] == status);
        found?["message"].as_str().filter(|message| !message.is_empty()).map(str::to_owned)
    };
    let waits = if object.data["spec"]["active"] == Value::Bool(false) {
        let why = said("Evicted", "True").map_or_else(String::new, |why| format!(" ({why})"));
        Some(format!("Kueue has deactivated Workload {name}{why}; it goes on once the Workload's spec.active is true"))
    } else {
        said("QuotaReserved", "False").or_else(|| said("Admitted", "False"))
    };
    let workload = Workload {
        waits,
        evicted: said("Evicted", "True"),
        boost: object.annotations().get(KUEUE_BOOST).cloned(),
        name,
    };
    Some(((object.namespace()?, owner.name.clone()), workload))
}
