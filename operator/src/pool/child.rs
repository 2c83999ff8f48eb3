//! Objects that belong to a pool, as they are written by server-side apply.

use k8s_openapi::api::{
    apps::v1::Deployment,
    autoscaling::v2::HorizontalPodAutoscaler,
    core::v1::{Service, ServiceAccount},
    networking::v1::NetworkPolicy,
    policy::v1::PodDisruptionBudget,
};
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ObjectMeta};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::child::is_owned_by;
use crate::labels;

/// Field manager that takes over `replicas` of a Deployment while it passes from the operator to an autoscaler.
///
/// A field that its only manager leaves out goes back to its default, which for replicas is 1: a loaded fleet would
/// be cut down before the autoscaler's first look. See "Transferring ownership" in Kubernetes' documentation of
/// server-side apply.
pub const HAND_OVER_MANAGER: &str = "real-operator-hand-over";

/// The kinds of children.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Kind {
    /// `v1` `ServiceAccount`.
    ServiceAccount,
    /// `networking.k8s.io/v1` `NetworkPolicy`.
    NetworkPolicy,
    /// `v1` `Service`.
    Service,
    /// `policy/v1` `PodDisruptionBudget`.
    PodDisruptionBudget,
    /// `apps/v1` `Deployment`.
    Deployment,
    /// `autoscaling/v2` `HorizontalPodAutoscaler`.
    HorizontalPodAutoscaler,
    /// `keda.sh/v1alpha1` `ScaledObject`.
    ScaledObject,
}

impl Kind {
    /// The kind's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::ServiceAccount => "ServiceAccount",
            Self::NetworkPolicy => "NetworkPolicy",
            Self::Service => "Service",
            Self::PodDisruptionBudget => "PodDisruptionBudget",
            Self::Deployment => "Deployment",
            Self::HorizontalPodAutoscaler => "HorizontalPodAutoscaler",
            Self::ScaledObject => "ScaledObject",
        }
    }

    /// Where the API server keeps objects of this kind.
    pub fn api_resource(self) -> ApiResource {
        let (group, version, plural) = match self {
            Self::ServiceAccount => ("", "v1", "serviceaccounts"),
            Self::NetworkPolicy => ("networking.k8s.io", "v1", "networkpolicies"),
            Self::Service => ("", "v1", "services"),
            Self::PodDisruptionBudget => ("policy", "v1", "poddisruptionbudgets"),
            Self::Deployment => ("apps", "v1", "deployments"),
            Self::HorizontalPodAutoscaler => ("autoscaling", "v2", "horizontalpodautoscalers"),
            Self::ScaledObject => ("keda.sh", "v1alpha1", "scaledobjects"),
        };
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, self.name()), plural)
    }
}

/// A child as it is to be applied.
#[derive(Clone, Debug, PartialEq)]
pub enum Child {
    /// The account of all pods, without a token.
    ServiceAccount(ServiceAccount),
    /// What may reach a fleet.
    NetworkPolicy(NetworkPolicy),
    /// A fleet's address.
    Service(Box<Service>),
    /// How much of a fleet may be evicted.
    PodDisruptionBudget(PodDisruptionBudget),
    /// A fleet.
    Deployment(Box<Deployment>),
    /// `replicas` of a Deployment alone, applied by [`HAND_OVER_MANAGER`].
    HandOver {
        /// The Deployment.
        name: String,
        /// Its namespace.
        namespace: String,
        /// As it has now.
        replicas: i32,
    },
    /// A fleet's size, by Kubernetes' autoscaler.
    HorizontalPodAutoscaler(Box<HorizontalPodAutoscaler>),
    /// A fleet's size, by KEDA.
    ScaledObject(Box<DynamicObject>),
}

impl Child {
    /// Kind of the object that is applied to.
    pub fn kind(&self) -> Kind {
        match self {
            Self::ServiceAccount(_) => Kind::ServiceAccount,
            Self::NetworkPolicy(_) => Kind::NetworkPolicy,
            Self::Service(_) => Kind::Service,
            Self::PodDisruptionBudget(_) => Kind::PodDisruptionBudget,
            Self::Deployment(_) | Self::HandOver { .. } => Kind::Deployment,
            Self::HorizontalPodAutoscaler(_) => Kind::HorizontalPodAutoscaler,
            Self::ScaledObject(_) => Kind::ScaledObject,
        }
    }

    /// Name.
    pub fn name(&self) -> &str {
        match self {
            Self::HandOver { name, .. } => name,
            other => other.metadata().and_then(|metadata| metadata.name.as_deref()).unwrap_or_default(),
        }
    }

    /// Namespace.
    pub fn namespace(&self) -> &str {
        match self {
            Self::HandOver { namespace, .. } => namespace,
            other => other.metadata().and_then(|metadata| metadata.namespace.as_deref()).unwrap_or_default(),
        }
    }

    /// Who applies it; with `force`, because what the pool says counts.
    pub fn field_manager(&self) -> &'static str {
        match self {
            Self::HandOver { .. } => HAND_OVER_MANAGER,
            _ => labels::MANAGER,
        }
    }

    /// The body of the apply.
    ///
    /// # Panics
    ///
    /// If an object cannot be written as JSON, which no API object is.
    pub fn json(&self) -> Value {
        let plain = "an API object is plain data";
        match self {
            Self::ServiceAccount(object) => serde_json::to_value(object).expect(plain),
            Self::NetworkPolicy(object) => serde_json::to_value(object).expect(plain),
            Self::Service(object) => serde_json::to_value(object).expect(plain),
            Self::PodDisruptionBudget(object) => serde_json::to_value(object).expect(plain),
            Self::Deployment(object) => serde_json::to_value(object).expect(plain),
            Self::HorizontalPodAutoscaler(object) => serde_json::to_value(object).expect(plain),
            Self::ScaledObject(object) => serde_json::to_value(object).expect(plain),
            Self::HandOver { name, namespace, replicas } => json!({
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": name, "namespace": namespace},
                "spec": {"replicas": replicas},
            }),
        }
    }

    fn metadata(&self) -> Option<&ObjectMeta> {
        match self {
            Self::ServiceAccount(object) => Some(&object.metadata),
            Self::NetworkPolicy(object) => Some(&object.metadata),
            Self::Service(object) => Some(&object.metadata),
            Self::PodDisruptionBudget(object) => Some(&object.metadata),
            Self::Deployment(object) => Some(&object.metadata),
            Self::HorizontalPodAutoscaler(object) => Some(&object.metadata),
            Self::ScaledObject(object) => Some(&object.metadata),
            Self::HandOver { .. } => None,
        }
    }
}

impl Serialize for Child {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.json().serialize(serializer)
    }
}

/// A child that is to be deleted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ChildRef {
    /// Kind.
    pub kind: Kind,
    /// Name, in the pool's namespace.
    pub name: String,
    /// For the precondition of the delete, so that nobody else's later object of that name is hit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
}

/// A child that was observed.
pub(super) struct Seen<'a> {
    pub(super) kind: Kind,
    pub(super) metadata: &'a ObjectMeta,
    pub(super) json: Value,
}

impl Seen<'_> {
    pub(super) fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }

    /// Whether the pool with this uid is its controller.
    pub(super) fn belongs_to(&self, pool: &str) -> bool {
        is_owned_by(self.metadata, pool)
    }

    /// Whether it is on its way out.
    pub(super) fn is_leaving(&self) -> bool {
        self.metadata.deletion_timestamp.is_some()
    }
}
