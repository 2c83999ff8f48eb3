//! The custom resource definitions on a real API server, as kubectl shows them.

use std::collections::BTreeSet;

use http::Request;
use real_crds::definitions;
use real_test_kube::{ControlPlane, shared};
use serde_json::{Value, json};

const CRDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../crds");

const JOB: &str = "{apiVersion: real-rl.dev/v1alpha1, kind: RealTrainingJob, metadata: {name: job}, spec: {
    model: {storageUri: models/base}, datasets: {train: [{name: a, storageUri: a.jsonl}]}, algorithm: {ppo: {steps: 10}}}}";
const POOL: &str = "{apiVersion: real-rl.dev/v1alpha1, kind: RewardPool, metadata: {name: pool}, spec: {}}";

/// A namespace with the definitions and `manifest` in it.
async fn with(manifest: &str) -> String {
    shared().apply_crds().await.unwrap();
    let namespace = shared().namespace("kinds").await;
    kubectl(&namespace, &["apply", "-f", "-"], Some(manifest));
    namespace
}

#[track_caller]
fn kubectl(namespace: &str, arguments: &[&str], stdin: Option<&str>) -> String {
    shared().kubectl(&[arguments, &["-n", namespace]].concat(), stdin).expect_success()
}

fn patch_status(namespace: &str, object: &str, status: &Value) {
    let patch = json!({ "status": status }).to_string();
    kubectl(namespace, &["patch", object, "--subresource=status", "--type=merge", "-p", &patch], None);
}

fn get(namespace: &str, object: &str) -> Value {
    serde_json::from_str(&kubectl(namespace, &["get", object, "-o", "json"], None)).unwrap()
}

/// Status of a condition of an object; empty where it has none such, or no conditions yet.
fn condition(object: &str, kind: &str) -> String {
    let object: Value = serde_json::from_str(object).unwrap();
    let conditions = object["status"]["conditions"].as_array();
    let found = conditions.and_then(|all| all.iter().find(|it| it["type"] == kind));
    found.and_then(|it| it["status"].as_str()).unwrap_or_default().to_owned()
}

#[test]
fn a_plain_kubectl_apply_takes_them_without_a_warning() {
    let cluster = ControlPlane::start().unwrap();
    for definition in definitions() {
        let file = format!("{CRDS}/real-rl.dev_{}.yaml", definition.spec.names.plural);
        let said = cluster.kubectl(&["apply", "-f", &file], None);
        assert_eq!((said.stderr.as_str(), said.success), ("", true), "{file}");
        let name = format!("crd/{}.real-rl.dev", definition.spec.names.plural);
        // What the server found wrong with a schema that it took all the same is among the conditions, too.
        let read =
            cluster.kubectl_until(&["get", &name, "-o", "json"], |read| condition(read, "Established") == "True");
        assert_eq!(condition(&read, "NonStructuralSchema"), "", "{read}");
        let again = cluster.kubectl(&["apply", "-f", &file], None);
        assert_eq!(again.stderr, "");
        assert!(again.stdout.contains("unchanged"), "the server changed {file}: {}", again.stdout);
    }
}

#[tokio::test]
async fn explain_shows_the_documentation_of_a_field() {
    shared().apply_crds().await.unwrap();
    let said = shared().kubectl(&["explain", "realtrainingjob.spec.reward.alpha"], None).expect_success();
    let schema = serde_json::to_value(&definitions()[0].spec.versions[0].schema).unwrap();
    let path = "/openAPIV3Schema/properties/spec/properties/reward/properties/alpha/description";
    let documentation = schema.pointer(path).unwrap().as_str().unwrap();
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words(&said).contains(&words(documentation)), "{said}");
    assert!(said.contains("FIELD: alpha <number>"), "{said}");
}

#[tokio::test]
async fn every_field_that_the_server_publishes_is_documented() {
    fn walk(path: &str, schema: &Value, visit: &mut dyn FnMut(&str, &Value)) {
        visit(path, schema);
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            walk(&format!("{path}.{name}"), property, visit);
        }
        for field in ["items", "additionalProperties"].into_iter().filter(|field| schema[field].is_object()) {
            walk(&format!("{path}[]"), &schema[field], visit);
        }
    }
    shared().apply_crds().await.unwrap();
    let request = Request::get("/openapi/v3/apis/real-rl.dev/v1alpha1").body(Vec::new()).unwrap();
    let published: Value = shared().client().request(request).await.unwrap();
    let schemas = published["components"]["schemas"].as_object().unwrap();
    let mut fields = 0;
    for definition in definitions() {
        let kind = definition.spec.names.kind;
        let schema = &schemas[&format!("dev.real-rl.v1alpha1.{kind}")];
        walk(&kind, schema, &mut |path, schema| {
            // Kubernetes' own types, embedded as they are.
            let foreign = [".affinity", ".tolerations", ".conditions"].iter().any(|name| path.contains(name));
            if path.contains('.') && !path.ends_with("[]") && !foreign {
                fields += 1;
                assert!(schema["description"].is_string(), "{path} has no description: {schema}");
            }
        });
    }
    assert!(fields > 200, "only {fields} fields were found");
}

#[tokio::test]
async fn short_names_and_the_category_find_the_objects() {
    let namespace = with(&format!("{JOB}\n---\n{POOL}")).await;
    let sweep = format!(
        "{{apiVersion: real-rl.dev/v1alpha1, kind: RealEvalSweep, metadata: {{name: {namespace}}}, spec: {{
            runNamespace: {namespace}, suites: [{{name: a, storageUri: b}}], targets: {{jobSelector: {{}}}}}}}}"
    );
    kubectl(&namespace, &["apply", "-f", "-"], Some(&sweep));
    let sweep = format!("realevalsweep.real-rl.dev/{namespace}");
    let all = BTreeSet::from(["realtrainingjob.real-rl.dev/job", "rewardpool.real-rl.dev/pool", &sweep]);
    for names in ["rtj,rwp,esw", "real"] {
        let said = kubectl(&namespace, &["get", names, "-o", "name"], None);
        // Other tests' sweeps are in no namespace, and so are here, too.
        let found: BTreeSet<&str> =
            said.lines().filter(|name| !name.starts_with("realevalsweep") || *name == sweep).collect();
        assert_eq!(found, all, "kubectl get {names}");
    }
}

#[tokio::test]
async fn columns_show_how_a_job_and_a_pool_are_doing() {
    let namespace = with(&format!("{JOB}\n---\n{POOL}")).await;
    let running = json!({
        "type": "Running", "status": "True", "reason": "Training", "message": "training",
        "lastTransitionTime": "2026-01-01T00:00:00Z"
    });
    let status = json!({
        "phase": "Running", "reason": "Training", "nodes": { "ready": 2, "desired": 2, "summary": "2/2" },
        "conditions": [running], "restarts": { "failures": 1 }, "progress": { "step": 4, "percentage": 40, "reward": "0.71" },
    });
    patch_status(&namespace, "rtj/job", &status);
    let ready = json!({
        "type": "Ready", "status": "True", "reason": "Ready", "message": "answering", "lastTransitionTime": "2026-01-01T00:00:00Z"
    });
    let status = json!({
        "conditions": [ready], "detector": { "readyReplicas": 3 }, "sandbox": { "readyReplicas": 5 }, "queue": { "depth": 7 }, "consumers": 2,
    });
    patch_status(&namespace, "rwp/pool", &status);
    for (kind, expected) in [
        (
            "rtj",
            "NAME PHASE STEP PROGRESS% REWARD NODES REASON RESTARTS MESSAGE AGE\njob Running 4 40 0.71 2/2 Training 1 training",
        ),
        ("rwp", "NAME READY REASON DETECTORS SANDBOXES QUEUE JOBS MESSAGE AGE\npool True Ready 3 5 7 2 answering"),
    ] {
        let said = kubectl(&namespace, &["get", kind, "-o", "wide"], None);
        let lines: Vec<String> =
            said.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        let said = lines.join("\n");
        // The age, the last column, is the machine's business.
        assert_eq!(said.rsplit_once(' ').unwrap().0, expected);
    }
}

#[tokio::test]
async fn jobs_are_found_by_the_fields_that_the_operator_selects_by() {
    let second =
        JOB.replace("name: job", "name: second").replace("spec: {", "spec: {suspend: true, rewardPoolRef: {name: p},");
    let namespace = with(&format!("{JOB}\n---\n{second}")).await;
    for (selector, expected) in [
        ("spec.suspend=true", "realtrainingjob.real-rl.dev/second"),
        ("spec.suspend=false", "realtrainingjob.real-rl.dev/job"),
        ("spec.rewardPoolRef.name=p", "realtrainingjob.real-rl.dev/second"),
        ("spec.rewardPoolRef.name=q", ""),
    ] {
        let said = kubectl(&namespace, &["get", "rtj", "--field-selector", selector, "-o", "name"], None);
        assert_eq!(said.trim(), expected, "{selector}");
    }
}

#[tokio::test]
async fn status_and_spec_are_written_apart() {
    let namespace = with(JOB).await;
    patch_status(&namespace, "rtj/job", &json!({ "phase": "Running" }));
    kubectl(&namespace, &["patch", "rtj/job", "--type=merge", "-p", r#"{"status": {"phase": "Succeeded"}}"#], None);
    let both = r#"{"spec": {"suspend": true}, "status": {"phase": "Suspended"}}"#;
    kubectl(&namespace, &["patch", "rtj/job", "--subresource=status", "--type=merge", "-p", both], None);
    let job = get(&namespace, "rtj/job");
    let seen = (&job["status"]["phase"], &job["spec"]["suspend"], &job["metadata"]["generation"]);
    assert_eq!(seen, (&json!("Suspended"), &json!(false), &json!(1)));
}

#[tokio::test]
async fn a_pool_is_scaled_through_its_scale_only_by_hand() {
    let namespace = with(POOL).await;
    let refused = shared().kubectl(&["scale", "rwp/pool", "--replicas=4", "-n", &namespace], None);
    assert!(refused.stderr.contains("replicas may be set only with scaling.mode: manual"), "{refused:?}");
    kubectl(
        &namespace,
        &["patch", "rwp/pool", "--type=merge", "-p", r#"{"spec": {"scaling": {"mode": "manual"}}}"#],
        None,
    );
    kubectl(&namespace, &["scale", "rwp/pool", "--replicas=4"], None);
    patch_status(&namespace, "rwp/pool", &json!({ "sandbox": { "replicas": 3, "selector": "app=sandbox" } }));
    assert_eq!(get(&namespace, "rwp/pool")["spec"]["sandbox"]["replicas"], 4);
    let path = format!("/apis/real-rl.dev/v1alpha1/namespaces/{namespace}/rewardpools/pool/scale");
    let scale: Value = shared().client().request(Request::get(path).body(Vec::new()).unwrap()).await.unwrap();
    assert_eq!(
        (&scale["spec"], &scale["status"]),
        (&json!({ "replicas": 4 }), &json!({ "replicas": 3, "selector": "app=sandbox" }))
    );
}
