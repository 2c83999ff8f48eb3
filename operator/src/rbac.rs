//! What the operator may do: the one table that the Helm chart's roles are made from.
//!
//! There is no verb on Secrets: pods mount them by name, and the kubelet reads them.

use std::fmt::Write;

use k8s_openapi::api::rbac::v1::PolicyRule;

/// Where a permission is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// On cluster-scoped objects.
    Cluster,
    /// In every namespace whose jobs and pools are reconciled.
    Watched,
    /// In the namespace `default`, where events about cluster-scoped objects are.
    Default,
    /// In the operator's own namespace.
    Own,
}

/// One line of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permission {
    /// API group; empty for the core one.
    pub group: &'static str,
    /// Plural name, with `/status` for the subresource.
    pub resource: &'static str,
    /// Verbs of the API.
    pub verbs: &'static [&'static str],
    /// Where it is needed.
    pub scope: Scope,
    /// What for, in a line.
    pub why: &'static str,
}

/// Children are created, and brought in line by server-side apply. What belongs to a job or a pool leaves with it.
const KEEP: &[&str] = &["create", "list", "patch", "watch"];
/// The same for children that a pool may do without.
const MAKE_AND_REMOVE: &[&str] = &["create", "delete", "list", "patch", "watch"];

/// All that the operator may do.
pub const TABLE: &[Permission] = &[
    Permission {
        group: "node.k8s.io",
        resource: "runtimeclasses",
        verbs: &["get"],
        scope: Scope::Cluster,
        why: "a pool whose runtime class is missing says so in place of running without isolation",
    },
    Permission {
        group: "",
        resource: "namespaces",
        verbs: &["list", "watch"],
        scope: Scope::Cluster,
        why: "sweeps read jobs of namespaces with a label that allows it, and run in such",
    },
    Permission {
        group: "real-rl.dev",
        resource: "realevalsweeps",
        verbs: &["delete", "list", "watch"],
        scope: Scope::Cluster,
        why: "sweeps are reconciled, and deleted after ttlSecondsAfterFinished",
    },
    Permission {
        group: "real-rl.dev",
        resource: "realevalsweeps/status",
        verbs: &["update"],
        scope: Scope::Cluster,
        why: "state and results of sweeps",
    },
    Permission {
        group: "real-rl.dev",
        resource: "realtrainingjobs",
        verbs: &["delete", "list", "watch"],
        scope: Scope::Watched,
        why: "jobs are reconciled, and deleted after ttlSecondsAfterFinished",
    },
    Permission {
        group: "real-rl.dev",
        resource: "realtrainingjobs/status",
        verbs: &["update"],
        scope: Scope::Watched,
        why: "state, progress, checkpoints and evaluations of jobs",
    },
    Permission {
        group: "real-rl.dev",
        resource: "rewardpools",
        verbs: &["list", "watch"],
        scope: Scope::Watched,
        why: "pools are reconciled",
    },
    Permission {
        group: "real-rl.dev",
        resource: "rewardpools/status",
        verbs: &["update"],
        scope: Scope::Watched,
        why: "state and queue of pools",
    },
    Permission {
        group: "batch",
        resource: "jobs",
        verbs: &["create", "delete", "list", "patch", "watch"],
        scope: Scope::Watched,
        why: "an attempt is a Job, made once, and so is a cell of a sweep, which keeps its result as an annotation",
    },
    Permission {
        group: "",
        resource: "pods",
        verbs: &["list", "watch"],
        scope: Scope::Watched,
        why: "why pods wait and how they ended; controllers of the cluster make them, not the operator",
    },
    Permission {
        group: "",
        resource: "services",
        verbs: KEEP,
        scope: Scope::Watched,
        why: "where ranks meet, and the fronts of pools",
    },
    Permission {
        group: "",
        resource: "configmaps",
        verbs: &["create", "list", "patch"],
        scope: Scope::Watched,
        why: "the index of a sweep's results",
    },
    Permission {
        group: "",
        resource: "serviceaccounts",
        verbs: KEEP,
        scope: Scope::Watched,
        why: "pods of pools and sweeps run as accounts without rights",
    },
    Permission {
        group: "networking.k8s.io",
        resource: "networkpolicies",
        verbs: KEEP,
        scope: Scope::Watched,
        why: "sandboxes reach nothing, only trainers and evaluators reach pools, and nobody reaches evaluators",
    },
    Permission {
        group: "policy",
        resource: "poddisruptionbudgets",
        verbs: KEEP,
        scope: Scope::Watched,
        why: "drains leave enough of a pool",
    },
    Permission {
        group: "apps",
        resource: "deployments",
        verbs: MAKE_AND_REMOVE,
        scope: Scope::Watched,
        why: "detectors and sandboxes of a pool",
    },
    Permission {
        group: "autoscaling",
        resource: "horizontalpodautoscalers",
        verbs: MAKE_AND_REMOVE,
        scope: Scope::Watched,
        why: "pools with scaling.mode HorizontalPodAutoscaler",
    },
    Permission {
        group: "keda.sh",
        resource: "scaledobjects",
        verbs: &["create", "delete", "list", "patch"],
        scope: Scope::Watched,
        why: "pools with scaling.mode Keda; unused where KEDA is not installed",
    },
    Permission {
        group: "kueue.x-k8s.io",
        resource: "workloads",
        verbs: &["list", "patch", "watch"],
        scope: Scope::Watched,
        why: "why a job waits in its queue, and how dear it would be to stop it; unused where Kueue is not installed",
    },
    Permission {
        group: "events.k8s.io",
        resource: "events",
        verbs: &["create", "list", "patch"],
        scope: Scope::Watched,
        why: "every transition is an event, repeated ones are counted; those of a Job without pods say why",
    },
    Permission {
        group: "events.k8s.io",
        resource: "events",
        verbs: &["create", "patch"],
        scope: Scope::Default,
        why: "the same of sweeps, which are in no namespace",
    },
    Permission {
        group: "coordination.k8s.io",
        resource: "leases",
        verbs: &["create", "get", "update"],
        scope: Scope::Own,
        why: "leader election",
    },
];

/// The rules of the permissions in `scope`, in the table's order.
pub fn rules(scope: Scope) -> Vec<PolicyRule> {
    in_scope(scope)
        .map(|permission| PolicyRule {
            api_groups: Some(vec![permission.group.to_owned()]),
            resources: Some(vec![permission.resource.to_owned()]),
            verbs: permission.verbs.iter().map(|&verb| verb.to_owned()).collect(),
            ..PolicyRule::default()
        })
        .collect()
}

/// The table as the chart's `files/rbac.yaml`: the keys `cluster`, `watched`, `default` and `own`, each with the rules of a role.
pub fn yaml() -> String {
    let mut text = "# Made from the table in operator/src/rbac.rs by `make generate`. Do not edit.\n".to_owned();
    for (key, scope, about) in [
        ("cluster", Scope::Cluster, "Cluster-scoped objects: always a ClusterRole."),
        ("watched", Scope::Watched, "Watched namespaces: in the ClusterRole, or a Role in each of watchNamespaces."),
        (
            "default",
            Scope::Default,
            "The namespace default, where events about cluster-scoped objects are: a Role, unless all namespaces are watched.",
        ),
        ("own", Scope::Own, "The operator's own namespace: a Role."),
    ] {
        let _ = write!(text, "\n# {about}\n{key}:\n");
        for permission in in_scope(scope) {
            let Permission { group, resource, verbs, why, .. } = permission;
            let verbs = verbs.join(", ");
            let _ = write!(
                text,
                "  # {why}\n  - apiGroups: [\"{group}\"]\n    resources: [{resource}]\n    verbs: [{verbs}]\n"
            );
        }
    }
    text
}

fn in_scope(scope: Scope) -> impl Iterator<Item = &'static Permission> {
    TABLE.iter().filter(move |permission| permission.scope == scope)
}
