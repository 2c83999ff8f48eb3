//! The protocol of Hugging Face's hub: what a revision is, and which files it has.

use reqwest::{Client, Response, Url};
use serde::Deserialize;

use crate::ask::{Unread, ask, text_of};
use crate::download::{refused, shown};
use crate::place::is_inside;
use crate::{HubKind, HubPlace, Patience, SourceError};

/// A revision of a repository. Commits do not change, so what is kept under one is never asked for again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Revision {
    /// The commit.
    pub(crate) commit: String,
    /// Its files.
    pub(crate) files: Vec<String>,
}

#[derive(Deserialize)]
struct Answer {
    sha: String,
    #[serde(default)]
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
}

impl HubPlace {
    /// As the cache calls it.
    pub(crate) fn folder_name(&self) -> String {
        let kind = match self.kind {
            HubKind::Model => "models",
            HubKind::Dataset => "datasets",
        };
        format!("{kind}--{}", self.repository.replace('/', "--"))
    }

    /// Address of a file at a commit.
    pub(crate) fn file_url(&self, hub: &str, commit: &str, file: &str) -> Result<Url, SourceError> {
        let kind = match self.kind {
            HubKind::Model => "",
            HubKind::Dataset => "datasets/",
        };
        address(hub, &[kind, &self.repository, "/resolve/", commit, "/", file].concat())
    }

    /// Asks the hub which commit the revision is.
    pub(crate) async fn revision(
        &self,
        client: &Client,
        hub: &str,
        token: Option<&str>,
        patience: Patience,
    ) -> Result<Revision, SourceError> {
        let kind = match self.kind {
            HubKind::Model => "models",
            HubKind::Dataset => "datasets",
        };
        let revision = self.revision.replace('/', "%2F");
        let url = address(hub, &format!("api/{kind}/{}/revision/{revision}", self.repository))?;
        let text = text_at(client, &url, token, patience).await?;
        let protocol = |what: String| SourceError::Protocol { url: shown(&url), what };
        let answer: Answer =
            serde_json::from_str(&text).map_err(|error| protocol(format!("its answer is no revision: {error}")))?;
        let plain = !answer.sha.is_empty() && answer.sha.chars().all(|c| c.is_ascii_alphanumeric());
        if !plain {
            return Err(protocol(format!("\"{}\" is no commit", answer.sha)));
        }
        let files: Vec<String> = answer.siblings.into_iter().map(|sibling| sibling.rfilename).collect();
        if let Some(outside) = files.iter().find(|file| !is_inside(file)) {
            return Err(protocol(format!("\"{outside}\" is no name of a file")));
        }
        Ok(Revision { commit: answer.sha, files })
    }
}

fn address(hub: &str, path: &str) -> Result<Url, SourceError> {
    let bad = |message: String| SourceError::Uri { uri: hub.to_owned(), message };
    let mut url = Url::parse(hub).map_err(|error| bad(format!("is no address of a hub (HF_ENDPOINT): {error}")))?;
    url.path_segments_mut()
        .map_err(|()| bad("is no address of a hub (HF_ENDPOINT)".to_owned()))?
        .pop_if_empty()
        .extend(path.split('/').filter(|part| !part.is_empty()).map(|part| part.replace("%2F", "/")));
    Ok(url)
}

/// A small answer.
async fn text_at(client: &Client, url: &Url, token: Option<&str>, patience: Patience) -> Result<String, SourceError> {
    let request = || match token {
        Some(token) => client.get(url.clone()).bearer_auth(token),
        None => client.get(url.clone()),
    };
    let read = |response: Response| async move {
        let status = response.status();
        if !status.is_success() {
            return Err(Unread::Lasting(refused(url, status, token.is_some())));
        }
        text_of(response).await.map_err(Unread::Passing)
    };
    ask(url, patience, request, read).await
}
