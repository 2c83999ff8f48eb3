//! What a request asks for, in Kubernetes' own words.

use std::fmt;

use http::Method;

/// A request of the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// What is to be done.
    pub verb: Verb,
    /// API group; empty for the core group and for what is no resource.
    pub group: String,
    /// Plural name, `jobs`; empty for what is no resource, such as `/readyz`.
    pub resource: String,
    /// `status`, `scale` and the like.
    pub subresource: Option<String>,
    /// Namespace, for a resource in one.
    pub namespace: Option<String>,
    /// Name, where the request is about one object and its URL says so.
    pub name: Option<String>,
    /// HTTP method.
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// Status of the answer, as far as there is one.
    pub status: Option<u16>,
    /// Whether the API server answered it. An answer of the proxy does not count.
    pub reached: bool,
}

/// What a request does with a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verb {
    /// Reads one.
    Get,
    /// Reads many.
    List,
    /// Reads changes as they come.
    Watch,
    /// Makes one.
    Create,
    /// Replaces one.
    Update,
    /// Changes one; server-side apply is this too.
    Patch,
    /// Deletes one.
    Delete,
    /// Deletes many.
    DeleteCollection,
}

impl Verb {
    /// Whether it changes anything.
    pub fn is_write(self) -> bool {
        !matches!(self, Self::Get | Self::List | Self::Watch)
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::DeleteCollection => "deletecollection",
        })
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.verb)?;
        if self.resource.is_empty() {
            f.write_str(&self.path)?;
        } else {
            f.write_str(&self.resource)?;
            for part in [&self.subresource].into_iter().flatten() {
                write!(f, "/{part}")?;
            }
            f.write_str(" ")?;
            f.write_str(self.namespace.as_deref().unwrap_or("-"))?;
            write!(f, "/{}", self.name.as_deref().unwrap_or("*"))?;
        }
        match self.status {
            Some(status) => write!(f, " {status}"),
            None => f.write_str(" unanswered"),
        }
    }
}

impl Call {
    /// Reads a request as the API server does (`RequestInfoFactory` of k8s.io/apiserver).
    pub(super) fn of(method: &Method, uri: &http::Uri) -> Self {
        let path = uri.path();
        let query = uri.query().unwrap_or_default();
        let mut parts = path.split('/').filter(|part| !part.is_empty());
        let group = match parts.next() {
            Some("api") => Some(String::new()),
            Some("apis") => parts.next().map(str::to_owned),
            _ => None,
        };
        // Without a resource after the version, it is about the API itself.
        let rest: Vec<&str> = parts.skip(1).collect();
        let (namespace, rest) = match rest.as_slice() {
            // A namespace is an object, too: with a word of this kind after it, or nothing, the request is about the namespace.
            ["namespaces", name, resource, ..] if !["status", "finalize"].contains(resource) => {
                (Some((*name).to_owned()), &rest[2..])
            }
            all => (None, all),
        };
        let part = |index: usize| rest.get(index).map(|part| (*part).to_owned());
        let name = part(1);
        let watches = query.split('&').any(|pair| ["watch=true", "watch=1", "watch"].contains(&pair));
        let verb = match (method.as_str(), &name) {
            ("POST", _) => Verb::Create,
            ("PUT", _) => Verb::Update,
            ("PATCH", _) => Verb::Patch,
            ("DELETE", Some(_)) => Verb::Delete,
            ("DELETE", None) => Verb::DeleteCollection,
            _ if watches => Verb::Watch,
            _ if rest.len() == 1 => Verb::List,
            _ => Verb::Get,
        };
        Self {
            verb,
            resource: if group.is_some() { part(0).unwrap_or_default() } else { String::new() },
            group: group.unwrap_or_default(),
            subresource: part(2),
            namespace,
            name,
            method: method.clone(),
            path: uri.path_and_query().map_or_else(|| path.to_owned(), ToString::to_string),
            status: None,
            reached: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_as_the_api_server_reads_it() {
        for (method, uri, expected) in [
            ("GET", "/api/v1/pods?limit=5", "list pods -/* unanswered"),
            ("GET", "/api/v1/namespaces/a/pods", "list pods a/* unanswered"),
            ("GET", "/api/v1/namespaces/a/pods?watch=true&resourceVersion=3", "watch pods a/* unanswered"),
            ("GET", "/api/v1/namespaces/a/pods/b", "get pods a/b unanswered"),
            ("GET", "/api/v1/namespaces/a/pods/b/log?follow=true", "get pods/log a/b unanswered"),
            ("POST", "/apis/batch/v1/namespaces/a/jobs?fieldManager=x", "create jobs a/* unanswered"),
            (
                "PATCH",
                "/apis/real-rl.dev/v1alpha1/namespaces/a/realtrainingjobs/b/status",
                "patch realtrainingjobs/status a/b unanswered",
            ),
            ("PUT", "/apis/coordination.k8s.io/v1/namespaces/a/leases/b", "update leases a/b unanswered"),
            ("DELETE", "/apis/batch/v1/namespaces/a/jobs/b", "delete jobs a/b unanswered"),
            ("DELETE", "/apis/batch/v1/namespaces/a/jobs", "deletecollection jobs a/* unanswered"),
            ("GET", "/api/v1/namespaces", "list namespaces -/* unanswered"),
            ("GET", "/api/v1/namespaces/a", "get namespaces -/a unanswered"),
            ("PUT", "/api/v1/namespaces/a/finalize", "update namespaces/finalize -/a unanswered"),
            ("GET", "/apis/real-rl.dev/v1alpha1/realevalsweeps/s", "get realevalsweeps -/s unanswered"),
            ("GET", "/readyz?verbose", "get /readyz?verbose unanswered"),
            ("GET", "/apis", "get /apis unanswered"),
            ("GET", "/apis/batch/v1", "get /apis/batch/v1 unanswered"),
            ("GET", "/openapi/v3/apis/batch/v1", "get /openapi/v3/apis/batch/v1 unanswered"),
        ] {
            let call = Call::of(&method.parse().unwrap(), &uri.parse().unwrap());
            assert_eq!(call.to_string(), expected, "{method} {uri}");
        }
        let call = Call::of(&Method::GET, &"/apis/batch/v1/jobs".parse().unwrap());
        assert_eq!((call.group.as_str(), call.resource.as_str()), ("batch", "jobs"));
    }
}
