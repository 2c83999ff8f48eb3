//! Objects that belong to one of ours, as they are to be written.

use std::fmt::Write as _;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::{Resource, ResourceExt, api::ApiResource};
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// A child that is to be made, or brought in line.
#[derive(Clone, Debug, PartialEq)]
pub struct Child {
    /// Its kind.
    pub resource: ApiResource,
    /// Its name.
    pub name: String,
    /// What it has to be; with `apiVersion`, `kind`, name, namespace and owner.
    pub body: Value,
    /// Whether it is there and ours. One that is not is created, never taken over from someone else.
    pub exists: bool,
}

impl Child {
    /// `object` as a child.
    ///
    /// # Panics
    ///
    /// If the object cannot be written as JSON, which no API object is.
    pub fn new<K: Resource<DynamicType = ()> + Serialize>(object: &K, exists: bool) -> Self {
        let resource = ApiResource::erase::<K>(&());
        let mut body = serde_json::to_value(object).expect("an API object is plain data");
        body["apiVersion"] = resource.api_version.clone().into();
        body["kind"] = resource.kind.clone().into();
        Self { resource, name: object.name_any(), body, exists }
    }
}

/// Short, for plans that people read.
impl Serialize for Child {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        let verb = if self.exists { "update" } else { "create" };
        map.serialize_entry(verb, &format!("{}/{}", self.resource.kind, self.name))?;
        map.end()
    }
}

/// A short text that changes whenever `content` does. What was left out of an object cannot be seen in it; an annotation with
/// this shows it.
///
/// # Panics
///
/// If the content cannot be written as JSON, which no plain data is.
pub fn fingerprint(content: &impl Serialize) -> String {
    let text = serde_json::to_vec(content).expect("plain data");
    Sha256::digest(text).iter().take(16).fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Whether `owner` is the controller of the object with this metadata.
pub fn is_owned_by(metadata: &ObjectMeta, owner: &str) -> bool {
    metadata
        .owner_references
        .iter()
        .flatten()
        .any(|reference| reference.controller == Some(true) && reference.uid == owner)
}

/// The reference that makes `owner` the controller of a child.
///
/// # Panics
///
/// If `owner` was not read from an API server: it has neither name nor uid.
pub fn controller_of<K: Resource<DynamicType = ()>>(owner: &K) -> OwnerReference {
    owner.controller_owner_ref(&()).expect("an observed object has a name and a uid")
}
