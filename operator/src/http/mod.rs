//! The operator's own HTTP server: `/metrics`, `/healthz` and `/readyz`.

mod health;

use std::future::Future;
use std::io;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::Notify;

pub use health::{Health, NotReady, Stalled};

use crate::metrics::{Metrics, OPENMETRICS};

/// How long requests that are being answered may hold up the end.
const GRACE: Duration = Duration::from_secs(5);

/// The routes.
///
/// * `/metrics`: `OpenMetrics` text.
/// * `/healthz`: 200 while the main loop beats, else 503.
/// * `/readyz`: 200 once every cache is filled, on a standby as well; before, 503 with what is missing.
pub fn router(metrics: Metrics, health: Health) -> Router {
    let probes = Router::new().route("/healthz", get(alive)).route("/readyz", get(ready)).with_state(health);
    Router::new().route("/metrics", get(render)).with_state(metrics).merge(probes)
}

/// Serves `router` until `shutdown` resolves and the requests under way are answered, five seconds at most.
pub async fn serve(listener: TcpListener, router: Router, shutdown: impl Future<Output = ()> + Send) -> io::Result<()> {
    let stop = std::sync::Arc::new(Notify::new());
    let stopped = stop.clone();
    let server = axum::serve(listener, router).with_graceful_shutdown(async move { stopped.notified().await });
    let end = async {
        shutdown.await;
        stop.notify_one();
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        result = server.into_future() => result,
        () = end => Ok(()),
    }
}

async fn render(State(metrics): State<Metrics>) -> impl IntoResponse {
    ([(CONTENT_TYPE, OPENMETRICS)], metrics.render())
}

async fn alive(State(health): State<Health>) -> (StatusCode, String) {
    answer(health.alive())
}

async fn ready(State(health): State<Health>) -> (StatusCode, String) {
    answer(health.ready())
}

fn answer<E: std::error::Error>(state: Result<(), E>) -> (StatusCode, String) {
    match state {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")),
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;
    use tokio::sync::oneshot;
    use tokio::task::JoinHandle;

    use super::*;

    async fn start(health: Health) -> (SocketAddr, oneshot::Sender<()>, JoinHandle<io::Result<()>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let server = serve(listener, router(Metrics::new(), health), async { drop(stopped.await) });
        (address, stop, tokio::spawn(server))
    }

    async fn get(address: SocketAddr, path: &str) -> (u16, String, String) {
        let answer = reqwest::get(format!("http://{address}{path}")).await.unwrap();
        let media_type = answer.headers().get("content-type").map_or("", |value| value.to_str().unwrap()).to_owned();
        (answer.status().as_u16(), media_type, answer.text().await.unwrap())
    }

    #[tokio::test]
    async fn probes_and_metrics_say_what_is() {
        let health = Health::new(Duration::from_mins(1), ["jobs", "pods"]);
        let (address, stop, server) = start(health.clone()).await;
        let (status, _, text) = get(address, "/readyz").await;
        assert_eq!((status, text.as_str()), (503, "caches are not filled yet: jobs, pods\n"));
        assert_eq!(get(address, "/healthz").await.0, 200);
        health.synced("jobs");
        health.synced("pods");
        assert_eq!(get(address, "/readyz").await.0, 200);
        let (status, media_type, text) = get(address, "/metrics").await;
        assert_eq!((status, media_type.as_str()), (200, OPENMETRICS));
        assert!(text.contains("real_leader 0") && text.ends_with("# EOF\n"), "{text}");
        assert_eq!(get(address, "/").await.0, 404);
        stop.send(()).unwrap();
        server.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_main_loop_that_stands_still_is_not_alive() {
        let health = Health::new(Duration::ZERO, []);
        let (address, _stop, _server) = start(health).await;
        let (status, _, text) = get(address, "/healthz").await;
        assert_eq!(status, 503);
        assert!(text.starts_with("the main loop has not beaten for"), "{text}");
    }

    #[tokio::test]
    async fn a_client_that_keeps_its_connection_does_not_hold_up_the_end() {
        let (address, stop, server) = start(Health::new(Duration::from_mins(1), [])).await;
        let mut idle = TcpStream::connect(address).await.unwrap();
        idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: operator\r\n\r\n").await.unwrap();
        let mut answer = [0; 15];
        idle.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
        stop.send(()).unwrap();
        server.await.unwrap().unwrap();
    }
}
