//! What the API server's authorizer lets an account do.

use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::{Api, Client, api::PostParams};
use real_operator::rbac::Permission;

/// Whether the service account `real-operator` of the namespace `home` may do `verb` in `namespace`; everywhere where that is empty.
pub(crate) async fn may(client: &Client, home: &str, namespace: &str, what: &Permission, verb: &str) -> bool {
    let (resource, subresource) =
        what.resource.split_once('/').map_or((what.resource, None), |(a, b)| (a, Some(b.to_owned())));
    let review = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: Some(format!("system:serviceaccount:{home}:real-operator")),
            resource_attributes: Some(ResourceAttributes {
                group: Some(what.group.to_owned()),
                resource: Some(resource.to_owned()),
                subresource,
                verb: Some(verb.to_owned()),
                namespace: Some(namespace.to_owned()).filter(|namespace| !namespace.is_empty()),
                ..ResourceAttributes::default()
            }),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    };
    let answer = Api::all(client.clone()).create(&PostParams::default(), &review).await.expect("it answers");
    answer.status.expect("an answer").allowed
}
