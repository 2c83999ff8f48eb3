//! What belongs to a job besides its attempts.

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::NetworkPolicy;

use super::Case;
use super::situation::Situation;
use crate::job::Children;

fn changed(mut situation: Situation, change: impl FnOnce(&mut Children)) -> Situation {
    change(&mut situation.observed.children);
    situation
}

pub(super) fn cases() -> Vec<Case> {
    let runs = || Situation::running_for(100);
    let opened = |policy: &mut Option<NetworkPolicy>| {
        let spec = policy.as_mut().unwrap().spec.as_mut().unwrap();
        spec.ingress.as_mut().unwrap()[0].from = None;
    };
    let label = || BTreeMap::from([("team".to_owned(), "sec".to_owned())]);
    vec![
        ("a Service that someone deletes is made again", changed(runs(), |all| all.service = None)),
        ("a network policy that someone deletes is made again", changed(runs(), |all| all.network_policy = None)),
        ("all children that someone deletes are made again", changed(runs(), |all| *all = Children::default())),
        (
            "a Service that someone edits is set right",
            changed(runs(), |all| {
                let spec = all.service.as_mut().unwrap().spec.as_mut().unwrap();
                spec.publish_not_ready_addresses = Some(false);
            }),
        ),
        ("a network policy that someone opens is set right", changed(runs(), |all| opened(&mut all.network_policy))),
        (
            "an owner that someone takes away is set right",
            changed(runs(), |all| all.service.as_mut().unwrap().metadata.owner_references = None),
        ),
        (
            "labels and annotations of others are nobody's business",
            changed(runs(), |all| {
                let metadata = &mut all.service.as_mut().unwrap().metadata;
                metadata.labels.as_mut().unwrap().extend(label());
                metadata.annotations = Some(label());
            }),
        ),
        (
            "children that someone deletes while the job is suspended are not missed",
            changed(runs().suspended().settled().gone().settled(), |all| *all = Children::default()),
        ),
        (
            "children that someone deleted while the job was suspended are made when it is resumed",
            changed(runs().suspended().settled().gone().settled(), |all| *all = Children::default()).resumed(),
        ),
    ]
}
