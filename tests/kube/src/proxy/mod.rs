//! A proxy before the API server that writes down every request and lets some of them fail.
//!
//! ```no_run
//! # async fn test() -> anyhow::Result<()> {
//! use http::StatusCode;
//! use real_test_kube::{Fault, Proxy, Verb, shared};
//!
//! let proxy = Proxy::start(shared())?;
//! proxy.rule(|call| match (call.verb, call.resource.as_str()) {
//!     (Verb::Create, "jobs") => Fault::PassThenDrop,
//!     (Verb::Watch, _) => Fault::DropAfter(std::time::Duration::from_secs(1)),
//!     (Verb::Patch, _) => Fault::answer(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests").retry_after(1),
//!     _ => Fault::Pass,
//! });
//! let client = proxy.client(); // give it to what is under test
//! assert_eq!(proxy.writes(), 0, "{:#?}", proxy.calls());
//! # Ok(()) }
//! ```

mod call;
mod fault;
mod forward;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use anyhow::Result;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kube::{Client, Config};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

pub use call::{Call, Verb};
pub use fault::Fault;

use crate::ControlPlane;
use crate::access;
use crate::kubeconfig::{self, Credentials};
use forward::Upstream;

type Rule = Arc<dyn Fn(&Call) -> Fault + Send + Sync>;

/// A running proxy; dropping it cuts every connection.
///
/// It speaks plain HTTP. A request with a bearer token goes on with that token, any other with the administrator's
/// certificate. `exec`, `attach` and `port-forward` do not pass, since they are no longer HTTP.
pub struct Proxy<'a> {
    control_plane: &'a ControlPlane,
    url: String,
    shared: Arc<Shared>,
    /// Its own, so that it outlives the test's and works in tests without one. `None` once dropped.
    runtime: Option<Runtime>,
}

/// What the tasks of the proxy and the test both see.
struct Shared {
    upstream: Upstream,
    rule: RwLock<Rule>,
    calls: Mutex<Vec<Call>>,
}

impl<'a> Proxy<'a> {
    /// Starts a proxy that lets everything pass.
    ///
    /// # Errors
    /// Where no port is free.
    pub fn start(control_plane: &'a ControlPlane) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let shared = Arc::new(Shared {
            upstream: Upstream::new(control_plane)?,
            rule: RwLock::new(Arc::new(|_| Fault::Pass)),
            calls: Mutex::new(Vec::new()),
        });
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        let url = format!("http://{}", listener.local_addr()?);
        let state = Arc::clone(&shared);
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).expect("the listener was made for this");
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&state);
                tokio::spawn(async move {
                    let service = service_fn(move |request| forward::answer(Arc::clone(&state), request));
                    // An error is a connection cut by us or by the client; both are what tests are about.
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Ok(Self { control_plane, url, shared, runtime: Some(runtime) })
    }

    /// From now on `rule` decides what happens to each request. It sees the call before there is a status.
    pub fn rule(&self, rule: impl Fn(&Call) -> Fault + Send + Sync + 'static) {
        *self.shared.rule.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rule);
    }

    /// From now on everything passes.
    pub fn pass(&self) {
        self.rule(|_| Fault::Pass);
    }

    /// All requests so far in the order they came.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.calls().clone()
    }

    /// Forgets the requests so far. Call it only while none is under way.
    pub fn forget(&self) {
        self.shared.calls().clear();
    }

    /// Number of requests for which `what` holds.
    pub fn count(&self, what: impl Fn(&Call) -> bool) -> usize {
        self.shared.calls().iter().filter(|call| what(call)).count()
    }

    /// Number of writes that the API server has carried out.
    pub fn writes(&self) -> usize {
        self.count(|call| call.verb.is_write() && call.reached && call.status.is_some_and(|status| status < 300))
    }

    /// Base URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A client of the administrator through the proxy. As every client of this version of kube it repeats what was answered
    /// with 429, 503 or 504.
    pub fn client(&self) -> Client {
        access::make(self.config())
    }

    /// A client of the bearer of `token` through the proxy.
    pub fn client_with_token(&self, token: &str) -> Client {
        let mut config = self.config();
        config.auth_info = access::bearer(token);
        access::make(config)
    }

    /// Writes a kubeconfig that leads through the proxy, of the bearer of `token` or else of the administrator.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn kubeconfig(&self, token: Option<&str>) -> Result<PathBuf> {
        let credentials = token.map_or(Credentials::None, Credentials::Token);
        self.control_plane.write_kubeconfig(&kubeconfig::text(&self.url, None, &credentials))
    }

    fn config(&self) -> Config {
        Config::new(self.url.parse().expect("a loopback address is a URL"))
    }
}

impl Drop for Proxy<'_> {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Waiting is forbidden where the test itself is a task.
            runtime.shutdown_background();
        }
    }
}

impl Shared {
    fn calls(&self) -> MutexGuard<'_, Vec<Call>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a call down and says what is to happen to it.
    fn begin(&self, call: Call) -> (usize, Fault) {
        let rule = Arc::clone(&self.rule.read().unwrap_or_else(PoisonError::into_inner));
        let fault = rule(&call);
        let mut calls = self.calls();
        calls.push(call);
        (calls.len() - 1, fault)
    }

    fn end(&self, index: usize, status: u16, reached: bool) {
        // Gone where the test has forgotten it meanwhile.
        if let Some(call) = self.calls().get_mut(index) {
            call.status = Some(status);
            call.reached = reached;
        }
    }
}
