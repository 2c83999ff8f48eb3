//! Refuses writes of a replica that does not lead.

use std::task::{Context, Poll};

use futures::future::{BoxFuture, FutureExt as _};
use http::{Method, Request};
use tower::{BoxError, Layer, Service};

use crate::lease::Guard;

/// Makes [`Fence`]s.
#[derive(Clone)]
pub struct FenceLayer(Guard);

impl FenceLayer {
    /// Lets writes pass while `guard` is open.
    pub fn new(guard: Guard) -> Self {
        Self(guard)
    }
}

impl<S> Layer<S> for FenceLayer {
    type Service = Fence<S>;

    fn layer(&self, inner: S) -> Fence<S> {
        Fence { guard: self.0.clone(), inner }
    }
}

/// Lets reads pass, and writes while its guard is open: no controller can forget to ask.
#[derive(Clone)]
pub struct Fence<S> {
    guard: Guard,
    inner: S,
}

impl<S, In> Service<Request<In>> for Fence<S>
where
    S: Service<Request<In>>,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<S::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<In>) -> Self::Future {
        let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
        match self.guard.check() {
            Err(not_leader) if !reads => {
                let refusal: BoxError = Box::new(not_leader);
                Box::pin(async move { Err(refusal) })
            }
            _ => self.inner.call(request).map(|answer| answer.map_err(Into::into)).boxed(),
        }
    }
}
