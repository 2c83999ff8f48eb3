//! Each fault is what a client of a real API server sees when it happens.

use std::time::{Duration, Instant};

use futures::StreamExt;
use http::StatusCode;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DeleteParams, ListParams, ObjectMeta, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use real_test_kube::{Fault, Proxy, Verb, shared};
use serde_json::json;

fn config_map(name: &str) -> ConfigMap {
    ConfigMap { metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() }, ..ConfigMap::default() }
}

/// Config maps of a namespace of its own, through the proxy and directly.
async fn maps(proxy: &Proxy<'_>) -> (Api<ConfigMap>, Api<ConfigMap>) {
    let namespace = shared().namespace("proxy").await;
    (Api::namespaced(proxy.client(), &namespace), Api::namespaced(shared().client(), &namespace))
}

fn is_cut(error: &kube::Error) -> bool {
    !matches!(error, kube::Error::Api(_))
}

#[tokio::test]
async fn requests_pass_and_are_written_down() {
    let proxy = Proxy::start(shared()).unwrap();
    let (through, _) = maps(&proxy).await;
    through.create(&PostParams::default(), &config_map("a")).await.unwrap();
    through.get("a").await.unwrap();
    through.list(&ListParams::default()).await.unwrap();
    let patch = Patch::Merge(json!({ "data": { "k": "x".repeat(100_000) } }));
    through.patch("a", &PatchParams::default(), &patch).await.unwrap();
    through.delete("a", &DeleteParams::default()).await.unwrap();
    assert!(through.get_opt("a").await.unwrap().is_none());
    let calls = proxy.calls();
    let namespace = calls[0].namespace.as_deref().unwrap();
    let calls: Vec<String> = calls.iter().map(|call| call.to_string().replace(namespace, "N")).collect();
    assert_eq!(
        calls,
        [
            "create configmaps N/* 201",
            "get configmaps N/a 200",
            "list configmaps N/* 200",
            "patch configmaps N/a 200",
            "delete configmaps N/a 200",
            "get configmaps N/a 404"
        ]
    );
    assert_eq!(proxy.writes(), 3);
    proxy.forget();
    assert_eq!(proxy.writes(), 0);
}

#[tokio::test]
async fn a_watch_streams_and_can_be_cut() {
    let proxy = Proxy::start(shared()).unwrap();
    let (through, direct) = maps(&proxy).await;
    let mut events = through.watch(&WatchParams::default().disable_bookmarks(), "0").await.unwrap().boxed();
    for name in ["a", "b"] {
        direct.create(&PostParams::default(), &config_map(name)).await.unwrap();
        let event = events.next().await.unwrap().unwrap();
        assert!(matches!(&event, WatchEvent::Added(map) if map.metadata.name.as_deref() == Some(name)), "{event:?}");
    }
    // However busy the machine is: what comes before the cut is of no interest.
    let limit = Duration::from_millis(300);
    proxy.rule(move |call| if call.verb == Verb::Watch { Fault::DropAfter(limit) } else { Fault::Pass });
    let start = Instant::now();
    let mut events = through.watch(&WatchParams::default().disable_bookmarks(), "0").await.unwrap().boxed();
    while let Some(Ok(_)) = events.next().await {}
    assert!(start.elapsed() >= limit);
}

#[tokio::test]
async fn an_answer_is_a_status_of_kubernetes() {
    let proxy = Proxy::start(shared()).unwrap();
    let (through, direct) = maps(&proxy).await;
    proxy.rule(|call| match call.verb {
        Verb::Create => Fault::answer(StatusCode::CONFLICT, "AlreadyExists"),
        Verb::Get => Fault::answer(StatusCode::INTERNAL_SERVER_ERROR, "InternalError").retry_after(7),
        _ => Fault::Pass,
    });
    let error = through.create(&PostParams::default(), &config_map("a")).await.unwrap_err();
    assert!(
        matches!(&error, kube::Error::Api(status) if status.code == 409 && status.reason == "AlreadyExists"),
        "{error}"
    );
    let error = through.get("a").await.unwrap_err();
    assert!(
        matches!(&error, kube::Error::Api(status) if status.details.as_ref().unwrap().retry_after_seconds == 7),
        "{error:?}"
    );
    assert!(direct.get_opt("a").await.unwrap().is_none());
    assert_eq!((proxy.count(|call| call.status == Some(409)), proxy.writes()), (1, 0));
    proxy.pass();
    through.create(&PostParams::default(), &config_map("a")).await.unwrap();
}

#[tokio::test]
async fn a_dropped_connection_reaches_nobody() {
    let proxy = Proxy::start(shared()).unwrap();
    let (through, direct) = maps(&proxy).await;
    proxy.rule(|call| if call.verb.is_write() { Fault::DropConnection } else { Fault::Pass });
    let error = through.create(&PostParams::default(), &config_map("a")).await.unwrap_err();
    assert!(is_cut(&error), "{error}");
    assert!(direct.get_opt("a").await.unwrap().is_none());
    assert_eq!(proxy.writes(), 0);
}

#[tokio::test]
async fn a_write_can_happen_without_its_author_hearing_of_it() {
    let proxy = Proxy::start(shared()).unwrap();
    let (through, direct) = maps(&proxy).await;
    proxy.rule(|call| if call.verb.is_write() { Fault::PassThenDrop } else { Fault::Pass });
    let error = through.create(&PostParams::default(), &config_map("a")).await.unwrap_err();
    assert!(is_cut(&error), "{error}");
    assert!(direct.get_opt("a").await.unwrap().is_some());
    assert_eq!(proxy.writes(), 1);
}

#[tokio::test]
async fn a_delay_delays() {
    let proxy = Proxy::start(shared()).unwrap();
    let (through, _) = maps(&proxy).await;
    proxy.rule(|_| Fault::Delay(Duration::from_millis(300)));
    let start = Instant::now();
    through.get_opt("a").await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn a_token_goes_on_as_it_is() {
    let proxy = Proxy::start(shared()).unwrap();
    let namespace = shared().namespace("proxy").await;
    let token = shared().token(&namespace, "default").await;
    let maps = Api::<ConfigMap>::namespaced(proxy.client_with_token(&token), &namespace);
    let error = maps.list(&ListParams::default()).await.unwrap_err().to_string();
    assert!(error.contains(&format!("system:serviceaccount:{namespace}:default")), "{error}");
}

#[tokio::test]
async fn a_kubeconfig_leads_through_the_proxy() {
    let proxy = Proxy::start(shared()).unwrap();
    let kubeconfig = proxy.kubeconfig(None).unwrap();
    let flag = format!("--kubeconfig={}", kubeconfig.display());
    shared().kubectl(&[&flag, "get", "namespaces"], None).expect_success();
    assert_eq!(proxy.count(|call| call.resource == "namespaces" && call.status == Some(200)), 1);
}

#[tokio::test]
async fn a_stopped_proxy_cuts_its_connections() {
    let proxy = Proxy::start(shared()).unwrap();
    let (through, _) = maps(&proxy).await;
    let mut events = through.watch(&WatchParams::default().disable_bookmarks(), "0").await.unwrap().boxed();
    drop(proxy);
    let end = tokio::time::timeout(Duration::from_mins(5), events.next()).await.expect("the watch goes on");
    assert!(!matches!(end, Some(Ok(_))), "{end:?}");
    assert!(through.get_opt("a").await.is_err());
}
