//! Files to a bucket: as one object, or in parts that the store puts together in the end.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use jiff::Timestamp;
use md5::{Digest as _, Md5};
use reqwest::{Client, Response, StatusCode, Url};
use rusty_s3::S3Action as _;
use rusty_s3::actions::CreateMultipartUpload;
use rusty_s3::signing::sign;
use tokio::task::JoinSet;

use crate::bucket::{Store, VALID, ask_patiently, text_of};
use crate::digest::{hex, is_hex};
use crate::download::shown;
use crate::{Patience, SourceError};

/// Most parts of an object.
const MOST_PARTS: u64 = 10_000;
/// Most uploads of one answer, so that a list ends.
const MOST_UNFINISHED: usize = 10_000;

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
    pub(crate) store: &'a Store,
    pub(crate) patience: Patience,
    pub(crate) at_once: usize,
    pub(crate) key: &'a str,
    pub(crate) path: &'a Path,
}

impl Sending<'_> {
    /// Announces a file.
    pub(crate) async fn begin(&self, length: u64, part_bytes: u64) -> Result<Begun, SourceError> {
        let url = self.store.address(self.key);
        let ask = || {
            self.client.post(self.store.bucket.create_multipart_upload(self.store.keys.as_ref(), self.key).sign(VALID))
        };
        let protocol = |what: String| SourceError::Protocol { url: shown(&url), what };
        let text = text_of(ask_patiently(&url, self.patience, ask, &[]).await?).await.map_err(protocol)?;
        let answer = CreateMultipartUpload::parse_response(&text)
            .map_err(|error| protocol(format!("its answer to a new upload cannot be read: {error}")))?;
        let part_bytes = part_bytes.max(length.div_ceil(MOST_PARTS));
        Ok(Begun { id: answer.upload_id().to_owned(), length, part_bytes, tags: BTreeMap::new() })
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
                Ok((number, Ok(tag))) => drop(begun.tags.insert(number, tag)),
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
        let tags = || begun.tags.values().map(String::as_str);
        let action =
            || self.store.bucket.complete_multipart_upload(self.store.keys.as_ref(), self.key, &begun.id, tags());
        let ask = || self.client.post(action().sign(VALID)).body(action().body());
        let answered = match ask_patiently(&url, self.patience, ask, &[]).await {
            Ok(answer) => text_of(answer).await.map_err(|what| SourceError::Protocol { url: shown(&url), what }),
            Err(error) => Err(error),
        };
        match answered {
            // It may begin with a good status and end with an error.
            Ok(text) if text.contains("<CompleteMultipartUploadResult") => Ok(()),
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
        let listed = self.store.list(self.client, &format!("{folder}/"), self.patience).await?;
        Ok(listed.iter().any(|one| one.name == name && one.bytes == length))
    }
}

/// One part, with all it needs to go on a task of its own.
struct Part {
    client: Client,
    store: Store,
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
        let keys = self.store.keys.as_ref();
        let sign = || self.store.bucket.upload_part(keys, &self.key, self.number, &self.id).sign(VALID);
        put(&self.client, self.patience, &self.store.address(&self.key), &sign, content.into()).await
    }
}

/// Puts something at a signed address and compares what the store says came with what was sent; its tag.
pub(crate) async fn put(
    client: &Client,
    patience: Patience,
    url: &Url,
    sign: &(impl Fn() -> Url + Sync),
    content: Bytes,
) -> Result<String, SourceError> {
    let digest = Md5::digest(&content);
    let (sum, expected) = (STANDARD.encode(digest), hex(&digest));
    let mut corrupted = None;
    // A bit may be lost on the way; two are no accident.
    for _ in 0..2 {
        let ask = || client.put(sign()).header("content-md5", &sum).body(content.clone());
        match ask_patiently(url, patience, ask, &[]).await {
            Ok(answer) => {
                let tag = tag_of(&answer);
                let is_sum = tag.len() == 32 && is_hex(&tag) && !is_encrypted(&answer);
                if !is_sum || tag.eq_ignore_ascii_case(&expected) {
                    return Ok(tag);
                }
                let (url, expected) = (shown(url), expected.clone());
                corrupted = Some(SourceError::Wrong { url, what: "MD5", expected, found: tag });
            }
            Err(error @ SourceError::Refused { status: 400, .. }) if said(&error, "BadDigest") => {
                corrupted = Some(error);
            }
            Err(error) => return Err(error),
        }
        tracing::warn!("{}: what came is not what was sent; sending it once more", shown(url));
    }
    Err(corrupted.unwrap_or_else(|| SourceError::Protocol { url: shown(url), what: "took nothing".to_owned() }))
}

/// Uploads below a prefix that were begun and are neither finished nor aborted: key and id of each.
pub(crate) async fn unfinished(
    client: &Client,
    store: &Store,
    prefix: &str,
    patience: Patience,
) -> Result<Vec<(String, String)>, SourceError> {
    let url = store.address(prefix);
    let (mut found, mut after) = (Vec::new(), None::<(String, String)>);
    loop {
        let ask = || client.get(address_of_unfinished(store, prefix, after.as_ref()));
        let answer = ask_patiently(&url, patience, ask, &[]).await?;
        let text = text_of(answer).await.map_err(|what| SourceError::Protocol { url: shown(&url), what })?;
        for upload in text.split("<Upload>").skip(1) {
            let upload = upload.split("</Upload>").next().unwrap_or_default();
            // Not every store keeps to the prefix.
            if let (Some(key), Some(id)) = (element(upload, "Key"), element(upload, "UploadId"))
                && key.starts_with(prefix)
            {
                found.push((key, id));
            }
        }
        let next = element(&text, "NextKeyMarker").zip(element(&text, "NextUploadIdMarker"));
        let more = element(&text, "IsTruncated").is_some_and(|more| more == "true");
        if !more || next.is_none() || next == after || found.len() > MOST_UNFINISHED {
            return Ok(found);
        }
        after = next;
    }
}

/// `ListMultipartUploads`, signed.
fn address_of_unfinished(store: &Store, prefix: &str, after: Option<&(String, String)>) -> Url {
    let mut query = vec![("prefix", prefix), ("uploads", "")];
    if let Some((key, id)) = after {
        query.extend([("key-marker", key.as_str()), ("upload-id-marker", id.as_str())]);
    }
    query.sort_unstable();
    let url = store.bucket.base_url().clone();
    let Some(keys) = &store.keys else {
        let mut url = url;
        url.query_pairs_mut().extend_pairs(query);
        return url;
    };
    sign(
        &Timestamp::now(),
        rusty_s3::Method::Get,
        url,
        keys.key(),
        keys.secret(),
        keys.token(),
        store.bucket.region(),
        VALID.as_secs(),
        query.into_iter(),
        std::iter::empty(),
    )
}

pub(crate) async fn abort(
    client: &Client,
    store: &Store,
    key: &str,
    id: &str,
    patience: Patience,
) -> Result<(), SourceError> {
    let ask = || client.delete(store.bucket.abort_multipart_upload(store.keys.as_ref(), key, id).sign(VALID));
    ask_patiently(&store.address(key), patience, ask, &[StatusCode::NOT_FOUND]).await.map(drop)
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
        || answer.headers().contains_key("x-amz-server-side-encryption-customer-algorithm")
}

/// The text of the first element of a name.
pub(crate) fn element(text: &str, name: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let inner = rest.split_once(&format!("</{name}>"))?.0;
    let plain = inner.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'");
    Some(plain.replace("&amp;", "&"))
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

    #[test]
    fn texts_of_an_answer_are_read_as_they_were_written() {
        let text = "<A><Key>a&amp;b &lt;c&gt;</Key><UploadId>x</UploadId></A>";
        assert_eq!(element(text, "Key").as_deref(), Some("a&b <c>"));
        assert_eq!(element(text, "Other"), None);
    }
}
