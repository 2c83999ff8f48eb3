//! A configured base URL, and the endpoints behind it at the moment.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::watch;
use url::{Host, Url};

use super::addresses;
use super::endpoint::Endpoint;
use super::schedule::Schedule;
use crate::client::network::{Network, Resolver};

pub(super) struct Origin {
    base: String,
    /// None where the URL's host is an address.
    name: Option<Name>,
    state: Mutex<State>,
    /// Counts resolutions that ended, of all origins of a pool.
    resolved: watch::Sender<u64>,
}

struct Name {
    host: String,
    port: u16,
    resolver: Resolver,
}

struct State {
    /// The last that were found, also where the resolver fails since.
    endpoints: Vec<Arc<Endpoint>>,
    schedule: Schedule,
    /// Why the last resolution found nothing.
    trouble: Option<String>,
}

impl Origin {
    pub(super) fn new(url: &Url, network: &Network, resolved: watch::Sender<u64>) -> Arc<Self> {
        let base = url.as_str().trim_end_matches('/').to_owned();
        let name = match url.host() {
            Some(Host::Domain(host)) => Some(Name {
                host: host.to_owned(),
                port: url.port_or_known_default().unwrap_or(80),
                resolver: Arc::clone(&network.resolver),
            }),
            _ => None,
        };
        let endpoints = match name {
            Some(_) => Vec::new(),
            None => vec![Arc::new(Endpoint::new(base.clone(), Vec::new(), network.direct()))],
        };
        let state = State { endpoints, schedule: Schedule::new(Instant::now()), trouble: None };
        Arc::new(Self { base, name, state: Mutex::new(state), resolved })
    }

    /// The endpoints as they are known; has the name resolved again in the background where it is time for that.
    pub(super) fn endpoints(self: &Arc<Self>, now: Instant) -> Vec<Arc<Endpoint>> {
        self.resolve_if_due(now);
        self.lock().endpoints.clone()
    }

    /// Until when it is better to wait for a resolution that is under way than to go by what is known.
    pub(super) fn worth_waiting(self: &Arc<Self>, now: Instant) -> Option<Instant> {
        self.name.as_ref()?;
        self.resolve_if_due(now);
        self.lock().schedule.worth_waiting(now)
    }

    /// One of its endpoints failed: that may be because it is gone.
    pub(super) fn hurry(&self, now: Instant) {
        self.lock().schedule.hurry(now);
    }

    /// What the resolver said instead of addresses.
    pub(super) fn trouble(&self) -> Option<String> {
        let host = &self.name.as_ref()?.host;
        self.lock().trouble.as_ref().map(|trouble| format!("{host} does not resolve: {trouble}"))
    }

    fn resolve_if_due(self: &Arc<Self>, now: Instant) {
        let Some(name) = &self.name else { return };
        if self.lock().schedule.begin(now) {
            // Before the task, which may never be polled.
            let under_way = UnderWay { origin: Arc::clone(self), ended: false };
            let addresses = (name.resolver)(name.host.clone(), name.port);
            tokio::spawn(async move {
                let found = addresses.await;
                under_way.end(found);
            });
        }
    }

    /// Takes what the resolver answered. Nothing is no reason to forget the addresses that there were: they may still
    /// work, and where they do not, nothing is lost by trying.
    fn take(&self, found: io::Result<Vec<SocketAddr>>) {
        let found = match found {
            Ok(found) if found.is_empty() => Err("it has no address".to_owned()),
            Ok(found) => Ok(addresses::endpoints(&found)),
            Err(error) => Err(error.to_string()),
        };
        // Made without the lock; nobody else changes the list, for one resolution is under way at a time.
        let known = self.lock().endpoints.clone();
        let mut trouble = found.as_ref().err().cloned();
        let endpoints = found.map(|found| {
            addresses::merge(
                &known,
                &found,
                |known| known.first_address(),
                |addresses| match self.reach(addresses) {
                    Ok(endpoint) => Some(endpoint),
                    Err(error) => {
                        trouble = Some(format!("no HTTP client for {}: {error}", addresses[0]));
                        None
                    }
                },
            )
        });
        if let Some(trouble) = &trouble {
            tracing::debug!(url = self.base, "the name is resolved again: {trouble}");
        }
        let found = endpoints.is_ok();
        let mut state = self.lock();
        state.schedule.end(Instant::now(), found);
        state.trouble = trouble;
        if let Ok(endpoints) = endpoints {
            state.endpoints = endpoints;
        }
    }

    fn reach(&self, addresses: &[SocketAddr]) -> reqwest::Result<Arc<Endpoint>> {
        let host = self.name.as_ref().map(|name| name.host.as_str()).unwrap_or_default();
        let http = Network::pinned(host, addresses)?;
        Ok(Arc::new(Endpoint::new(self.base.clone(), addresses.to_vec(), http)))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A resolution; however it ends, another may begin, and who waits is woken.
struct UnderWay {
    origin: Arc<Origin>,
    ended: bool,
}

impl UnderWay {
    fn end(mut self, found: io::Result<Vec<SocketAddr>>) {
        self.origin.take(found);
        self.ended = true;
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        // Once it has ended, the next one may have begun already.
        if !self.ended {
            self.origin.lock().schedule.lose();
        }
        self.origin.resolved.send_modify(|count| *count = count.wrapping_add(1));
    }
}
