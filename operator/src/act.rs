//! Writes to the API server.

use std::fmt::Debug;

use kube::api::{
    ApiResource, DeleteParams, DynamicObject, ListParams, ObjectMeta, Patch, PatchParams, PostParams, Preconditions,
};
use kube::{Api, Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::child::is_owned_by;
use crate::labels;
use crate::metrics::Reason;

/// Why acting stopped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The API server will not have it as it is; trying again helps only once something else changes.
    #[error("{what} was refused: {message}")]
    Refused {
        /// What was to be written.
        what: String,
        /// A word in `CamelCase`.
        reason: &'static str,
        /// The server's words.
        message: String,
        /// Whether what was to be written is at fault itself, so that it will never be taken.
        lasting: bool,
    },
    /// Anything else; worth another try.
    #[error("cannot write {what}: {source}")]
    Api {
        /// What was to be written.
        what: String,
        /// Why not.
        source: kube::Error,
    },
    /// Something could not be read.
    #[error("cannot read {what}: {source}")]
    Read {
        /// What.
        what: String,
        /// Why not.
        source: kube::Error,
    },
}

impl Failure {
    /// For metrics.
    pub(crate) fn reason(&self) -> Reason {
        match self {
            Self::Refused { .. } => Reason::Invalid,
            Self::Api { source, .. } | Self::Read { source, .. } => Reason::of(source),
        }
    }
}

/// An object, for writing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'a> {
    pub(crate) resource: &'a ApiResource,
    /// Empty for an object in none.
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
}

impl Target<'_> {
    fn api(&self, client: &Client) -> Api<DynamicObject> {
        match self.namespace {
            "" => Api::all_with(client.clone(), self.resource),
            namespace => Api::namespaced_with(client.clone(), namespace, self.resource),
        }
    }

    fn describe(&self) -> String {
        match self.namespace {
            "" => format!("{} {}", self.resource.kind, self.name),
            namespace => format!("{} {namespace}/{}", self.resource.kind, self.name),
        }
    }

    /// Makes the object, or brings it in line where it `exists` and is ours. One that somebody else has made is never
    /// taken over.
    ///
    /// It is made by server-side apply as well, not by a create: what a create sets no later apply takes away again.
    pub(crate) async fn put(
        &self,
        client: &Client,
        body: &Value,
        exists: bool,
        manager: &str,
        owner: &str,
    ) -> Result<(), Failure> {
        let found = if exists { None } else { self.find(client).await? };
        match found {
            Some(found) if !is_owned_by(found.meta(), owner) => Err(self.foreign(&found)),
            // Ours, and only the watch has not told yet.
            Some(_) => self.apply(client, body, manager, true).await,
            None => self.apply(client, body, manager, exists).await,
        }
    }

    /// Makes the object, or brings it in line where it is ours, for kinds whose fields never leave: by a create, which finds
    /// out by itself whether somebody else has that name.
    pub(crate) async fn make(&self, client: &Client, body: &Value, exists: bool, owner: &str) -> Result<(), Failure> {
        if !exists && self.create(client, body, owner).await? {
            return Ok(());
        }
        self.apply(client, body, labels::MANAGER, true).await
    }

    /// Sets an annotation of the object, with a uid only where it is that very one; nothing where it is gone.
    pub(crate) async fn annotate(
        &self,
        client: &Client,
        uid: Option<&str>,
        (key, value): (&str, &str),
    ) -> Result<(), Failure> {
        let mut patch = json!({"metadata": {"annotations": {key: value}}});
        if let Some(uid) = uid {
            patch["metadata"]["uid"] = uid.into();
        }
        match self.api(client).patch(self.name, &PatchParams::default(), &Patch::Merge(patch)).await {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            // Another of that name has another uid, which cannot be changed. Any other conflict passes, and what is to be kept with it
            // would be lost.
            Err(kube::Error::Api(status)) if status.code == 409 && status.message.contains("UID in") => Ok(()),
            patched => patched.map(drop).map_err(|error| self.failed(error)),
        }
    }

    /// Asks whether the object would be made, without making it.
    pub(crate) async fn try_out(&self, client: &Client, body: &Value) -> Result<(), Failure> {
        let object: DynamicObject =
            serde_json::from_value(body.clone()).map_err(|source| self.failed(kube::Error::SerdeError(source)))?;
        let parameters = PostParams { dry_run: true, field_manager: Some(labels::MANAGER.to_owned()) };
        match self.api(client).create(&parameters, &object).await {
            // One of that name is there: it was taken.
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
            tried => tried.map(drop).map_err(|error| self.failed(error)),
        }
    }

    /// Makes the object unless there is one already. Says whether it did; one of somebody else is an error.
    pub(crate) async fn create(&self, client: &Client, body: &Value, owner: &str) -> Result<bool, Failure> {
        let object: DynamicObject =
            serde_json::from_value(body.clone()).map_err(|source| self.failed(kube::Error::SerdeError(source)))?;
        let parameters = PostParams { field_manager: Some(labels::MANAGER.to_owned()), ..PostParams::default() };
        match self.api(client).create(&parameters, &object).await {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if status.code == 409 && status.reason == "AlreadyExists" => {
                match self.find(client).await? {
                    Some(found) if is_owned_by(found.meta(), owner) => Ok(false),
                    Some(found) => Err(self.foreign(&found)),
                    // Gone again in between.
                    None => Err(self.failed(kube::Error::Api(status))),
                }
            }
            Err(error) => Err(self.failed(error)),
        }
    }

    async fn apply(&self, client: &Client, body: &Value, manager: &str, exists: bool) -> Result<(), Failure> {
        let applied = if exists && self.resource.kind == "Service" {
            let parameters = PatchParams { field_manager: Some(manager.to_owned()), ..PatchParams::default() };
            self.api(client).patch(self.name, &parameters, &Patch::Strategic(with_exact_ports(body))).await
        } else {
            self.api(client).patch(self.name, &PatchParams::apply(manager).force(), &Patch::Apply(body)).await
        };
        applied.map(drop).map_err(|error| self.failed(error))
    }

    /// Reads the object past all caches. By a list, for which no further right is needed.
    pub(crate) async fn find(&self, client: &Client) -> Result<Option<DynamicObject>, Failure> {
        let parameters = ListParams::default().fields(&format!("metadata.name={}", self.name));
        let found = self.api(client).list(&parameters).await;
        found
            .map(|list| list.items.into_iter().next())
            .map_err(|source| Failure::Read { what: self.describe(), source })
    }

    /// Deletes the object with this uid; nothing where it is gone. With `in_foreground` it stays, marked, until what
    /// belongs to it is gone.
    pub(crate) async fn delete(&self, client: &Client, uid: Option<&str>, in_foreground: bool) -> Result<(), Failure> {
        let mut parameters = if in_foreground { DeleteParams::foreground() } else { DeleteParams::background() };
        parameters.preconditions = uid.map(|uid| Preconditions { uid: Some(uid.to_owned()), resource_version: None });
        match self.api(client).delete(self.name, &parameters).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 409 => match self.find(client).await? {
                Some(found) if uid.is_none_or(|uid| found.uid().as_deref() == Some(uid)) => {
                    Err(self.failed(kube::Error::Api(status)))
                }
                // Gone, or another one of that name.
                _ => Ok(()),
            },
            Err(error) => Err(self.failed(error)),
        }
    }

    fn foreign(&self, found: &DynamicObject) -> Failure {
        let leaving = found.metadata.deletion_timestamp.is_some();
        let owner = found.metadata.owner_references.iter().flatten().find(|owner| owner.controller == Some(true));
        let owner = owner.map_or_else(|| "something else".to_owned(), |owner| format!("{} {}", owner.kind, owner.name));
        let what = self.describe();
        let message = if leaving {
            format!("{what} of {owner} is still being deleted")
        } else {
            format!("{what} exists already and belongs to {owner}: delete or rename one of the two")
        };
        Failure::Refused { what, reason: "NameConflict", message, lasting: false }
    }

    fn failed(&self, source: kube::Error) -> Failure {
        let what = self.describe();
        match &source {
            kube::Error::Api(status) if matches!(status.code, 400 | 403 | 413 | 422) => {
                let message = status.message.clone();
                let lasting = status.code != 403;
                Failure::Refused { what, reason: refusal(status.code, &message), message, lasting }
            }
            _ => Failure::Api { what, source },
        }
    }
}

/// A strategic patch to the Service `body`. Its ports are a list that server-side apply merges, so that those of others would
/// stay for ever.
fn with_exact_ports(body: &Value) -> Value {
    let mut patch = body.clone();
    let replace = json!({"$patch": "replace"});
    if let Some(ports) = patch["spec"]["ports"].as_array_mut() {
        ports.push(replace);
    }
    if let Some(selector) = patch["spec"]["selector"].as_object_mut() {
        selector.insert("$patch".to_owned(), "replace".into());
    }
    patch
}

/// A word for a refusal. The API server has codes only; what they mean is in its messages.
fn refusal(code: u16, message: &str) -> &'static str {
    match code {
        403 if message.contains("exceeded quota") => "QuotaExceeded",
        403 if message.contains("being terminated") => "NamespaceTerminating",
        403 => "Forbidden",
        _ => "Invalid",
    }
}

/// Writes a status that differs from the observed one, and returns the version it made. What was decided holds for the object that
/// was seen and for no other: it fails where the object was changed since.
///
/// As a whole: a merge patch of what differs costs the API server a fifth more processor time (the object is encoded, merged and
/// decoded again for it), a server-side apply several times as much. The spec is not sent: the server takes it from the object
/// that is there. The metadata are, as they were seen: fields that are missing would be taken from who manages them.
pub(crate) async fn write_status<K, S>(
    api: &Api<K>,
    object: &K,
    observed: Option<&S>,
    status: &S,
) -> Result<Option<String>, Failure>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
    S: Serialize,
{
    let name = object.name_any();
    let failed = |source| Failure::Api { what: format!("the status of {} {name}", K::kind(&())), source };
    let json = |status| serde_json::to_value(status).map_err(|source| failed(kube::Error::SerdeError(source)));
    let before = observed.map(json).transpose()?.unwrap_or(Value::Null);
    let status = json(status)?;
    if status == before {
        return Ok(object.resource_version());
    }
    // Absent, not empty: then they stay.
    let metadata = ObjectMeta { managed_fields: None, ..object.meta().clone() };
    let body = json!({
        "apiVersion": K::api_version(&()), "kind": K::kind(&()), "metadata": metadata, "status": status,
    });
    let parameters = PostParams { field_manager: Some(labels::MANAGER.to_owned()), ..PostParams::default() };
    let written = api.replace_subresource("status", &name, &parameters, &body).await;
    written.map(|written: K| written.resource_version()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_named_by_what_the_server_says() {
        let quota =
            "jobs.batch \"a-1\" is forbidden: exceeded quota: few, requested: count/jobs.batch=1, used: 1, limited: 1";
        assert_eq!(refusal(403, quota), "QuotaExceeded");
        assert_eq!(
            refusal(403, "forbidden: unable to create new content in namespace x because it is being terminated"),
            "NamespaceTerminating"
        );
        assert_eq!(refusal(403, "User \"x\" cannot create resource \"jobs\""), "Forbidden");
        assert_eq!(refusal(422, "spec.completions: Invalid value"), "Invalid");
    }
}
