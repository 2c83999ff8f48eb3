//! A request in as many tries as it takes.

use std::time::Duration;

use reqwest::{RequestBuilder, Response, StatusCode, Url};

use crate::download::{causes, shown};
use crate::refused::refused;
use crate::{Patience, SourceError, StoreKind};

/// Most bytes of an answer that is no object.
const LONGEST_ANSWER: usize = 16 << 20;

/// Why an answer is none.
pub(crate) enum Unread {
    /// Another try may bring it.
    Passing(String),
    /// No other try will.
    Lasting(SourceError),
}

/// Asks until there is an answer that `read` reads, or until nothing more is to be hoped for. What passes (5xx, 429, 408, a connection that
/// breaks) is asked again after a wait that doubles; `request` makes each try anew, as each has a signature of its own.
pub(crate) async fn ask<T, F>(
    url: &Url,
    patience: Patience,
    request: impl Fn() -> RequestBuilder,
    read: impl Fn(Response) -> F,
) -> Result<T, SourceError>
where
    F: Future<Output = Result<T, Unread>>,
{
    let (mut wait, mut last) = (patience.first_wait, String::new());
    for attempt in 1..=patience.fruitless {
        match request().send().await {
            Ok(response) if is_passing(response.status()) => last = format!("HTTP {}", response.status()),
            Ok(response) => match read(response).await {
                Ok(answer) => return Ok(answer),
                Err(Unread::Passing(why)) => last = why,
                Err(Unread::Lasting(error)) => return Err(error),
            },
            Err(error) => last = causes(&error.without_url()),
        }
        if attempt < patience.fruitless {
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(Duration::from_mins(1));
        }
    }
    Err(SourceError::unreachable(shown(url), patience.fruitless, 0, last))
}

fn is_passing(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
}

/// Asks a store. Statuses of `also` are answers too.
pub(crate) async fn ask_store(
    kind: StoreKind,
    url: &Url,
    patience: Patience,
    request: impl Fn() -> RequestBuilder,
    also: &[StatusCode],
) -> Result<Response, SourceError> {
    let read = |response: Response| async move {
        if response.status().is_success() || also.contains(&response.status()) {
            return Ok(response);
        }
        Err(Unread::Lasting(refused(kind, url, response).await))
    };
    ask(url, patience, request, read).await
}

/// The text of an answer that is no object.
pub(crate) async fn text_of(mut response: Response) -> Result<String, String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| causes(&error.without_url()))? {
        if bytes.len() + chunk.len() > LONGEST_ANSWER {
            return Err(format!("its answer is larger than {} MiB", LONGEST_ANSWER >> 20));
        }
        bytes.extend_from_slice(&chunk);
    }
    String::from_utf8(bytes).map_err(|_| "its answer is no text".to_owned())
}
