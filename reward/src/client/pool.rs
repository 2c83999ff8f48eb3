//! Several endpoints of one service behind one `post`.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::sleep;
use url::Url;

use super::{Failure, backoff};
use crate::{Reason, Service};

/// Failures in a row after which an endpoint is left alone for a while.
const FAILURES_TO_OPEN: u32 = 3;
/// For how long at first; doubles with each further failure.
const OPEN_FIRST: Duration = Duration::from_millis(250);
const OPEN_LONGEST: Duration = Duration::from_secs(5);
/// How often the same request may meet an internal error: such a request may be what breaks the service.
const MOST_INTERNAL_ERRORS: u32 = 4;
/// Longest part of an error body that is passed on.
const BODY_EXCERPT: usize = 400;

/// Endpoints of one service.
pub(crate) struct Pool {
    service: Service,
    http: reqwest::Client,
    endpoints: Vec<Endpoint>,
    turn: AtomicUsize,
}

struct Endpoint {
    base: String,
    outstanding: AtomicUsize,
    health: Mutex<Health>,
}

/// A circuit breaker.
#[derive(Clone, Copy, Debug, Default)]
struct Health {
    failures: u32,
    open_until: Option<Instant>,
}

impl Health {
    fn failed(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        if let Some(more) = self.failures.checked_sub(FAILURES_TO_OPEN) {
            let pause = OPEN_FIRST.saturating_mul(2_u32.saturating_pow(more.min(16))).min(OPEN_LONGEST);
            self.open_until = Some(now + pause);
        }
    }

    fn wait(self, now: Instant) -> Duration {
        self.open_until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }
}

/// How an attempt that is worth repeating ended.
struct Retry {
    what: String,
    after: Option<Duration>,
    internal: bool,
}

enum Attempt<T> {
    Answer(T),
    Retry(Retry),
    Fatal(Reason),
}

impl Pool {
    pub(crate) fn new(service: Service, http: reqwest::Client, urls: &[Url]) -> Self {
        let endpoint = |url: &Url| Endpoint {
            base: url.as_str().trim_end_matches('/').to_owned(),
            outstanding: AtomicUsize::new(0),
            health: Mutex::new(Health::default()),
        };
        Self { service, http, endpoints: urls.iter().map(endpoint).collect(), turn: AtomicUsize::new(0) }
    }

    /// Posts until there is an answer, the request is refused, or time is up. The routes have no effects, so a request
    /// may be repeated and may reach two endpoints.
    pub(crate) async fn post<Q: Serialize, A: DeserializeOwned>(
        &self,
        path: &str,
        request: &Q,
        deadline: Instant,
    ) -> Result<(A, u32), Failure> {
        let body = serde_json::to_vec(request).map_err(|error| Failure {
            reason: Reason::Unreadable { service: self.service, what: format!("our own request: {error}") },
            attempts: 0,
        })?;
        let body = Bytes::from(body);
        let (mut attempts, mut internal_errors) = (0, 0);
        let mut last = String::from("not tried");
        loop {
            let (index, wait) = self.choose(Instant::now());
            if !self.pause(wait, deadline).await {
                return Err(self.out_of_time(last, attempts));
            }
            attempts += 1;
            let retry = match self.attempt(&self.endpoints[index], path, body.clone(), deadline).await {
                Attempt::Answer(answer) => return Ok((answer, attempts)),
                Attempt::Fatal(reason) => return Err(Failure { reason, attempts }),
                Attempt::Retry(retry) => retry,
            };
            tracing::debug!(service = %self.service, endpoint = %self.endpoints[index].base, attempts, "retry: {}", retry.what);
            internal_errors += u32::from(retry.internal);
            last = retry.what;
            let wait = retry.after.unwrap_or_else(|| backoff::delay(attempts - 1, rand::random()));
            if internal_errors >= MOST_INTERNAL_ERRORS || !self.pause(wait, deadline).await {
                return Err(self.out_of_time(last, attempts));
            }
        }
    }

    /// The endpoint with the fewest requests under way among those that work; where none does, the one that may be tried
    /// soonest, and how long to wait for that.
    fn choose(&self, now: Instant) -> (usize, Duration) {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let count = self.endpoints.len();
        // Starting at another place each time spreads ties.
        (0..count)
            .map(|offset| (turn.wrapping_add(offset)) % count)
            .map(|index| (index, self.endpoints[index].lock().wait(now)))
            .min_by_key(|(index, wait)| (*wait, self.endpoints[*index].outstanding.load(Ordering::Relaxed)))
            .unwrap_or((0, Duration::ZERO))
    }

    /// Sleeps; false where the deadline would pass.
    async fn pause(&self, wait: Duration, deadline: Instant) -> bool {
        if Instant::now() + wait >= deadline {
            return false;
        }
        if !wait.is_zero() {
            sleep(wait).await;
        }
        true
    }

    async fn attempt<A: DeserializeOwned>(
        &self,
        endpoint: &Endpoint,
        path: &str,
        body: Bytes,
        deadline: Instant,
    ) -> Attempt<A> {
        let _counted = Outstanding::enter(&endpoint.outstanding);
        let sent = self
            .http
            .post(format!("{}{path}", endpoint.base))
            .header(CONTENT_TYPE, "application/json")
            .timeout(deadline.saturating_duration_since(Instant::now()))
            .body(body)
            .send()
            .await;
        let outcome = match sent {
            Ok(response) => self.read(response).await,
            Err(error) => Attempt::Retry(Retry { what: chain(&error), after: None, internal: false }),
        };
        let now = Instant::now();
        match &outcome {
            // A busy endpoint is a working one.
            Attempt::Retry(Retry { after: None, .. }) => endpoint.lock().failed(now),
            _ => *endpoint.lock() = Health::default(),
        }
        outcome
    }

    async fn read<A: DeserializeOwned>(&self, response: Response) -> Attempt<A> {
        let status = response.status();
        let retry_after = retry_after(&response);
        let bytes = match response.bytes().await {
            Ok(bytes) => bytes,
            Err(error) => return Attempt::Retry(Retry { what: chain(&error), after: None, internal: false }),
        };
        if status.is_success() {
            return match serde_json::from_slice(&bytes) {
                Ok(answer) => Attempt::Answer(answer),
                Err(error) => Attempt::Fatal(Reason::Unreadable { service: self.service, what: error.to_string() }),
            };
        }
        let excerpt: String = String::from_utf8_lossy(&bytes).trim().chars().take(BODY_EXCERPT).collect();
        let what = format!("HTTP {}: {excerpt}", status.as_u16());
        match status {
            StatusCode::TOO_MANY_REQUESTS => {
                let after = retry_after.unwrap_or_else(|| backoff::delay(2, rand::random()));
                Attempt::Retry(Retry { what, after: Some(after), internal: false })
            }
            StatusCode::REQUEST_TIMEOUT => Attempt::Retry(Retry { what, after: None, internal: false }),
            _ if status.is_server_error() => {
                let internal = status == StatusCode::INTERNAL_SERVER_ERROR;
                Attempt::Retry(Retry { what, after: retry_after, internal })
            }
            _ => {
                tracing::error!(service = %self.service, "request refused: {what}");
                let (service, status) = (self.service, status.as_u16());
                Attempt::Fatal(Reason::Refused { service, status, body: excerpt })
            }
        }
    }

    fn out_of_time(&self, last: String, attempts: u32) -> Failure {
        Failure { reason: Reason::Deadline { service: self.service, last }, attempts }
    }
}

impl Endpoint {
    fn lock(&self) -> std::sync::MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a request as under way until dropped, also where its future is cancelled.
struct Outstanding<'a>(&'a AtomicUsize);

impl<'a> Outstanding<'a> {
    fn enter(counter: &'a AtomicUsize) -> Self {
        counter.fetch_add(1, Ordering::Relaxed);
        Self(counter)
    }
}

impl Drop for Outstanding<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// `Retry-After` in seconds; its other form, a date, is not used by our services.
fn retry_after(response: &Response) -> Option<Duration> {
    let seconds: f64 = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// An error with its causes: reqwest's own text leaves out what happened.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests;
