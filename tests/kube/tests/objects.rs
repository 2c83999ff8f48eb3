//! What a real API server says to the objects and changes that the definitions forbid, and that it takes those they allow.

#[path = "../../../crds/tests/cases/bad_objects.rs"]
mod bad_objects;
#[path = "../../../crds/tests/cases/updates.rs"]
mod updates;

use http::{Method, Request};
use kube::Client;
use real_crds::definitions;
use real_test_kube::shared;
use serde_json::Value;

/// Collection of the objects of `kind`, in `namespace` where they live in one.
fn collection(kind: &str, namespace: &str) -> String {
    let definition = definitions().into_iter().find(|it| it.spec.names.kind == kind).unwrap();
    let plural = definition.spec.names.plural;
    match definition.spec.scope.as_str() {
        "Namespaced" => format!("/apis/real-rl.dev/v1alpha1/namespaces/{namespace}/{plural}"),
        _ => format!("/apis/real-rl.dev/v1alpha1/{plural}"),
    }
}

/// Sends `object` and returns what the server makes of it, or what it says against it without the object's kind and name.
/// Unknown fields are errors, as for `kubectl apply`.
async fn send(client: &Client, method: Method, path: &str, object: &Value) -> Result<Value, String> {
    let separator = if path.contains('?') { '&' } else { '?' };
    let request = Request::builder()
        .method(method)
        .uri(format!("{path}{separator}fieldValidation=Strict"))
        .header("content-type", "application/json")
        .body(serde_json::to_vec(object).unwrap())
        .unwrap();
    match client.request(request).await {
        Ok(made) => Ok(made),
        Err(kube::Error::Api(status)) => Err(without_name(&status.message).to_owned()),
        Err(error) => panic!("{path}: {error}"),
    }
}

/// `spec…` from `RealTrainingJob.real-rl.dev "job" is invalid: spec…`, without the server's note that rules were not looked at.
fn without_name(message: &str) -> &str {
    const NOTE: &str = ", <nil>: Invalid value: null: some validation rules were not checked because the object was invalid; \
                        correct the existing errors to complete validation]";
    let named = message.split_once(" is invalid: ").filter(|(object, _)| object.contains(".real-rl.dev \""));
    let reasons = named.map_or(message, |(_, reasons)| reasons);
    reasons.strip_prefix('[').and_then(|reasons| reasons.strip_suffix(NOTE)).unwrap_or(reasons)
}

#[tokio::test]
async fn the_server_takes_the_objects_that_the_cases_start_from() {
    shared().apply_crds().await.unwrap();
    let namespace = shared().namespace("valid").await;
    for text in bad_objects::Table::read().valid() {
        let object: Value = serde_saphyr::from_str(text).unwrap();
        let path = collection(object["kind"].as_str().unwrap(), &namespace);
        send(&shared().client(), Method::POST, &format!("{path}?dryRun=All"), &object).await.unwrap();
    }
}

#[tokio::test]
async fn the_server_takes_every_example() {
    shared().apply_crds().await.unwrap();
    let namespace = shared().namespace("examples").await;
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");
    let said = shared().kubectl(&["apply", "--dry-run=server", "-n", &namespace, "--recursive", "-f", folder], None);
    assert_eq!((said.stderr.as_str(), said.success), ("", true), "{}", said.stdout);
    for job in ["quickstart", "own-data", "paper-safesql-05b"] {
        assert!(said.stdout.contains(&format!("realtrainingjob.real-rl.dev/{job} created")), "{}", said.stdout);
    }
}

#[tokio::test]
async fn the_server_refuses_every_bad_object_with_the_words_of_the_table() {
    shared().apply_crds().await.unwrap();
    let namespace = shared().namespace("bad").await;
    let client = shared().client();
    let table = bad_objects::Table::read();
    let mut wrong = Vec::new();
    for case in &table.cases {
        let object: Value = serde_saphyr::from_str(&table.manifest(case)).unwrap();
        let path = collection(object["kind"].as_str().unwrap(), &namespace);
        let said = send(&client, Method::POST, &format!("{path}?dryRun=All"), &object).await;
        let said = said.map_or_else(|message| message, |_| "nothing".to_owned());
        if said != case.server {
            wrong.push(format!("{}:\nexpected {}\nfound    {said}", case.case, case.server));
        }
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), table.cases.len(), wrong.join("\n"));
}

#[tokio::test]
async fn the_server_allows_and_refuses_changes_by_the_table() {
    shared().apply_crds().await.unwrap();
    let namespace = shared().namespace("updates").await;
    let client = shared().client();
    let table = updates::Table::read();
    let path = collection("RealTrainingJob", &namespace);
    let mut wrong = Vec::new();
    for state in updates::State::ALL {
        let mut job = send(&client, Method::POST, &path, &table.job_in(state)).await.unwrap();
        let object = format!("{path}/{}", job["metadata"]["name"].as_str().unwrap());
        if let Some(status) = table.status_in(state) {
            job["status"] = status.clone();
            job = send(&client, Method::PUT, &format!("{object}/status"), &job).await.unwrap();
        }
        let update = format!("{object}?dryRun=All");
        for refused in table.refused_in(state) {
            // Nor does a status that is sent along open a way round: only the server's own counts.
            let mut changed = refused.change.of(&job);
            changed["status"]["phase"] = "Succeeded".into();
            let said = send(&client, Method::PUT, &update, &changed).await;
            let said = said.map_or_else(|message| message, |_| "nothing".to_owned());
            if said != refused.server {
                wrong.push(format!("{state:?}: {}:\nexpected {}\nfound    {said}", refused.change.set, refused.server));
            }
        }
        for change in table.allowed_in(state) {
            if let Err(message) = send(&client, Method::PUT, &update, &change.of(&job)).await {
                wrong.push(format!("{state:?}: {}: {message}", change.set));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
