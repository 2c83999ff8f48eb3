//! What the Helm chart renders, in every way of installing it that lies in the chart's folder `ci`.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        core::v1::{ConfigMap, PodSpec, Service, ServiceAccount},
        networking::v1::NetworkPolicy,
        policy::v1::PodDisruptionBudget,
        rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding},
        scheduling::v1::PriorityClass,
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use real_operator::{
    labels,
    rbac::{self, Scope},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

#[path = "support/helm.rs"]
mod helm;

use helm::{NAMESPACE, template, values, ways};

fn render(way: &str) -> Vec<Value> {
    template(&["--values", &values(way)]).unwrap_or_else(|error| panic!("{way}: {error}"))
}

fn text<'a>(document: &'a Value, pointer: &str) -> &'a str {
    document.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn of_kind<'a>(documents: &'a [Value], kind: &str) -> Vec<&'a Value> {
    documents.iter().filter(|document| document["kind"] == kind).collect()
}

fn read<T: DeserializeOwned>(document: &Value) -> T {
    serde_json::from_value(document.clone()).unwrap_or_else(|error| panic!("{error}: {document:#}"))
}

fn deployment(documents: &[Value]) -> Deployment {
    let found = of_kind(documents, "Deployment");
    assert_eq!(found.len(), 1);
    read(found[0])
}

fn pod(documents: &[Value]) -> PodSpec {
    deployment(documents).spec.unwrap().template.spec.unwrap()
}

/// The environment variables that are given as text.
fn environment(documents: &[Value]) -> BTreeMap<String, String> {
    let variables = pod(documents).containers.remove(0).env.unwrap();
    variables.into_iter().filter_map(|variable| Some((variable.name, variable.value?))).collect()
}

#[test]
fn helm_lint_finds_nothing() {
    for way in ways() {
        let chart = helm::chart().display().to_string();
        helm::helm(&["lint", "--strict", "--values", &values(&way), &chart]).unwrap_or_else(|e| panic!("{way}: {e}"));
    }
}

/// Reads as the Kubernetes type and writes again: a misspelt or misplaced field would be lost.
fn exact<T: DeserializeOwned + Serialize>(document: &Value) {
    let again = serde_json::to_value(read::<T>(document)).unwrap();
    assert_eq!(again, *document, "a field that Kubernetes does not know");
}

#[test]
fn every_document_has_only_fields_of_its_kind() {
    for way in ways() {
        for document in render(&way) {
            match text(&document, "/kind") {
                "ClusterRole" => exact::<ClusterRole>(&document),
                "ClusterRoleBinding" => exact::<ClusterRoleBinding>(&document),
                "ConfigMap" => exact::<ConfigMap>(&document),
                "CustomResourceDefinition" => {
                    read::<CustomResourceDefinition>(&document);
                }
                "Deployment" => exact::<Deployment>(&document),
                "NetworkPolicy" => exact::<NetworkPolicy>(&document),
                "PodDisruptionBudget" => exact::<PodDisruptionBudget>(&document),
                "PriorityClass" => exact::<PriorityClass>(&document),
                "Role" => exact::<Role>(&document),
                "RoleBinding" => exact::<RoleBinding>(&document),
                "Service" => exact::<Service>(&document),
                "ServiceAccount" => exact::<ServiceAccount>(&document),
                "ServiceMonitor" | "PodMonitor" | "PrometheusRule" => {
                    assert_eq!(document["apiVersion"], "monitoring.coreos.com/v1");
                }
                other => panic!("{way}: unexpected kind {other:?}"),
            }
        }
    }
}

#[test]
fn everything_on_renders_every_kind() {
    let kinds: BTreeSet<String> = render("everything").iter().map(|document| text(document, "/kind").into()).collect();
    let all = "ClusterRole ClusterRoleBinding ConfigMap CustomResourceDefinition Deployment NetworkPolicy \
               PodDisruptionBudget PriorityClass PrometheusRule Role RoleBinding Service ServiceAccount ServiceMonitor";
    assert_eq!(kinds, all.split_whitespace().map(str::to_owned).collect());
}

#[test]
fn objects_are_helms_and_named_once() {
    for way in ways() {
        let mut seen = BTreeSet::new();
        for document in render(&way) {
            let key =
                ["/kind", "/metadata/namespace", "/metadata/name"].map(|pointer| text(&document, pointer).to_owned());
            assert!(!key[2].is_empty(), "{way}: {document:#}");
            // What is labelled as the operator's own is taken by the operator for its own.
            assert_eq!(document["metadata"]["labels"][labels::MANAGED_BY], "Helm", "{way}: {key:?}");
            assert!(seen.insert(key.clone()), "{way}: {key:?} is there twice");
        }
    }
}

#[test]
fn namespaced_objects_are_in_the_releases_namespace_or_a_watched_one() {
    for way in ways() {
        let documents = render(&way);
        let watched = environment(&documents)["REAL_WATCH_NAMESPACES"].clone();
        for document in &documents {
            let cluster = ["ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "PriorityClass"];
            let (kind, namespace) = (text(document, "/kind"), text(document, "/metadata/namespace"));
            if cluster.contains(&kind) {
                assert_eq!(namespace, "", "{way}: {kind}");
            } else if namespace != NAMESPACE {
                // Events about sweeps, which are in no namespace.
                let events = namespace == "default" && text(document, "/metadata/name").ends_with("-events");
                assert!(["Role", "RoleBinding"].contains(&kind), "{way}: {kind} in {namespace:?}");
                assert!(events || watched.split(',').any(|one| one == namespace), "{way}: {kind} in {namespace:?}");
            }
        }
    }
}

fn roles(documents: &[Value]) -> Vec<(&str, &str, Vec<PolicyRule>)> {
    let roles = documents.iter().filter(|document| ["ClusterRole", "Role"].contains(&text(document, "/kind")));
    roles.map(|role| (text(role, "/metadata/namespace"), text(role, "/metadata/name"), read(&role["rules"]))).collect()
}

#[test]
fn no_role_has_a_verb_on_secrets_or_a_wildcard() {
    for way in ways() {
        for (_, name, rules) in roles(&render(&way)) {
            for rule in rules {
                let resources = rule.resources.unwrap_or_default();
                let groups = rule.api_groups.unwrap_or_default();
                let named = resources.iter().chain(&groups).chain(&rule.verbs);
                for word in named {
                    assert!(!word.contains("secret") && word != "*", "{way}: {name} has {word}");
                }
            }
        }
    }
}

#[test]
fn watching_all_namespaces_takes_one_cluster_role() {
    let documents = render("default");
    let roles = roles(&documents);
    let operators: Vec<_> = roles.iter().filter(|(_, name, _)| !["real-view", "real-edit"].contains(name)).collect();
    let both = [rbac::rules(Scope::Cluster), rbac::rules(Scope::Watched)].concat();
    assert_eq!(operators.len(), 2);
    assert_eq!(*operators[0], ("", "real-operator-real-system", both));
    assert_eq!(*operators[1], (NAMESPACE, "real-operator-leader-election", rbac::rules(Scope::Own)));
}

#[test]
fn watching_named_namespaces_takes_a_role_in_each() {
    let documents = render("namespaced");
    let expected = [
        ("", "real-operator-real-system", rbac::rules(Scope::Cluster)),
        ("team-a", "real-operator", rbac::rules(Scope::Watched)),
        ("team-b", "real-operator", rbac::rules(Scope::Watched)),
        ("default", "real-operator-real-system-events", rbac::rules(Scope::Default)),
        (NAMESPACE, "real-operator-leader-election", rbac::rules(Scope::Own)),
    ];
    let mut found = roles(&documents);
    let order = ["", "team-a", "team-b", "default", NAMESPACE];
    found.sort_by_key(|(namespace, ..)| order.iter().position(|one| one == namespace));
    assert_eq!(found, expected);
    assert_eq!(environment(&documents)["REAL_WATCH_NAMESPACES"], "team-a,team-b");
}

#[test]
fn every_role_but_the_users_is_bound_to_the_operators_account() {
    for way in ways() {
        let documents = render(&way);
        let account = pod(&documents).service_account_name.unwrap();
        let bound: BTreeSet<_> = ["ClusterRoleBinding", "RoleBinding"]
            .into_iter()
            .flat_map(|kind| of_kind(&documents, kind))
            .map(|binding| {
                let subject = json!([{"kind": "ServiceAccount", "name": account, "namespace": NAMESPACE}]);
                assert_eq!(binding["subjects"], subject, "{way}");
                (text(binding, "/metadata/namespace"), text(binding, "/roleRef/name"))
            })
            .collect();
        let made: BTreeSet<_> = roles(&documents)
            .iter()
            .filter(|(_, name, _)| !["real-view", "real-edit"].contains(name))
            .map(|(namespace, name, _)| (*namespace, *name))
            .collect();
        assert_eq!(bound, made, "{way}");
    }
}

#[test]
fn users_roles_cover_our_kinds() {
    let documents = render("default");
    let made = roles(&documents);
    for (role, verb) in [("real-view", "watch"), ("real-edit", "create")] {
        let (_, _, rules) = made.iter().find(|(_, name, _)| *name == role).expect(role);
        for definition in real_crds::definitions() {
            let plural = definition.spec.names.plural;
            let allows = |rule: &PolicyRule| {
                rule.resources.as_ref().unwrap().contains(&plural) && rule.verbs.iter().any(|one| one == verb)
            };
            assert!(rules.iter().any(allows), "{role} cannot {verb} {plural}");
        }
        assert!(
            !rules.iter().any(|rule| rule.resources.as_ref().unwrap().iter().any(|name| name.ends_with("/status")))
        );
    }
}

#[test]
fn the_definitions_are_those_of_the_types() {
    let expected: BTreeMap<_, _> = real_crds::definitions()
        .into_iter()
        .map(|definition| (definition.metadata.name.clone().unwrap(), definition.spec))
        .collect();
    let documents = render("default");
    let rendered: BTreeMap<_, _> = of_kind(&documents, "CustomResourceDefinition")
        .into_iter()
        .map(|document| (text(document, "/metadata/name").to_owned(), read::<CustomResourceDefinition>(document).spec))
        .collect();
    assert_eq!(rendered.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (name, spec) in &rendered {
        assert!(*spec == expected[name], "{name} is not as its type says"); // both are a thousand lines
    }
}

#[test]
fn definitions_are_kept_dropped_or_left_out_as_values_say() {
    let annotations = |way: &str| -> Vec<Value> {
        let documents = render(way);
        let definitions = of_kind(&documents, "CustomResourceDefinition").into_iter();
        definitions.map(|document| document["metadata"]["annotations"].clone()).collect()
    };
    let kept = json!({
        "argocd.argoproj.io/sync-wave": "-10",
        "argocd.argoproj.io/sync-options": "Prune=false,Delete=false",
        "helm.sh/resource-policy": "keep",
    });
    assert_eq!(annotations("default"), vec![kept; 3]);
    assert_eq!(annotations("crds-unkept"), vec![json!({"argocd.argoproj.io/sync-wave": "-10"}); 3]);
    assert_eq!(annotations("namespaced"), Vec::<Value>::new());
}

#[test]
fn definitions_are_served_in_the_versions_that_are_asked_for() {
    let definitions = |arguments: &[&str]| -> Vec<CustomResourceDefinition> {
        let documents = template(arguments).unwrap();
        of_kind(&documents, "CustomResourceDefinition").into_iter().map(read).collect()
    };
    let one = definitions(&[]);
    assert_eq!(one.len(), 3);
    for versions in [&["v1alpha1"][..], &["v1beta1", "v1alpha1"], &["v1alpha1", "v1beta1"]] {
        let mut expected = one.clone();
        for definition in &mut expected {
            let served = definition.spec.versions.remove(0);
            let version = |(i, name): (usize, &&str)| {
                let mut version = served.clone();
                (version.name, version.storage) = ((*name).to_owned(), i == 0);
                version
            };
            definition.spec.versions = versions.iter().enumerate().map(version).collect();
        }
        let asked = format!("crds.versions={{{}}}", versions.join(","));
        assert_eq!(definitions(&["--set", &asked]), expected, "{versions:?}");
    }
}

#[test]
fn images_are_named_by_tag_or_digest() {
    let images = |way: &str| {
        let documents = render(way);
        let environment = environment(&documents);
        let others = ["TRAINER", "DETECTOR", "SANDBOX"].map(|name| environment[&format!("REAL_{name}_IMAGE")].clone());
        (pod(&documents).containers[0].image.clone().unwrap(), others)
    };
    let (operator, others) = images("default");
    assert_eq!(operator, "real-operator:0.1.0");
    assert_eq!(others, ["real-trainer:0.1.0", "real-detector:0.1.0", "real-sandbox:0.1.0"]);

    let digest = |last: u8| format!("sha256:{}{last}", "0".repeat(63));
    let (operator, others) = images("digests");
    assert_eq!(operator, format!("registry.example.com/real/real-operator@{}", digest(1)));
    assert_eq!(
        others,
        [
            format!("registry.example.com/real/gpu/trainer@{}", digest(2)),
            format!("registry.example.com/real/real-detector@{}", digest(3)),
            "registry.example.com/real/real-sandbox:0.2.0-rc.1".to_owned(),
        ]
    );
}

#[test]
fn the_operator_gets_what_it_is_told_by_environment_variables() {
    let expected = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector.tracing:4318"),
        ("OTEL_RESOURCE_ATTRIBUTES", "cluster=a"),
        ("REAL_CONCURRENCY", "64"),
        ("REAL_DETECTOR_IMAGE", "real-detector:0.1.0"),
        ("REAL_DRY_RUN", "true"),
        ("REAL_IMAGE_PULL_POLICY", "IfNotPresent"),
        ("REAL_LEADER_ELECT", "true"),
        ("REAL_LEASE_NAME", "real-operator"),
        ("REAL_LISTEN", "0.0.0.0:8080"),
        ("REAL_LOG_FORMAT", "text"),
        ("REAL_PROGRESS_SECONDS", "30"),
        ("REAL_PROMETHEUS_URL", "http://prometheus.monitoring:9090"),
        ("REAL_SANDBOX_IMAGE", "real-sandbox:0.1.0"),
        ("REAL_SERVICE_URL", "http://real-everything.real-system.svc:80"),
        ("REAL_TRAINER_IMAGE", "real-trainer:0.1.0"),
        ("REAL_WATCH_NAMESPACES", "2024,team-a"),
        ("RUST_LOG", "info,kube=warn"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(environment(&render("everything")), BTreeMap::from(expected));
    assert_eq!(environment(&render("default")).get("OTEL_EXPORTER_OTLP_ENDPOINT"), None);
}

#[test]
fn without_a_lease_two_pods_never_run_at_once() {
    let strategy = |way: &str| deployment(&render(way)).spec.unwrap().strategy.unwrap().type_;
    assert_eq!(strategy("one-pod").as_deref(), Some("Recreate"));
    assert_eq!(strategy("ha").as_deref(), Some("RollingUpdate"));
    assert_eq!(environment(&render("one-pod"))["REAL_LEADER_ELECT"], "false");
}

#[test]
fn selectors_select_the_pods() {
    for way in ways() {
        let documents = render(&way);
        let labels = json!(deployment(&documents).spec.unwrap().template.metadata.unwrap().labels);
        let pointers = [
            ("Deployment", "/spec/selector/matchLabels"),
            ("Service", "/spec/selector"),
            ("NetworkPolicy", "/spec/podSelector/matchLabels"),
            ("PodDisruptionBudget", "/spec/selector/matchLabels"),
            ("PodMonitor", "/spec/selector/matchLabels"),
        ];
        for (kind, pointer) in pointers {
            for document in of_kind(&documents, kind) {
                for (label, value) in document.pointer(pointer).unwrap().as_object().unwrap() {
                    assert_eq!(labels[label], *value, "{way}: {kind} selects by {label}");
                }
            }
        }
        for monitor in of_kind(&documents, "ServiceMonitor") {
            for (label, value) in monitor.pointer("/spec/selector/matchLabels").unwrap().as_object().unwrap() {
                assert_eq!(of_kind(&documents, "Service")[0]["metadata"]["labels"][label], *value, "{way}: {label}");
            }
        }
    }
}

#[test]
fn the_notes_say_what_is_watched() {
    let chart = helm::chart().display().to_string();
    let notes = |way: &str| {
        let values = values(way);
        let arguments = ["install", "real", &chart, "--dry-run=client", "--hide-secret", "--values", &values];
        let text = helm::helm(&arguments).unwrap_or_else(|error| panic!("{way}: {error}"));
        text.split_once("NOTES:").expect("there are notes").1.to_owned()
    };
    assert!(notes("default").contains("watches all namespaces."));
    assert!(notes("namespaced").contains("watches team-a, team-b."));
    assert!(notes("everything").contains("dryRun is true"));
}

#[test]
fn values_that_are_wrong_are_named() {
    let cases: &[(&[&str], &[&str])] = &[
        (&["--set", "replica=2"], &["replica"]),
        (&["--set", "image.operator.digset=sha256:1"], &["/image/operator", "digset"]),
        (&["--set", "image.operator.digest=sha256:1"], &["/image/operator/digest"]),
        (&["--set", "replicas=two"], &["/replicas", "integer"]),
        (&["--set", "replicas=-1"], &["/replicas"]),
        (&["--set", "watchNamespaces=team-a"], &["/watchNamespaces", "array"]),
        (&["--set", "watchNamespaces={Team_A}"], &["/watchNamespaces/0"]),
        (&["--set", "watchNamespaces={a,a}"], &["/watchNamespaces"]),
        (&["--set", "log.level=loud"], &["/log/level"]),
        (&["--set", "log.level=info\\,kube"], &["/log/level"]),
        (&["--set", "podMonitor.enabled=true,serviceMonitor.enabled=true"], &["scraped twice"]),
        (&["--set", "log.format=xml"], &["/log/format", "json", "text"]),
        (&["--set", "image.pullPolicy=Sometimes"], &["/image/pullPolicy", "IfNotPresent"]),
        (&["--set", "tracing.endpoint=collector:4318"], &["/tracing/endpoint"]),
        (&["--set", "serviceMonitor.interval=30"], &["/serviceMonitor/interval"]),
        (&["--set", "podDisruptionBudget.maxUnavailable=0"], &["/podDisruptionBudget/maxUnavailable"]),
        (&["--set", "runAsUser=0"], &["/runAsUser"]),
        (&["--set-json", r#"extraEnv=[{"nam":"A"}]"#], &["/extraEnv/0", "nam"]),
        (&["--set", "crds.versions={v1}"], &["/crds/versions/0", "v1alpha1", "v1beta1"]),
        (&["--set", "crds.versions={v1alpha1,v1alpha1}"], &["/crds/versions"]),
        (&["--set-json", "crds.versions=[]"], &["/crds/versions"]),
        // contradictions
        (&["--set", "replicas=2,leaderElection.enabled=false"], &["replicas is 2", "leaderElection.enabled"]),
        (
            &["--set", "image.sandbox.tag=v1", "--set", "image.sandbox.digest=sha256:DIGEST"],
            &["image.sandbox.tag", "image.sandbox.digest"],
        ),
        (&["--set", "crds.versions={v1beta1}"], &["crds.versions is v1beta1", "Add v1alpha1"]),
        (&["--set", "serviceAccount.create=false"], &["serviceAccount.name"]),
        (&["--set", "serviceMonitor.enabled=true,service.enabled=false"], &["service.enabled=true"]),
        (&["--set", "priorityClass.create=true,priorityClassName=high"], &["priorityClassName is high"]),
        (&["--set", "networkPolicy.enabled=false,networkPolicy.egress.enabled=true"], &["networkPolicy.enabled=true"]),
        (&["--kube-version", "1.29.0"], &["kubeVersion", "1.30"]),
    ];
    for (arguments, words) in cases {
        let digest = "0".repeat(64);
        let arguments: Vec<String> = arguments.iter().map(|argument| argument.replace("DIGEST", &digest)).collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let error = template(&arguments).expect_err(&format!("{arguments:?} was taken"));
        for word in *words {
            assert!(error.contains(word), "{arguments:?}: {word:?} is not in: {error}");
        }
    }
}
