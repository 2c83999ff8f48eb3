//! The way of one request to the API server and of its answer back.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, StreamExt};
use http::{HeaderMap, Request, Response, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use reqwest::{Certificate, Client, Identity};

use super::{Call, Fault, Shared, fault};
use crate::ControlPlane;

type BoxError = Box<dyn Error + Send + Sync>;
type Answer = Response<UnsyncBoxBody<Bytes, BoxError>>;

/// Makes hyper close the connection, at once or in the middle of an answer.
#[derive(Debug)]
struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection is cut by the test's rule")
    }
}

impl Error for Cut {}

/// The API server.
pub(super) struct Upstream {
    url: String,
    /// Shows the administrator's certificate.
    admin: Client,
    /// Shows none, for requests that bring a token.
    bare: Client,
}

impl Upstream {
    pub(super) fn new(control_plane: &ControlPlane) -> anyhow::Result<Self> {
        let authority = Certificate::from_pem(control_plane.authority().certificate().as_bytes())?;
        let builder = || Client::builder().tls_certs_only([authority.clone()]).no_proxy().http1_only();
        let admin = control_plane.admin();
        let identity = Identity::from_pem(format!("{}{}", admin.certificate, admin.key).as_bytes())?;
        let url = control_plane.url().to_owned();
        Ok(Self { url, admin: builder().identity(identity).build()?, bare: builder().build()? })
    }

    async fn send(&self, request: Request<Incoming>) -> Result<reqwest::Response, BoxError> {
        let (parts, body) = request.into_parts();
        let client = if parts.headers.contains_key(header::AUTHORIZATION) { &self.bare } else { &self.admin };
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let body = reqwest::Body::wrap_stream(body.into_data_stream());
        let mut headers = parts.headers;
        let has_body = headers.contains_key(header::CONTENT_LENGTH) || headers.contains_key(header::TRANSFER_ENCODING);
        strip(&mut headers);
        headers.remove(header::HOST);
        let request = client.request(parts.method, format!("{}{path}", self.url)).headers(headers);
        let request = if has_body { request.body(body) } else { request };
        Ok(request.send().await?)
    }
}

/// Removes what is about a connection and not about the message.
fn strip(headers: &mut HeaderMap) {
    for name in [header::CONNECTION, header::TRANSFER_ENCODING, header::UPGRADE, header::TE] {
        headers.remove(name);
    }
}

/// Answers one request. An error closes the connection.
pub(super) async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Answer, BoxError> {
    let (index, fault) = shared.begin(Call::of(request.method(), request.uri()));
    match fault {
        Fault::DropConnection => return Err(Cut.into()),
        Fault::Answer { status, reason, retry_after } => {
            shared.end(index, status.as_u16(), false);
            let response = fault::failure(status, &reason, retry_after);
            return Ok(response.map(|body| Full::new(body).map_err(BoxError::from).boxed_unsync()));
        }
        Fault::Delay(time) => tokio::time::sleep(time).await,
        Fault::Pass | Fault::DropAfter(_) | Fault::PassThenDrop => {}
    }
    // A server that is down closes the connection, and so do we.
    let response = shared.upstream.send(request).await?;
    shared.end(index, response.status().as_u16(), true);
    match fault {
        Fault::PassThenDrop => {
            // Read to its end: only then has everything happened.
            response.bytes().await?;
            Err(Cut.into())
        }
        Fault::DropAfter(time) => Ok(pass(response, Some(time))),
        _ => Ok(pass(response, None)),
    }
}

/// The server's answer, piece by piece as it comes, cut after `limit`.
fn pass(response: reqwest::Response, limit: Option<Duration>) -> Answer {
    let mut answer = Response::builder().status(response.status());
    if let Some(headers) = answer.headers_mut() {
        headers.extend(response.headers().iter().map(|(name, value)| (name.clone(), value.clone())));
        strip(headers);
    }
    let frames = response.bytes_stream().map(|piece| piece.map(Frame::data).map_err(BoxError::from));
    let body = match limit {
        None => StreamBody::new(frames.boxed()).boxed_unsync(),
        Some(time) => {
            let cut = stream::once(async move {
                tokio::time::sleep(time).await;
                Err(BoxError::from(Cut))
            });
            // Whichever comes first: the end of the answer ends the body, the time's end breaks it.
            let frames = frames.map(Some).chain(stream::once(async { None }));
            let merged = stream::select(frames, cut.map(Some));
            StreamBody::new(
                merged
                    .take_while(|piece| futures::future::ready(piece.is_some()))
                    .filter_map(futures::future::ready)
                    .boxed(),
            )
            .boxed_unsync()
        }
    };
    answer.body(body).expect("the server's headers are headers")
}
