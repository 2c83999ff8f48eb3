//! The chart's roles are made from one table, and the table asks for little.

use std::collections::BTreeSet;

use k8s_openapi::api::rbac::v1::PolicyRule;
use real_operator::{
    api_calls::Call,
    rbac::{Permission, Scope, TABLE, rules, yaml},
};
use serde::Deserialize;

#[path = "support/fresh.rs"]
mod fresh;

const SCOPES: [Scope; 4] = [Scope::Cluster, Scope::Watched, Scope::Default, Scope::Own];

#[test]
fn the_chart_has_the_rules_of_the_table() {
    fresh::assert_fresh("charts/real-operator/files/rbac.yaml", &yaml());
}

#[test]
fn the_file_says_the_same_as_the_table() {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        cluster: Vec<PolicyRule>,
        watched: Vec<PolicyRule>,
        default: Vec<PolicyRule>,
        own: Vec<PolicyRule>,
    }
    let file: File = serde_saphyr::from_str(&yaml()).unwrap();
    assert_eq!(file.cluster, rules(Scope::Cluster));
    assert_eq!(file.watched, rules(Scope::Watched));
    assert_eq!(file.default, rules(Scope::Default));
    assert_eq!(file.own, rules(Scope::Own));
}

#[test]
fn every_permission_is_in_one_scope() {
    assert_eq!(SCOPES.map(|scope| rules(scope).len()).iter().sum::<usize>(), TABLE.len());
}

#[test]
fn nothing_is_asked_of_secrets_and_nothing_by_wildcard() {
    for Permission { group, resource, verbs, .. } in TABLE {
        assert!(!resource.contains("secret"), "{resource}");
        assert!(![*group, *resource].contains(&"*") && !verbs.contains(&"*"), "{group}/{resource}");
    }
}

#[test]
fn nothing_lets_the_operator_raise_its_rights() {
    for Permission { group, resource, verbs, .. } in TABLE {
        assert_ne!(*group, "rbac.authorization.k8s.io", "{resource}");
        assert!(!["pods/exec", "pods/attach", "serviceaccounts/token", "nodes"].contains(resource), "{resource}");
        assert!(!verbs.iter().any(|verb| ["bind", "escalate", "impersonate"].contains(verb)), "{resource}");
    }
}

#[test]
fn pods_are_only_read() {
    let verbs: Vec<_> = TABLE.iter().filter(|line| line.resource.starts_with("pods")).map(|line| line.verbs).collect();
    assert_eq!(verbs, [["list", "watch"]]);
}

#[test]
fn our_kinds_are_read_and_only_their_status_is_written() {
    for plural in ["realtrainingjobs", "rewardpools", "realevalsweeps"] {
        let verbs = |resource: &str| -> BTreeSet<&str> {
            let line = TABLE.iter().find(|line| line.group == "real-rl.dev" && line.resource == resource);
            line.unwrap_or_else(|| panic!("{resource} is not in the table")).verbs.iter().copied().collect()
        };
        let object = verbs(plural);
        assert!(object.is_superset(&["list", "watch"].into()), "{plural}");
        assert!(object.is_disjoint(&["create", "patch", "update"].into()), "{plural}");
        assert_eq!(verbs(&format!("{plural}/status")), ["update"].into());
    }
}

/// What is granted but unknown there would be counted as "other".
#[test]
fn requests_the_table_allows_are_counted_by_name() {
    for Permission { group, resource, .. } in TABLE {
        let root = if group.is_empty() { "/api".to_owned() } else { format!("/apis/{group}") };
        let (plural, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let uri = format!("{root}/v1/namespaces/a/{plural}/b/{subresource}");
        let call = Call::of(&http::Method::PATCH, &uri.trim_end_matches('/').parse().unwrap());
        assert_eq!(call.kind, *resource, "{group}");
    }
}

#[test]
fn lines_are_unique_and_say_what_for() {
    let mut seen = BTreeSet::new();
    for Permission { group, resource, verbs, scope, why } in TABLE {
        assert!(seen.insert((group, resource, format!("{scope:?}"))), "{group}/{resource} is there twice");
        assert!(!why.is_empty() && !why.contains('\n'), "{resource}");
        assert!(verbs.is_sorted(), "{resource}: {verbs:?}");
    }
}
