//! A sandbox by its URL.

use std::collections::BTreeMap;
use std::time::Duration;

use real_sandbox_api::{BatchRequest, BatchResponse};
use reqwest::StatusCode;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use url::Url;

/// How often a busy sandbox is asked again, a second later each time.
const MOST_BUSY: u32 = 60;
/// An answer that has not come by then does not come, however busy the machine is.
const PATIENCE: Duration = Duration::from_mins(15);

/// Asks one sandbox.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: String,
}

/// A request without an answer.
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

/// A program for `/run_code`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RunCodeRequest {
    pub(crate) language: &'static str,
    pub(crate) code: String,
    pub(crate) stdin: String,
    pub(crate) compile_timeout: f64,
    pub(crate) run_timeout: f64,
    #[serde(rename = "memory_limit_MB")]
    pub(crate) memory_limit_mb: u64,
    pub(crate) files: BTreeMap<String, String>,
    pub(crate) fetch_files: Vec<String>,
}

/// What `/run_code` answers, as far as it is of interest.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct RunCodeResponse {
    pub(crate) status: String,
    #[serde(default)]
    pub(crate) message: Option<String>,
    #[serde(default)]
    pub(crate) run_result: Option<RunResult>,
    #[serde(default)]
    pub(crate) files: Option<BTreeMap<String, String>>,
}

/// One run.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct RunResult {
    pub(crate) status: String,
    #[serde(default)]
    pub(crate) return_code: Option<i64>,
    #[serde(default)]
    pub(crate) stdout: Option<String>,
    #[serde(default)]
    pub(crate) stderr: Option<String>,
}

impl Client {
    /// For the sandbox with this base URL.
    ///
    /// # Panics
    /// Where the machine has no TLS set-up that works.
    pub fn new(url: &Url) -> Self {
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build();
        let base = url.as_str().trim_end_matches('/').to_owned();
        Self { http: http.expect("a client without special wishes"), base }
    }

    /// Runs a batch; a sandbox that is busy is asked again for a minute.
    ///
    /// # Errors
    /// Where there is no answer.
    pub async fn batch(&self, request: &BatchRequest) -> Result<BatchResponse, RequestError> {
        self.post("/v1/batch", request).await
    }

    pub(crate) async fn run_code(&self, request: &RunCodeRequest) -> Result<RunCodeResponse, RequestError> {
        self.post("/run_code", request).await
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, request: &impl Serialize) -> Result<T, RequestError> {
        let route = format!("{}{path}", self.base);
        let failed = |source| RequestError::Http { route: route.clone(), source };
        for round in 0.. {
            let answer = self.http.post(&route).json(request).send().await.map_err(failed)?;
            let status = answer.status();
            if status.is_success() {
                return answer.json().await.map_err(failed);
            }
            let busy = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::GATEWAY_TIMEOUT);
            if !busy || round == MOST_BUSY {
                let body = answer.text().await.map_err(failed)?.chars().take(500).collect();
                return Err(RequestError::Refused { route, status: status.as_u16(), body });
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        unreachable!("the last round returns")
    }
}
