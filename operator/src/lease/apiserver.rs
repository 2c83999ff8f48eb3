//! A stand-in for the API server, as much of it as a Lease needs: tests of an election in paused time cannot wait for a real
//! one. `tests/lease.rs` runs against a real one.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};

use http::{Method, Request, Response, StatusCode};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::Client;
use kube::client::Body;
use serde_json::json;
use tower::service_fn;

/// One Lease and its resource versions.
#[derive(Clone, Default)]
pub(super) struct Leases(Arc<Mutex<Store>>);

#[derive(Default)]
struct Store {
    lease: Option<Lease>,
    version: u64,
}

/// What befalls the requests of one client.
#[derive(Clone, Default)]
pub(super) struct Fault(Arc<AtomicU8>);

impl Fault {
    /// Nothing.
    pub(super) const NONE: u8 = 0;
    /// Requests vanish.
    pub(super) const SWALLOW: u8 = 1;
    /// Requests are answered by 500.
    pub(super) const SERVER_ERROR: u8 = 2;
    /// The first write is carried out and its answer vanishes, and so does everything after it.
    pub(super) const LOSE_ANSWER: u8 = 3;

    pub(super) fn set(&self, fault: u8) {
        self.0.store(fault, Ordering::SeqCst);
    }
}

impl Leases {
    pub(super) fn client(&self) -> (Client, Fault) {
        let (server, fault) = (self.clone(), Fault::default());
        let befalls = fault.clone();
        let service = service_fn(move |request: Request<Body>| {
            let (server, fault) = (server.clone(), befalls.clone());
            async move { Ok::<_, Infallible>(server.answer(request, &fault).await) }
        });
        (Client::new(service, "default"), fault)
    }

    pub(super) fn spec(&self) -> LeaseSpec {
        self.0.lock().unwrap().lease.clone().unwrap().spec.unwrap()
    }

    pub(super) fn edit(&self, change: impl FnOnce(&mut LeaseSpec)) {
        let mut store = self.0.lock().unwrap();
        let mut lease = store.lease.clone().unwrap();
        change(lease.spec.as_mut().unwrap());
        store.put(lease);
    }

    pub(super) fn delete(&self) {
        self.0.lock().unwrap().lease = None;
    }

    async fn answer(&self, request: Request<Body>, fault: &Fault) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let body = body.collect_bytes().await.unwrap();
        let sent = || serde_json::from_slice::<Lease>(&body).unwrap();
        match fault.0.load(Ordering::SeqCst) {
            Fault::SWALLOW => return std::future::pending().await,
            Fault::SERVER_ERROR => return status(StatusCode::INTERNAL_SERVER_ERROR, "InternalError"),
            Fault::LOSE_ANSWER if parts.method != Method::GET => {
                fault.set(Fault::SWALLOW);
                let _ = self.0.lock().unwrap().carry_out(&parts.method, Some(sent()));
                return std::future::pending().await;
            }
            _ => {}
        }
        let lease = (parts.method != Method::GET).then(sent);
        self.0.lock().unwrap().carry_out(&parts.method, lease)
    }
}

impl Store {
    fn carry_out(&mut self, method: &Method, sent: Option<Lease>) -> Response<Body> {
        match (method, sent, &self.lease) {
            (&Method::GET, _, Some(lease)) => ok(lease),
            (&Method::POST, Some(_), Some(_)) => status(StatusCode::CONFLICT, "AlreadyExists"),
            (&Method::POST, Some(sent), None) => ok(self.put(sent)),
            (&Method::PUT, Some(sent), Some(lease)) => {
                if sent.metadata.resource_version == lease.metadata.resource_version {
                    ok(self.put(sent))
                } else {
                    status(StatusCode::CONFLICT, "Conflict")
                }
            }
            _ => status(StatusCode::NOT_FOUND, "NotFound"),
        }
    }

    fn put(&mut self, mut lease: Lease) -> &Lease {
        self.version += 1;
        lease.metadata.resource_version = Some(self.version.to_string());
        self.lease.insert(lease)
    }
}

fn ok(lease: &Lease) -> Response<Body> {
    Response::new(Body::from(serde_json::to_vec(lease).unwrap()))
}

fn status(code: StatusCode, reason: &str) -> Response<Body> {
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "", "reason": reason, "code": code.as_u16()
    });
    Response::builder().status(code).body(Body::from(body.to_string().into_bytes())).unwrap()
}
