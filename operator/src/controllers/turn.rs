//! One look at one object: plan, act, tell; and what follows where the API server refuses something.
//!
//! What is refused is told once, in the object's status, and is tried again only where that can help: what is at fault itself
//! will be refused again.

use jiff::Timestamp;
use kube::{Client, Resource, ResourceExt};
use real_terminal::outln;
use serde::Serialize;
use serde_json::json;
use std::collections::HashSet;
use std::time::Duration;

use super::Common;
use crate::act::{Failure, Target};
use crate::child::Child;
use crate::context::Shared;
use crate::refusal::{Lasting, Refusal};

/// What is planned about an object.
pub(super) trait Planned {
    /// An object that the API server is asked about before anything waits for it.
    fn trial(&self) -> Option<&Child> {
        None
    }

    /// Whether anything is made: if that succeeds, no refusal stands any more.
    fn makes(&self) -> bool;

    /// When to look again, even if nothing happens.
    fn requeue(&self) -> Option<Duration>;
}

/// One look at an object.
pub(super) trait Turn {
    /// What is planned.
    type Plan: Planned + Send + Sync;

    /// Decides by what is there and what was refused, `refusal`.
    fn plan(&mut self, refusal: Option<&Refusal>) -> Self::Plan;

    /// What of a plan is carried out now, where there is too much of something.
    fn paced(&self, plan: Self::Plan) -> Self::Plan {
        plan
    }

    /// The API server would take what it was asked about.
    fn taken(&mut self) {}

    /// What `before` becomes once it has been made, and a refusal stands no more.
    fn relieved(&mut self, _before: Self::Plan) -> Self::Plan {
        self.plan(None)
    }

    /// A refusal in the words of the object's user.
    fn words(&self, message: String) -> String {
        message
    }

    /// Whether a refusal that lasts is tried again nevertheless, because other work of the object goes on.
    fn insists(&self) -> bool {
        false
    }

    /// Writes what is to be there.
    fn make(&self, plan: &Self::Plan) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Writes what there is to say.
    fn tell(&self, plan: &Self::Plan) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug)]
struct Whose<'a> {
    uid: &'a str,
    generation: Option<i64>,
    /// Where its children are.
    namespace: &'a str,
}

/// Looks at `object`, whose children are in `namespace`: plans, and carries it out, or shows it where nothing may be done.
pub(super) async fn look<K, T>(
    common: &Common,
    (object, namespace): (&K, &str),
    turn: &mut T,
) -> Result<Option<Duration>, Failure>
where
    K: Resource<DynamicType = ()>,
    T: Turn,
    T::Plan: Serialize,
{
    let uid = object.uid().unwrap_or_default();
    let plan = turn.plan(common.refusals.get(&uid).as_ref());
    let plan = turn.paced(plan);
    if common.context.dry_run {
        outln!(
            "{}",
            json!({"kind": K::kind(&()), "namespace": object.namespace(), "name": object.name_any(), "plan": plan})
        );
        return Ok(plan.requeue());
    }
    let whose = Whose { uid: &uid, generation: object.meta().generation, namespace };
    common.refusals.take(turn, whose, &common.context.client, plan).await
}

/// What the API server refused last, by object.
pub(super) struct Refusals(Shared<String, Refusal>);

impl Refusals {
    pub(super) fn new() -> Self {
        Self(Shared::new())
    }

    fn get(&self, uid: &str) -> Option<Refusal> {
        self.0.get(&uid.to_owned())
    }

    /// Forgets objects that are gone.
    pub(super) fn retain(&self, alive: &HashSet<String>) {
        self.0.lock().retain(|uid, _| alive.contains(uid));
    }

    /// Carries `plan` out, which was made with the refusal that is known.
    async fn take<T: Turn>(
        &self,
        turn: &mut T,
        whose: Whose<'_>,
        client: &Client,
        mut plan: T::Plan,
    ) -> Result<Option<Duration>, Failure> {
        if let Some(trial) = plan.trial() {
            let target = Target { resource: &trial.resource, namespace: whose.namespace, name: &trial.name };
            let refusal = match target.try_out(client, &trial.body).await {
                Err(Failure::Refused { reason, message, lasting: true, .. }) => {
                    Some(self.remember(turn, whose, reason, message, true))
                }
                // What else is in the way may pass: a quota, a namespace that goes.
                Ok(()) | Err(Failure::Refused { .. }) => {
                    self.0.set(whose.uid.to_owned(), None);
                    turn.taken();
                    None
                }
                Err(failure) => return Err(failure),
            };
            plan = turn.plan(refusal.as_ref());
        }
        match turn.make(&plan).await {
            Err(Failure::Refused { what, reason, message, lasting }) => {
                let known = self.get(whose.uid);
                let refusal = self.remember(turn, whose, reason, message.clone(), lasting);
                let told = turn.plan(Some(&refusal));
                if known.is_none_or(|known| !known.says_the_same(&refusal)) {
                    turn.tell(&told).await?;
                }
                if !lasting || turn.insists() {
                    return Err(Failure::Refused { what, reason, message, lasting });
                }
                return Ok(told.requeue());
            }
            Err(failure) => return Err(failure),
            Ok(()) => {}
        }
        let stands = self.get(whose.uid).is_some_and(|refusal| refusal.lasting.is_some());
        if (plan.makes() || !stands) && self.0.set(whose.uid.to_owned(), None).is_some() {
            plan = turn.relieved(plan);
        }
        turn.tell(&plan).await?;
        Ok(plan.requeue())
    }

    fn remember<T: Turn>(&self, turn: &T, whose: Whose<'_>, reason: &str, message: String, lasting: bool) -> Refusal {
        let message = if lasting { turn.words(message) } else { message };
        let lasting = lasting.then(|| Lasting { generation: whose.generation, at: Timestamp::now() });
        let refusal = Refusal { reason: reason.to_owned(), message, lasting };
        self.0.set(whose.uid.to_owned(), Some(refusal.clone()));
        refusal
    }
}
