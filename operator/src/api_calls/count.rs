//! Counts requests.

use std::task::{Context, Poll};

use futures::future::BoxFuture;
use http::{Request, Response};
use tower::{Layer, Service};

use super::Call;
use crate::metrics::{Code, Metrics};

/// Makes [`Count`]s.
#[derive(Clone)]
pub struct CountLayer(Metrics);

impl CountLayer {
    /// Counts into `metrics`.
    pub fn new(metrics: Metrics) -> Self {
        Self(metrics)
    }
}

impl<S> Layer<S> for CountLayer {
    type Service = Count<S>;

    fn layer(&self, inner: S) -> Count<S> {
        Count { metrics: self.0.clone(), inner }
    }
}

/// Counts the requests to a service by what they ask and how they are answered. A watch counts when it begins; a request that
/// is dropped before its answer does not count.
#[derive(Clone)]
pub struct Count<S> {
    metrics: Metrics,
    inner: S,
}

impl<S, In, Out> Service<Request<In>> for Count<S>
where
    S: Service<Request<In>, Response = Response<Out>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<In>) -> Self::Future {
        let call = Call::of(request.method(), request.uri());
        let metrics = self.metrics.clone();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            let code = answer.as_ref().map_or(Code::Error, |answer| Code::Status(answer.status().as_u16()));
            metrics.api_request(call.verb, call.kind, code);
            answer
        })
    }
}
