//! A sandbox by its URL.

use std::time::Duration;

use real_sandbox_api::{BatchRequest, BatchResponse};
use reqwest::StatusCode;
use url::Url;

/// How often a busy sandbox is asked again, a second later each time.
const MOST_BUSY: u32 = 60;

/// Asks one sandbox.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    route: String,
}

/// A batch without an answer.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// No connection, no answer, or none of this shape.
    #[error("{route}: {source}")]
    Http {
        /// Where.
        route: String,
        /// What happened.
        source: reqwest::Error,
    },
    /// An answer that is none.
    #[error("{route} answered HTTP {status}: {body}")]
    Refused {
        /// Where.
        route: String,
        /// With which code.
        status: u16,
        /// What it said.
        body: String,
    },
}

impl Client {
    /// For the sandbox with this base URL.
    ///
    /// # Panics
    /// Where the machine has no TLS set-up that works.
    pub fn new(url: &Url) -> Self {
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_mins(2)).build();
        let route = format!("{}/v1/batch", url.as_str().trim_end_matches('/'));
        Self { http: http.expect("a client without special wishes"), route }
    }

    /// Runs a batch; a sandbox that is busy is asked again for a minute.
    ///
    /// # Errors
    /// Where there is no answer.
    pub async fn batch(&self, request: &BatchRequest) -> Result<BatchResponse, RequestError> {
        let failed = |source| RequestError::Http { route: self.route.clone(), source };
        for round in 0.. {
            let answer = self.http.post(&self.route).json(request).send().await.map_err(failed)?;
            let status = answer.status();
            if status.is_success() {
                return answer.json().await.map_err(failed);
            }
            if status != StatusCode::TOO_MANY_REQUESTS || round == MOST_BUSY {
                let body = answer.text().await.map_err(failed)?.chars().take(500).collect();
                return Err(RequestError::Refused { route: self.route.clone(), status: status.as_u16(), body });
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        unreachable!("the last round returns")
    }
}
