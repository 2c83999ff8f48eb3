//! What the API server's authorizer lets an account do.

use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::{Api, Client, api::PostParams};

/// Whether the service account `real-operator` of the namespace `home` may do `verb` in `namespace`; everywhere where that is empty.
/// What it does that with is named by its group and its plural name, with `/status` for the subresource.
pub(crate) async fn may(client: &Client, home: &str, namespace: &str, what: (&str, &str), verb: &str) -> bool {
    let (group, resource) = what;
    let (resource, subresource) = resource.split_once('/').map_or((resource, None), |(a, b)| (a, Some(b.to_owned())));
    let review = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: Some(format!("system:serviceaccount:{home}:real-operator")),
            resource_attributes: Some(ResourceAttributes {
                group: Some(group.to_owned()),
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
