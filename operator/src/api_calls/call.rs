//! What a request asks, from its method, path and query. Pure.

use http::{Method, Uri};

use crate::metrics::Verb;

/// The kind of everything that is not in the table: labels stay few whatever is asked.
pub const OTHER: &str = "other";

/// The resources, with their subresources, that the operator has to do with, by API group.
const KNOWN: &[(&str, &[&str])] = &[
    (
        "real-rl.dev",
        &[
            "realtrainingjobs",
            "realtrainingjobs/status",
            "rewardpools",
            "rewardpools/status",
            "rewardpools/scale",
            "realevalsweeps",
            "realevalsweeps/status",
        ],
    ),
    (
        "",
        &[
            "pods",
            "pods/log",
            "pods/status",
            "pods/eviction",
            "services",
            "configmaps",
            "events",
            "nodes",
            "namespaces",
            "serviceaccounts",
            "persistentvolumeclaims",
            "resourcequotas",
        ],
    ),
    ("batch", &["jobs", "jobs/status"]),
    ("apps", &["deployments", "deployments/status", "deployments/scale", "replicasets"]),
    ("autoscaling", &["horizontalpodautoscalers"]),
    ("policy", &["poddisruptionbudgets"]),
    ("networking.k8s.io", &["networkpolicies"]),
    ("node.k8s.io", &["runtimeclasses"]),
    ("storage.k8s.io", &["storageclasses"]),
    ("scheduling.k8s.io", &["priorityclasses"]),
    ("coordination.k8s.io", &["leases"]),
    ("events.k8s.io", &["events"]),
    ("discovery.k8s.io", &["endpointslices"]),
    ("authorization.k8s.io", &["selfsubjectaccessreviews", "subjectaccessreviews"]),
    ("apiextensions.k8s.io", &["customresourcedefinitions", "customresourcedefinitions/status"]),
    ("keda.sh", &["scaledobjects"]),
    ("kueue.x-k8s.io", &["localqueues", "workloads"]),
];

/// What a request asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// What is to be done.
    pub verb: Verb,
    /// Plural of the resource, with its subresource: `realtrainingjobs/status`; [`OTHER`] where it is not a known one.
    pub kind: &'static str,
}

impl Call {
    /// Reads a request as the API server does.
    pub fn of(method: &Method, uri: &Uri) -> Self {
        let target = target(uri.path());
        let named = target.as_ref().is_some_and(|target| target.named);
        let verb = match *method {
            Method::GET if watches(uri.query()) => Verb::Watch,
            Method::GET if target.is_some() && !named => Verb::List,
            Method::GET => Verb::Get,
            Method::POST => Verb::Create,
            Method::PUT => Verb::Update,
            Method::PATCH => Verb::Patch,
            Method::DELETE => Verb::Delete,
            _ => Verb::Other,
        };
        Self { verb, kind: target.map_or(OTHER, |target| kind(&target)) }
    }
}

/// A resource in a path.
struct Target<'a> {
    group: &'a str,
    resource: &'a str,
    subresource: Option<&'a str>,
    named: bool,
}

/// `/api/v1/…` and `/apis/{group}/{version}/…`; nothing where there is no resource.
fn target(path: &str) -> Option<Target<'_>> {
    let mut parts = path.split('/').filter(|part| !part.is_empty());
    let group = match parts.next()? {
        "api" => "",
        "apis" => parts.next()?,
        _ => return None,
    };
    let _version = parts.next()?;
    let rest: Vec<&str> = parts.collect();
    let rest = match rest[..] {
        // What follows a namespace is a resource within it, but for the namespace's own subresources.
        ["namespaces", _, subresource, ..] if !matches!(subresource, "status" | "finalize") => &rest[2..],
        _ => &rest[..],
    };
    let (resource, rest) = rest.split_first()?;
    Some(Target { group, resource, subresource: rest.get(1).copied(), named: !rest.is_empty() })
}

fn watches(query: Option<&str>) -> bool {
    query.into_iter().flat_map(|query| query.split('&')).any(|pair| matches!(pair, "watch=true" | "watch=1" | "watch"))
}

fn kind(target: &Target) -> &'static str {
    let known = KNOWN.iter().filter(|(group, _)| *group == target.group).flat_map(|(_, kinds)| kinds.iter().copied());
    known
        .into_iter()
        .find(|known| {
            let (resource, subresource) = known.split_once('/').map_or((*known, None), |(a, b)| (a, Some(b)));
            resource == target.resource && subresource == target.subresource
        })
        .unwrap_or(OTHER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_has_its_verb_and_kind() {
        let job = "/apis/real-rl.dev/v1alpha1/namespaces/ml/realtrainingjobs";
        let rows = [
            ("GET", format!("{job}/run"), Verb::Get, "realtrainingjobs"),
            ("GET", job.to_owned(), Verb::List, "realtrainingjobs"),
            ("GET", format!("{job}?limit=500"), Verb::List, "realtrainingjobs"),
            ("GET", "/apis/real-rl.dev/v1alpha1/realtrainingjobs?".into(), Verb::List, "realtrainingjobs"),
            ("GET", format!("{job}?&watch=true&timeoutSeconds=290"), Verb::Watch, "realtrainingjobs"),
            ("GET", format!("{job}?labelSelector=watch%3Dtrue"), Verb::List, "realtrainingjobs"),
            ("GET", format!("{job}?watch=false"), Verb::List, "realtrainingjobs"),
            ("GET", format!("{job}?allowWatchBookmarks=true&watch=1"), Verb::Watch, "realtrainingjobs"),
            ("POST", format!("{job}?"), Verb::Create, "realtrainingjobs"),
            ("PUT", format!("{job}/run"), Verb::Update, "realtrainingjobs"),
            ("PATCH", format!("{job}/run?fieldManager=real-operator&force=true"), Verb::Patch, "realtrainingjobs"),
            ("PATCH", format!("{job}/run/status?force=true"), Verb::Patch, "realtrainingjobs/status"),
            ("GET", format!("{job}/run/status"), Verb::Get, "realtrainingjobs/status"),
            ("DELETE", format!("{job}/run"), Verb::Delete, "realtrainingjobs"),
            ("DELETE", format!("{job}?labelSelector=a"), Verb::Delete, "realtrainingjobs"),
            ("OPTIONS", format!("{job}/run"), Verb::Other, "realtrainingjobs"),
            ("GET", format!("{job}/run/unheard-of"), Verb::Get, OTHER),
            ("GET", "/api/v1/namespaces/ml/pods/run-0".into(), Verb::Get, "pods"),
            ("GET", "/api/v1/namespaces/ml/pods/run-0/log?tailLines=50".into(), Verb::Get, "pods/log"),
            ("GET", "/api/v1/pods?watch=true".into(), Verb::Watch, "pods"),
            ("POST", "/api/v1/namespaces/ml/pods/run-0/eviction".into(), Verb::Create, "pods/eviction"),
            ("GET", "/api/v1/namespaces".into(), Verb::List, "namespaces"),
            ("GET", "/api/v1/namespaces/ml".into(), Verb::Get, "namespaces"),
            ("PUT", "/api/v1/namespaces/ml/finalize".into(), Verb::Update, OTHER),
            ("GET", "/api/v1/namespaces/ml/secrets/token".into(), Verb::Get, OTHER),
            ("PATCH", "/apis/batch/v1/namespaces/ml/jobs/run".into(), Verb::Patch, "jobs"),
            ("GET", "/apis/batch.volcano.sh/v1/namespaces/ml/jobs/run".into(), Verb::Get, OTHER),
            ("PATCH", "/apis/apps/v1/namespaces/ml/deployments/d/scale".into(), Verb::Patch, "deployments/scale"),
            ("PUT", "/apis/coordination.k8s.io/v1/namespaces/real/leases/operator".into(), Verb::Update, "leases"),
            ("POST", "/apis/events.k8s.io/v1/namespaces/ml/events".into(), Verb::Create, "events"),
            ("GET", "/apis/node.k8s.io/v1/runtimeclasses/gvisor".into(), Verb::Get, "runtimeclasses"),
            ("GET", "/apis/real-rl.dev/v1alpha1/realevalsweeps/weekly".into(), Verb::Get, "realevalsweeps"),
            ("GET", "/apis/real-rl.dev/v1alpha1".into(), Verb::Get, OTHER),
            ("GET", "/api/v1".into(), Verb::Get, OTHER),
            ("GET", "/apis".into(), Verb::Get, OTHER),
            ("GET", "/version".into(), Verb::Get, OTHER),
            ("GET", "/".into(), Verb::Get, OTHER),
            ("GET", "//".into(), Verb::Get, OTHER),
        ];
        for (method, uri, verb, kind) in rows {
            let call = Call::of(&method.parse().unwrap(), &uri.parse().unwrap());
            assert_eq!(call, Call { verb, kind }, "{method} {uri}");
        }
    }

    #[test]
    fn the_own_resources_are_known() {
        for definition in real_crds::definitions() {
            let uri = format!("/apis/{}/v1alpha1/{}", definition.spec.group, definition.spec.names.plural);
            let call = Call::of(&Method::GET, &uri.parse().unwrap());
            assert_eq!(call.kind, definition.spec.names.plural);
        }
    }
}
