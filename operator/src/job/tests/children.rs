//! What belongs to a job besides its attempts.

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::NetworkPolicy;
use real_crds::v1alpha1::PodPatch;

use super::Case;
use super::situation::Situation;
use crate::job::Children;

fn changed(mut situation: Situation, change: impl FnOnce(&mut Children)) -> Situation {
    change(&mut situation.observed.children);
    situation
}

pub(super) fn cases() -> Vec<Case> {
    let runs = || Situation::running_for(100);
    let own_account = PodPatch { service_account_name: Some("reader".into()), ..PodPatch::default() };
    let opened = |policy: &mut Option<NetworkPolicy>| {
        let spec = policy.as_mut().unwrap().spec.as_mut().unwrap();
        spec.ingress.as_mut().unwrap()[0].from = None;
    };
    let label = || BTreeMap::from([("team".to_owned(), "sec".to_owned())]);
    vec![
        ("a Service that someone deletes is made again", changed(runs(), |all| all.service = None)),
        ("a configuration that someone deletes is made again", changed(runs(), |all| all.configs.clear())),
        ("a service account that someone deletes is made again", changed(runs(), |all| all.service_account = None)),
        ("a network policy that someone deletes is made again", changed(runs(), |all| all.network_policy = None)),
        ("all children that someone deletes are made again", changed(runs(), |all| *all = Children::default())),
        (
            "a Service that someone edits is set right",
            changed(runs(), |all| {
                let spec = all.service.as_mut().unwrap().spec.as_mut().unwrap();
                spec.publish_not_ready_addresses = Some(false);
            }),
        ),
        (
            "a service account that someone gives a token is set right",
            changed(runs(), |all| all.service_account.as_mut().unwrap().automount_service_account_token = Some(true)),
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
        ("each attempt gets a configuration of its own", runs().failed_once_more().later(3600)),
        (
            "the configuration of an attempt that is gone is removed",
            runs().failed_once_more().started_again().runs().failed_once_more().started_again().gone(),
        ),
        (
            "a configuration that is there before its attempt is written all the same",
            changed(runs().failed_once_more().later(3600), |all| {
                let mut planted = all.configs[0].clone();
                planted.name = Some("ppo-config-2".into());
                all.configs.push(planted);
            }),
        ),
        ("an attempt of an earlier version goes on with its own configuration", runs().of_an_earlier_version()),
        (
            "the configuration of an attempt of an earlier version is made again under its name",
            changed(runs().of_an_earlier_version(), |all| all.configs.clear()),
        ),
        (
            "a job with a service account of its own gets none made",
            Situation::ready().edited(|spec| spec.trainer.pod_patch = Some(own_account)),
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
