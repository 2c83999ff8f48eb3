//! Connections: accepted, bounded, and brought to their end.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower::Service;

/// Time that the head of a request may take to come, and that a connection may be idle before it. Longer than clients keep
/// connections, so that it is they who end them and no request is sent into one that is just being closed.
pub const HEAD_TIME: Duration = Duration::from_mins(2);
/// After a connection that could not be accepted: there are no descriptors, and trying at once would not free any.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Serves until `stop`, then takes on nothing more and ends what has begun.
pub async fn listen(listener: TcpListener, routes: Router, head_time: Duration, stop: impl Future<Output = ()>) {
    let (tell, told) = watch::channel(false);
    let mut connections = JoinSet::new();
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    connections.spawn(serve(stream, peer, routes.clone(), head_time, told.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "accepting a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    let _ = tell.send(true);
    while connections.join_next().await.is_some() {}
}

async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    routes: Router,
    head_time: Duration,
    mut stopping: watch::Receiver<bool>,
) {
    // Answers are written at once; waiting for more to send would only delay them.
    let _ = stream.set_nodelay(true);
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        let mut routes = routes.clone();
        async move { routes.call(request.map(Body::new)).await }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_time)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let asked_to_stop = async { stopping.wait_for(|stopping| *stopping).await.is_ok() };
    let ended = tokio::select! {
        outcome = connection.as_mut() => Some(outcome),
        _ = asked_to_stop => None,
    };
    let outcome = if let Some(outcome) = ended {
        outcome
    } else {
        connection.as_mut().graceful_shutdown();
        connection.await
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, %peer, "a connection");
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn start(head_time: Duration) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let peer = |ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.ip().to_string() };
        tokio::spawn(listen(listener, Router::new().route("/", get(peer)), head_time, std::future::pending()));
        address
    }

    #[tokio::test]
    async fn a_head_that_is_never_sent_to_its_end_is_closed() {
        let address = start(Duration::from_millis(20)).await;
        for half in ["", "GET / HT", "GET / HTTP/1.1\r\nhost: x\r\nx-half: "] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let mut answer = Vec::new();
            // Where it is closed before it was written to, an error says so.
            if stream.write_all(half.as_bytes()).await.is_ok() {
                let _ = stream.read_to_end(&mut answer).await;
            }
            assert!(!answer.starts_with(b"HTTP/1.1 200"), "{half:?}: {}", String::from_utf8_lossy(&answer));
        }
    }

    #[tokio::test]
    async fn a_connection_answers_more_than_once_and_handlers_know_the_peer() {
        let address = start(HEAD_TIME).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let twice = "GET / HTTP/1.1\r\nhost: x\r\n\r\nGET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        stream.write_all(twice.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer.matches("127.0.0.1").count(), 2, "{answer}");
    }
}
