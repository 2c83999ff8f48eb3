use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response as Answer};
use axum::routing::post;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpSocket};

use super::*;

mod names;

/// A server that answers by the number of the request; stands for a network that fails in a given way.
async fn server(script: fn(u32) -> Answer) -> (Url, Arc<AtomicU32>) {
    let seen = Arc::new(AtomicU32::new(0));
    let answer = async move |State(seen): State<Arc<AtomicU32>>| script(seen.fetch_add(1, Ordering::SeqCst));
    let router = Router::new().route("/v1/batch", post(answer)).with_state(Arc::clone(&seen));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, seen)
}

fn ok() -> Answer {
    axum::Json(json!({"ok": true})).into_response()
}

fn pool(urls: &[Url]) -> Pool {
    Pool::new(Service::Sandbox, &Network::new().unwrap(), urls)
}

/// Seconds that are enough on a machine that builds something else at the same time.
const PATIENCE: f64 = 300.0;

async fn post_within(pool: &Pool, seconds: f64) -> Result<(Value, u32), Failure> {
    pool.post("/v1/batch", &json!({}), Instant::now() + Duration::from_secs_f64(seconds)).await
}

/// A port that nobody listens on, and what keeps it from being given to another test.
fn nobody() -> (Url, TcpSocket) {
    let taken = TcpSocket::new_v4().unwrap();
    taken.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    (Url::parse(&format!("http://{}", taken.local_addr().unwrap())).unwrap(), taken)
}

#[tokio::test]
async fn busy_and_failing_answers_are_tried_again() {
    let (url, seen) = server(|number| match number {
        0 => StatusCode::TOO_MANY_REQUESTS.into_response(),
        1 => StatusCode::BAD_GATEWAY.into_response(),
        2 => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        _ => ok(),
    })
    .await;
    let (answer, attempts) = post_within(&pool(&[url]), PATIENCE).await.unwrap();
    assert_eq!((answer, attempts, seen.load(Ordering::SeqCst)), (json!({"ok": true}), 4, 4));
}

#[tokio::test]
async fn retry_after_is_honoured() {
    let (url, _) = server(|number| {
        if number > 0 {
            return ok();
        }
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, "1".parse().unwrap());
        (StatusCode::TOO_MANY_REQUESTS, headers).into_response()
    })
    .await;
    let start = Instant::now();
    assert!(post_within(&pool(std::slice::from_ref(&url)), PATIENCE).await.is_ok());
    assert!(start.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_wait_beyond_the_deadline_ends_at_once() {
    let (url, _) = server(|_| {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, "7200".parse().unwrap());
        (StatusCode::TOO_MANY_REQUESTS, headers, "queue is full").into_response()
    })
    .await;
    let pool = pool(&[url]);
    let outcome = tokio::time::timeout(Duration::from_secs_f64(PATIENCE), post_within(&pool, 3600.0)).await;
    let failure = outcome.expect("it does not wait for its deadline of an hour").unwrap_err();
    assert_eq!(failure.attempts, 1);
    assert!(failure.reason.to_string().contains("queue is full"), "{}", failure.reason);
}

#[tokio::test]
async fn a_refused_request_is_not_repeated_and_its_body_is_passed_on() {
    let (url, seen) = server(|_| (StatusCode::UNPROCESSABLE_ENTITY, "unknown field `x`").into_response()).await;
    let failure = post_within(&pool(&[url]), PATIENCE).await.unwrap_err();
    assert!(matches!(&failure.reason, Reason::Refused { status: 422, body, .. } if body.contains("unknown field")));
    assert_eq!((failure.attempts, seen.load(Ordering::SeqCst)), (1, 1));
}

#[tokio::test]
async fn a_request_that_breaks_the_service_is_given_up() {
    let (url, seen) = server(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response()).await;
    let failure = post_within(&pool(&[url]), PATIENCE).await.unwrap_err();
    assert_eq!((failure.attempts, seen.load(Ordering::SeqCst)), (MOST_INTERNAL_ERRORS, MOST_INTERNAL_ERRORS));
}

#[tokio::test]
async fn an_answer_of_another_shape_is_named() {
    let (url, _) = server(|_| ok()).await;
    let pool = pool(&[url]);
    let deadline = Instant::now() + Duration::from_secs_f64(PATIENCE);
    let failure = pool.post::<_, Vec<u8>>("/v1/batch", &json!({}), deadline).await.unwrap_err();
    assert!(matches!(failure.reason, Reason::Unreadable { .. }), "{}", failure.reason);
}

#[tokio::test]
async fn a_dead_endpoint_is_left_alone_while_another_works() {
    let (url, seen) = server(|_| ok()).await;
    let (dead, _taken) = nobody();
    let pool = pool(&[dead, url]);
    let mut attempts = 0;
    for _ in 0..20 {
        attempts += post_within(&pool, PATIENCE).await.unwrap().1;
    }
    assert_eq!(seen.load(Ordering::SeqCst), 20);
    assert!(attempts < 30, "{attempts} attempts for 20 requests");
}

#[tokio::test]
async fn nobody_listening_ends_with_the_cause_at_the_deadline() {
    let (dead, _taken) = nobody();
    let failure = post_within(&pool(&[dead]), 5.0).await.unwrap_err();
    let text = failure.reason.to_string();
    assert!(text.contains("Connection refused") && failure.attempts > 1, "{text}");
}

#[tokio::test]
async fn the_endpoint_with_the_fewest_requests_under_way_is_chosen() {
    let ((one, _), (other, _)) = (nobody(), nobody());
    let pool = pool(&[one, other]);
    let now = Instant::now();
    let (_, busy, _) = pool.choose(&[], now).unwrap();
    let _request = busy.enter();
    for _ in 0..4 {
        assert!(!Arc::ptr_eq(&pool.choose(&[], now).unwrap().1, &busy));
    }
}
