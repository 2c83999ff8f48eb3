//! HTTP clients, and who turns names into addresses.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use reqwest::{Client, ClientBuilder};

/// Turns a name and a port into addresses.
pub(crate) type Resolver = Arc<dyn Fn(String, u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// What clients reach services with. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Network {
    http: Client,
    pub(super) resolver: Resolver,
}

impl Network {
    /// With this machine's resolver.
    ///
    /// # Errors
    /// The HTTP client cannot be made.
    pub(crate) fn new() -> reqwest::Result<Self> {
        let lookup = |host: String, port: u16| {
            async move { tokio::net::lookup_host((host, port)).await.map(Iterator::collect) }.boxed()
        };
        Self::with_resolver(Arc::new(lookup))
    }

    /// With another resolver.
    pub(super) fn with_resolver(resolver: Resolver) -> reqwest::Result<Self> {
        Ok(Self { http: builder().build()?, resolver })
    }

    /// The client for hosts that are addresses already.
    pub(crate) fn direct(&self) -> Client {
        self.http.clone()
    }

    /// A client for which `host` has these addresses alone. Its connections are its own, so that a kept one is never to
    /// another replica; what it asks for is still the name, which is what the Host header, SNI and the check of a
    /// certificate see.
    pub(super) fn pinned(host: &str, addresses: &[SocketAddr]) -> reqwest::Result<Client> {
        builder().resolve_to_addrs(host, addresses).build()
    }
}

fn builder() -> ClientBuilder {
    // The services are our own neighbours; a proxy meant for the internet must not come between.
    Client::builder().no_proxy().connect_timeout(Duration::from_secs(2))
}
