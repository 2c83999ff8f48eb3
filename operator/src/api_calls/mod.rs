//! The client to the API server: counts what it asks, and of a leader's client, refuses writes while the lease is not held.
//!
//! Both sit *inside* the retries: each try is counted, and a try that was put off until after the lease ended is not sent.

mod call;
mod count;
mod fence;

use kube::client::ClientBuilder;
use kube::client::retry::RetryPolicy;
use kube::{Client, Config, Result};
use tower::buffer::BufferLayer;
use tower::retry::RetryLayer;
use tower::util::option_layer;

pub use call::{Call, OTHER};
pub use count::{Count, CountLayer};
pub use fence::{Fence, FenceLayer};

use crate::lease::Guard;
use crate::metrics::Metrics;

/// Requests that may wait for the connection pool; as many as in kube's own clients.
const BUFFER: usize = 1024;

/// kube's default client whose requests are counted as `real_api_requests_total`. For reading, and for the lease itself.
///
/// Needs a Tokio runtime.
pub fn client(config: Config, metrics: &Metrics) -> Result<Client> {
    build(config, metrics, None)
}

/// As [`client()`], but while `guard` is closed every write fails with [`crate::lease::NotLeader`] instead of being sent.
pub fn leader_client(config: Config, metrics: &Metrics, guard: &Guard) -> Result<Client> {
    build(config, metrics, Some(guard))
}

fn build(mut config: Config, metrics: &Metrics, guard: Option<&Guard>) -> Result<Client> {
    // kube would retry below these layers, so its policy is taken out there and put on top.
    let retry = std::mem::replace(&mut config.default_retry, false);
    Ok(ClientBuilder::try_from(config)?
        .with_layer(&CountLayer::new(metrics.clone()))
        .with_layer(&option_layer(guard.map(|guard| FenceLayer::new(guard.clone()))))
        // Retries need a service that can be cloned.
        .with_layer(&BufferLayer::new(BUFFER))
        .with_layer(&option_layer(retry.then(|| RetryLayer::new(RetryPolicy::server_retry()))))
        .build())
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use axum::Router;
    use axum::http::{Method, StatusCode};
    use axum::response::IntoResponse;
    use axum::routing::any;
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::Api;
    use kube::api::PostParams;
    use serde_json::json;
    use tokio::net::TcpListener;

    use super::*;

    /// Answers the first `failures` requests by 503 and the rest by a `ConfigMap`.
    async fn server(failures: u32) -> SocketAddr {
        server_that(move |number| number < failures).await
    }

    /// Answers those requests by 503 that `fails`, by their number, and the rest by a `ConfigMap`.
    async fn server_that(fails: impl Fn(u32) -> bool + Send + Sync + 'static) -> SocketAddr {
        let (asked, fails) = (Arc::new(AtomicU32::new(0)), Arc::new(fails));
        let answer = move |method: Method| {
            let (asked, fails) = (asked.clone(), fails.clone());
            async move {
                if fails(asked.fetch_add(1, Ordering::SeqCst)) {
                    return StatusCode::SERVICE_UNAVAILABLE.into_response();
                }
                let body = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "run"}});
                let created = if method == Method::POST { StatusCode::CREATED } else { StatusCode::OK };
                (created, axum::Json(body)).into_response()
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async { axum::serve(listener, Router::new().fallback(any(answer))).await });
        address
    }

    fn config(address: SocketAddr) -> Config {
        Config::new(format!("http://{address}/behind/a/proxy").parse().unwrap())
    }

    fn counts(metrics: &Metrics) -> Vec<String> {
        let text = metrics.render();
        let mut counts: Vec<String> =
            text.lines().filter_map(|line| line.strip_prefix("real_api_requests_total")).map(str::to_owned).collect();
        counts.sort();
        counts
    }

    #[tokio::test]
    async fn each_try_of_a_request_is_counted() {
        let metrics = Metrics::new();
        let client = client(config(server(2).await), &metrics).unwrap();
        Api::<ConfigMap>::namespaced(client, "ml").get("run").await.unwrap();
        let expected =
            [r#"{verb="get",kind="configmaps",code="200"} 1"#, r#"{verb="get",kind="configmaps",code="503"} 2"#];
        assert_eq!(counts(&metrics), expected);
    }

    #[tokio::test]
    async fn retries_that_the_configuration_turned_off_stay_off() {
        let metrics = Metrics::new();
        let mut config = config(server(1).await);
        config.default_retry = false;
        let client = client(config, &metrics).unwrap();
        Api::<ConfigMap>::namespaced(client, "ml").get("run").await.unwrap_err();
        assert_eq!(counts(&metrics), [r#"{verb="get",kind="configmaps",code="503"} 1"#]);
    }

    #[tokio::test]
    async fn a_server_that_cannot_be_reached_counts_as_an_error() {
        let metrics = Metrics::new();
        // Bound, so that it is given to nobody else, and not listened at.
        let taken = tokio::net::TcpSocket::new_v4().unwrap();
        taken.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let client = client(config(taken.local_addr().unwrap()), &metrics).unwrap();
        Api::<ConfigMap>::namespaced(client, "ml").get("run").await.unwrap_err();
        assert_eq!(counts(&metrics), [r#"{verb="get",kind="configmaps",code="error"} 1"#]);
    }

    #[tokio::test]
    async fn a_replica_that_does_not_lead_reads_and_cannot_write() {
        let metrics = Metrics::new();
        let (guard, key) = Guard::closed();
        let client = leader_client(config(server(0).await), &metrics, &guard).unwrap();
        let api = Api::<ConfigMap>::namespaced(client, "ml");
        let map = api.get("run").await.unwrap();
        let refused = api.create(&PostParams::default(), &map).await.unwrap_err();
        assert!(matches!(&refused, kube::Error::Service(error) if error.is::<crate::lease::NotLeader>()), "{refused}");
        assert_eq!(counts(&metrics), [r#"{verb="get",kind="configmaps",code="200"} 1"#], "nothing was sent");

        key.open(tokio::time::Instant::now() + std::time::Duration::from_mins(1));
        api.create(&PostParams::default(), &map).await.unwrap();
        key.close();
        api.delete("run", &kube::api::DeleteParams::default()).await.unwrap_err();
        let expected =
            [r#"{verb="create",kind="configmaps",code="201"} 1"#, r#"{verb="get",kind="configmaps",code="200"} 1"#];
        assert_eq!(counts(&metrics), expected);
    }

    #[tokio::test]
    async fn a_write_that_is_tried_again_after_the_lease_ended_is_not_sent() {
        let metrics = Metrics::new();
        let (guard, key) = Guard::closed();
        key.open(tokio::time::Instant::now() + std::time::Duration::from_hours(1));
        // It ends while the first try is answered.
        let server = server_that(move |_| {
            key.close();
            true
        });
        let client = leader_client(config(server.await), &metrics, &guard).unwrap();
        let api = Api::<ConfigMap>::namespaced(client, "ml");
        let refused = api.create(&PostParams::default(), &ConfigMap::default()).await.unwrap_err();
        assert_eq!(crate::metrics::Reason::of(&refused), crate::metrics::Reason::NotLeader, "{refused}");
        assert_eq!(counts(&metrics), [r#"{verb="create",kind="configmaps",code="503"} 1"#]);
    }
}
