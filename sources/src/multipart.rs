//! S3's uploads in parts: what is asked for.

use std::collections::BTreeMap;

use jiff::Timestamp;
use reqwest::{Client, RequestBuilder, Url};
use rusty_s3::S3Action as _;
use rusty_s3::signing::sign;

use crate::ask::{ask_store, text_of};
use crate::bucket::{Store, VALID};
use crate::download::shown;
use crate::listing::element;
use crate::{Patience, SourceError};

/// Most uploads of one answer, so that a list ends.
const MOST_UNFINISHED: usize = 10_000;

impl Store {
    pub(crate) fn begin(&self, client: &Client, key: &str) -> RequestBuilder {
        self.with_token(client.post(self.bucket.create_multipart_upload(self.keys.as_ref(), key).sign(VALID)))
    }

    pub(crate) fn put_part(&self, client: &Client, key: &str, id: &str, number: u16) -> RequestBuilder {
        self.with_token(client.put(self.bucket.upload_part(self.keys.as_ref(), key, number, id).sign(VALID)))
    }

    pub(crate) fn put_together(
        &self,
        client: &Client,
        key: &str,
        id: &str,
        tags: &BTreeMap<u16, String>,
    ) -> RequestBuilder {
        let tags = || tags.values().map(String::as_str);
        let action = || self.bucket.complete_multipart_upload(self.keys.as_ref(), key, id, tags());
        self.with_token(client.post(action().sign(VALID))).body(action().body())
    }

    pub(crate) fn abort(&self, client: &Client, key: &str, id: &str) -> RequestBuilder {
        self.with_token(client.delete(self.bucket.abort_multipart_upload(self.keys.as_ref(), key, id).sign(VALID)))
    }

    /// Uploads below a prefix that were begun and are neither finished nor aborted: key and id of each.
    pub(crate) async fn unfinished(
        &self,
        client: &Client,
        prefix: &str,
        patience: Patience,
    ) -> Result<Vec<(String, String)>, SourceError> {
        let url = self.address(prefix);
        let (mut found, mut after) = (Vec::new(), None::<(String, String)>);
        loop {
            let request = || self.with_token(client.get(self.address_of_unfinished(prefix, after.as_ref())));
            let answer = ask_store(self.kind, &url, patience, request, &[]).await?;
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
    fn address_of_unfinished(&self, prefix: &str, after: Option<&(String, String)>) -> Url {
        let mut query = vec![("prefix", prefix), ("uploads", "")];
        if let Some((key, id)) = after {
            query.extend([("key-marker", key.as_str()), ("upload-id-marker", id.as_str())]);
        }
        query.sort_unstable();
        let url = self.bucket.base_url().clone();
        let Some(keys) = &self.keys else {
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
            self.bucket.region(),
            VALID.as_secs(),
            query.into_iter(),
            std::iter::empty(),
        )
    }
}
