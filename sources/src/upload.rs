//! Files to a bucket: as one object, or in parts that the store puts together in the end.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use md5::{Digest as _, Md5};
use reqwest::{Client, RequestBuilder, Response};
use tokio::task::JoinSet;

use crate::ask::text_of;
use crate::digest::{hex, is_hex};
use crate::download::shown;
use crate::objects::Objects;
use crate::{Patience, SourceError};

/// Most parts of an object.
const MOST_PARTS: u64 = 10_000;

/// A file of which the store has some parts.
#[derive(Clone, Debug)]
pub(crate) struct Begun {
    id: String,
    length: u64,
    part_bytes: u64,
    /// Tags of the parts that the store has, by number, from 1.
    tags: BTreeMap<u16, String>,
}

impl Begun {
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    fn parts(&self) -> u16 {
        u16::try_from(self.length.div_ceil(self.part_bytes)).unwrap_or(u16::MAX)
    }
}

/// A file and where it goes.
pub(crate) struct Sending<'a> {
    pub(crate) client: &'a Client,
    pub(crate) store: &'a Objects,
    pub(crate) patience: Patience,
    pub(crate) at_once: usize,
    pub(crate) key: &'a str,
    pub(crate) path: &'a Path,
    /// Counts the parts that the store has taken.
    pub(crate) done: &'a AtomicU64,
}

impl Sending<'_> {
    /// Announces a file.
    pub(crate) async fn begin(&self, length: u64, part_bytes: u64) -> Result<Begun, SourceError> {
        let id = self.store.begin(self.client, self.key, self.patience).await?;
        let part_bytes = part_bytes.max(length.div_ceil(MOST_PARTS));
        Ok(Begun { id, length, part_bytes, tags: BTreeMap::new() })
    }

    /// Sends the parts that the store does not have yet, some at once, and has it put them together.
    pub(crate) async fn go_on(&self, begun: &mut Begun) -> Result<(), SourceError> {
        let missing: Vec<u16> = (1..=begun.parts()).filter(|number| !begun.tags.contains_key(number)).collect();
        let (mut running, mut failed) = (JoinSet::new(), None);
        let mut missing = missing.into_iter();
        loop {
            while failed.is_none() && running.len() < self.at_once.max(1) {
                let Some(number) = missing.next() else { break };
                let part = Part::of(self, begun, number);
                running.spawn(async move { (number, part.send().await) });
            }
            // Those that are on their way are waited for: what the store has is not sent again.
            let Some(ended) = running.join_next().await else { break };
            match ended {
                Ok((number, Ok(tag))) => {
                    self.done.fetch_add(1, Ordering::Relaxed);
                    begun.tags.insert(number, tag);
                }
                Ok((_, Err(error))) => failed = failed.or(Some(error)),
                Err(error) => {
                    failed = failed.or(Some(SourceError::io("send", self.path, std::io::Error::other(error))));
                }
            }
        }
        match failed {
            Some(error) => Err(error),
            None => self.complete(begun).await,
        }
    }

    async fn complete(&self, begun: &Begun) -> Result<(), SourceError> {
        let url = self.store.address(self.key);
        let request = || self.store.put_together(self.client, self.key, &begun.id, &begun.tags);
        let answered = match self.store.ask(self.key, self.patience, request, &[]).await {
            Ok(answer) => text_of(answer).await.map_err(|what| SourceError::Protocol { url: shown(&url), what }),
            Err(error) => Err(error),
        };
        match answered {
            Ok(text) if self.store.are_together(&text) => Ok(()),
            Ok(text) => {
                let what = format!("did not put the parts together: {}", text.chars().take(200).collect::<String>());
                Err(SourceError::Protocol { url: shown(&url), what })
            }
            // An answer that was lost on its way: the next try finds no upload any more.
            Err(error) if is_unknown(&error) && self.is_there(begun.length).await? => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn is_there(&self, length: u64) -> Result<bool, SourceError> {
        let (folder, name) = self.key.rsplit_once('/').unwrap_or(("", self.key));
        let listed = self.store.listed(self.client, &format!("{folder}/"), self.patience).await?;
        Ok(listed.iter().any(|one| one.name == name && one.bytes == length))
    }
}

/// One part, with all it needs to go on a task of its own.
struct Part {
    client: Client,
    store: Objects,
    patience: Patience,
    key: String,
    id: String,
    number: u16,
    path: std::path::PathBuf,
    from: u64,
    bytes: u64,
}

impl Part {
    fn of(sending: &Sending<'_>, begun: &Begun, number: u16) -> Self {
        let from = u64::from(number - 1) * begun.part_bytes;
        Self {
            client: sending.client.clone(),
            store: sending.store.clone(),
            patience: sending.patience,
            key: sending.key.to_owned(),
            id: begun.id.clone(),
            number,
            path: sending.path.to_owned(),
            from,
            bytes: begun.part_bytes.min(begun.length - from),
        }
    }

    async fn send(self) -> Result<String, SourceError> {
        let (path, from, bytes) = (self.path.clone(), self.from, self.bytes);
        let read = move || -> std::io::Result<Vec<u8>> {
            let mut content = vec![0; usize::try_from(bytes).map_err(std::io::Error::other)?];
            File::open(&path)?.read_exact_at(&mut content, from)?;
            Ok(content)
        };
        let content = tokio::task::spawn_blocking(read).await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        let content = content.map_err(|error| SourceError::io("read", &self.path, error))?;
        let request = || self.store.put_part(&self.client, &self.key, &self.id, self.number);
        put(&self.store, &self.key, self.patience, &request, content.into()).await
    }
}

/// Sends something as `request` says and compares what the store says came with what was sent; its tag.
pub(crate) async fn put(
    store: &Objects,
    key: &str,
    patience: Patience,
    request: &(impl Fn() -> RequestBuilder + Sync),
    content: Bytes,
) -> Result<String, SourceError> {
    let url = store.address(key);
    let digest = Md5::digest(&content);
    let (sum, expected) = (STANDARD.encode(digest), hex(&digest));
    let mut corrupted = None;
    // A bit may be lost on the way; two are no accident.
    for _ in 0..2 {
        // Nothing is a length too, which stores want to be told.
        let request =
            || request().header("content-length", content.len()).header("content-md5", &sum).body(content.clone());
        match store.ask(key, patience, request, &[]).await {
            Ok(answer) => {
                let tag = tag_of(&answer);
                let is_sum = tag.len() == 32 && is_hex(&tag) && !is_encrypted(&answer);
                if !is_sum || tag.eq_ignore_ascii_case(&expected) {
                    return Ok(tag);
                }
                let (url, expected) = (shown(&url), expected.clone());
                corrupted = Some(SourceError::Wrong { url, what: "MD5", expected, found: tag });
            }
            Err(error @ SourceError::Refused { status: 400, .. })
                if said(&error, "BadDigest") || said(&error, "Md5Mismatch") =>
            {
                corrupted = Some(error);
            }
            Err(error) => return Err(error),
        }
        tracing::warn!("{}: what came is not what was sent; sending it once more", shown(&url));
    }
    Err(corrupted.unwrap_or_else(|| SourceError::Protocol { url: shown(&url), what: "took nothing".to_owned() }))
}

/// Whether a store knows an upload no more.
pub(crate) fn is_unknown(error: &SourceError) -> bool {
    matches!(error, SourceError::Refused { status: 404, .. }) && said(error, "NoSuchUpload")
}

fn said(error: &SourceError, code: &str) -> bool {
    matches!(error, SourceError::Refused { hint, .. } if hint.contains(code))
}

fn tag_of(answer: &Response) -> String {
    let tag = answer.headers().get(reqwest::header::ETAG).and_then(|tag| tag.to_str().ok());
    tag.unwrap_or_default().trim_matches('"').to_owned()
}

/// Whether a tag is no digest, whatever it looks like.
fn is_encrypted(answer: &Response) -> bool {
    let how = answer.headers().get("x-amz-server-side-encryption").and_then(|how| how.to_str().ok());
    how.is_some_and(|how| how.starts_with("aws:"))
        || ["x-amz-server-side-encryption-customer-algorithm", "x-goog-encryption-kms-key-name"]
            .iter()
            .any(|name| answer.headers().contains_key(*name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_never_has_more_parts_than_a_store_takes() {
        let begun = |length: u64, part: u64| Begun {
            id: String::new(),
            length,
            part_bytes: part.max(length.div_ceil(MOST_PARTS)),
            tags: BTreeMap::new(),
        };
        assert_eq!(begun(33, 16).parts(), 3);
        assert_eq!(begun(32, 16).parts(), 2);
        assert_eq!(begun(1_000_001, 16).parts(), 9901);
    }
}
