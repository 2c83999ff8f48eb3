//! Several endpoints of one service behind one `post`.

mod addresses;
mod choice;
mod endpoint;
mod origin;
mod schedule;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio::time::timeout_at;
use url::Url;

use super::network::Network;
use super::{Failure, backoff};
use crate::{Reason, Service};
use endpoint::Endpoint;
use origin::Origin;

/// How often the same request may meet an internal error: such a request may be what breaks the service.
const MOST_INTERNAL_ERRORS: u32 = 4;
/// Longest part of an error body that is passed on.
const BODY_EXCERPT: usize = 400;
/// How often a request that waits for an endpoint looks again, though none is announced.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Endpoints of one service: what is behind each of the configured base URLs. Each address of a name is an endpoint.
pub(crate) struct Pool {
    service: Service,
    origins: Vec<Arc<Origin>>,
    turn: AtomicUsize,
    /// Changes whenever a name was resolved.
    resolved: watch::Sender<u64>,
}

/// What a request met at an endpoint that gave it no answer.
struct Met {
    endpoint: Arc<Endpoint>,
    failed: u32,
    not_before: Instant,
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
    pub(crate) fn new(service: Service, network: &Network, urls: &[Url]) -> Self {
        let resolved = watch::Sender::new(0);
        let origins = urls.iter().map(|url| Origin::new(url, network, resolved.clone())).collect();
        Self { service, origins, turn: AtomicUsize::new(0), resolved }
    }

    /// Posts until there is an answer, the request is refused, or time is up. The routes have no effects, so a request
    /// may be repeated and may reach two endpoints. What fails at one endpoint goes to another at once, and comes back
    /// to the same one after a pause.
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
        let mut met: Vec<Met> = Vec::new();
        self.await_old_names(deadline).await;
        loop {
            let mut resolved = self.resolved.subscribe();
            let now = Instant::now();
            let (origin, endpoint) = match self.choose(&met, now) {
                Some((origin, endpoint, Duration::ZERO)) if now < deadline => (origin, endpoint),
                // Without an address there is hope until the end; a known pause may be too long.
                Some((.., wait)) if now + wait >= deadline => return Err(self.out_of_time(last, attempts)),
                None if now >= deadline => return Err(self.out_of_time(last, attempts)),
                found => {
                    let wait = found.map_or(LOOK_AGAIN, |(.., wait)| wait.min(LOOK_AGAIN));
                    // A name that has been resolved is as good a reason to look as the time.
                    let _ = timeout_at(deadline.min(now + wait).into(), resolved.changed()).await;
                    continue;
                }
            };
            attempts += 1;
            let retry = match self.attempt(&endpoint, path, body.clone(), deadline).await {
                Attempt::Answer(answer) => return Ok((answer, attempts)),
                Attempt::Fatal(reason) => return Err(Failure { reason, attempts }),
                Attempt::Retry(retry) => retry,
            };
            tracing::debug!(service = %self.service, %endpoint, attempts, "retry: {}", retry.what);
            internal_errors += u32::from(retry.internal);
            last = match endpoint.first_address() {
                Some(address) => format!("{} from {}", retry.what, address.ip()),
                None => retry.what,
            };
            if internal_errors >= MOST_INTERNAL_ERRORS {
                return Err(self.out_of_time(last, attempts));
            }
            let now = Instant::now();
            if retry.after.is_none() {
                origin.hurry(now);
            }
            let here = met.iter().position(|met| Arc::ptr_eq(&met.endpoint, &endpoint)).unwrap_or_else(|| {
                met.push(Met { endpoint, failed: 0, not_before: now });
                met.len() - 1
            });
            let pause = retry.after.unwrap_or_else(|| backoff::delay(met[here].failed, rand::random()));
            met[here].failed += 1;
            met[here].not_before = now + pause;
        }
    }

    /// Waits a moment for names that were not resolved for long, or never.
    async fn await_old_names(&self, deadline: Instant) {
        loop {
            let mut resolved = self.resolved.subscribe();
            let now = Instant::now();
            let Some(until) = self.origins.iter().filter_map(|origin| origin.worth_waiting(now)).max() else { return };
            if timeout_at(until.min(deadline).into(), resolved.changed()).await.is_err() {
                return;
            }
        }
    }

    /// The endpoint with the fewest requests under way among those that work; where none does, the one that may be tried
    /// soonest, and how long to wait for that. None as long as no name has an address.
    fn choose(&self, met: &[Met], now: Instant) -> Option<(&Origin, Arc<Endpoint>, Duration)> {
        let of = |origin| Origin::endpoints(origin, now).into_iter().map(move |endpoint| (&**origin, endpoint));
        let mut endpoints: Vec<(&Origin, Arc<Endpoint>)> = self.origins.iter().flat_map(of).collect();
        let candidate = |(_, endpoint): &(&Origin, Arc<Endpoint>)| {
            let met = met.iter().find(|met| Arc::ptr_eq(&met.endpoint, endpoint));
            let (failed, told) =
                met.map_or((0, Duration::ZERO), |met| (met.failed, met.not_before.saturating_duration_since(now)));
            endpoint.candidate(now, failed, told)
        };
        let candidates: Vec<_> = endpoints.iter().map(candidate).collect();
        let place = choice::best(&candidates, self.turn.fetch_add(1, Ordering::Relaxed))?;
        let (origin, endpoint) = endpoints.swap_remove(place);
        Some((origin, endpoint, candidates[place].wait))
    }

    async fn attempt<A: DeserializeOwned>(
        &self,
        endpoint: &Endpoint,
        path: &str,
        body: Bytes,
        deadline: Instant,
    ) -> Attempt<A> {
        let _counted = endpoint.enter();
        let sent = endpoint
            .post(path)
            .header(CONTENT_TYPE, "application/json")
            .timeout(deadline.saturating_duration_since(Instant::now()))
            .body(body)
            .send()
            .await;
        let outcome = match sent {
            Ok(response) => self.read(response).await,
            Err(error) => Attempt::Retry(Retry { what: chain(&error), after: None, internal: false }),
        };
        match &outcome {
            // A busy endpoint is a working one.
            Attempt::Retry(Retry { after: None, .. }) => endpoint.failed(Instant::now()),
            _ => endpoint.works(),
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
        let troubles = self.origins.iter().filter_map(|origin| origin.trouble());
        let last = troubles.fold(last, |last, trouble| format!("{last}; {trouble}"));
        Failure { reason: Reason::Deadline { service: self.service, last }, attempts }
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
