//! Stores that speak S3's protocol: what lies under a key, and addresses that are signed (AWS Signature Version 4).

use std::fmt;
use std::time::Duration;

use reqwest::{Client, Response, StatusCode, Url, header};
use rusty_s3::actions::{ListObjectsV2, S3Action as _};
use rusty_s3::{Bucket, Credentials, UrlStyle};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::digest::hex;
use crate::download::{causes, shown};
use crate::place::{is_inside, is_local};
use crate::{BucketPlace, Buckets, Patience, SourceError};

/// How long a signed address is valid; each try has one of its own.
pub(crate) const VALID: Duration = Duration::from_mins(15);
/// Most bytes of an answer that is no object.
const LONGEST_ANSWER: usize = 16 << 20;
/// Most objects under a key: a model has a few hundred.
const MOST_OBJECTS: usize = 100_000;
/// Namespace of the protocol's answers, and the one that Google writes instead.
const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";
const OLDER_NAMESPACE: &str = "http://doc.s3.amazonaws.com/2006-03-01";

/// What lies at a place at one time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Version {
    pub(crate) objects: Vec<Object>,
}

/// One object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Object {
    pub(crate) key: String,
    /// Its name below the place, or its last part where the place is the object.
    pub(crate) name: String,
    /// As the store says; another one is another content.
    pub(crate) tag: String,
}

impl Version {
    /// A name that changes with what is there.
    pub(crate) fn name(&self) -> String {
        let mut digest = Sha256::new();
        for object in &self.objects {
            digest.update(format!("{}\0{}\0", object.key, object.tag));
        }
        hex(&digest.finalize()[..12])
    }
}

/// A bucket and who asks it.
#[derive(Clone)]
pub(crate) struct Store {
    pub(crate) bucket: Bucket,
    pub(crate) keys: Option<Credentials>,
}

/// An object of a list.
pub(crate) struct Listed {
    pub(crate) key: String,
    /// What follows the prefix that was asked for.
    pub(crate) name: String,
    pub(crate) tag: String,
    pub(crate) bytes: u64,
    /// As the store writes it (RFC 3339).
    pub(crate) modified: Option<String>,
}

impl Store {
    /// The address of an object, without a signature.
    pub(crate) fn address(&self, key: &str) -> Url {
        self.bucket.object_url(key)
    }

    /// The address of an object, signed now.
    pub(crate) fn get(&self, key: &str) -> Url {
        self.bucket.get_object(self.keys.as_ref(), key).sign(VALID)
    }

    /// All objects whose keys begin with `prefix` and go on, but for those that stand for folders.
    pub(crate) async fn list(
        &self,
        client: &Client,
        prefix: &str,
        patience: Patience,
    ) -> Result<Vec<Listed>, SourceError> {
        let url = self.address(prefix);
        let protocol = |what: String| SourceError::Protocol { url: shown(&url), what };
        let (mut objects, mut next) = (Vec::new(), None::<String>);
        loop {
            let ask = || {
                let mut list = self.bucket.list_objects_v2(self.keys.as_ref());
                list.with_prefix(prefix);
                if let Some(token) = &next {
                    list.with_continuation_token(token);
                }
                client.get(list.sign(VALID))
            };
            let text = text_of(ask_patiently(&url, patience, ask, &[]).await?).await.map_err(protocol)?;
            let text = text.replace(OLDER_NAMESPACE, NAMESPACE);
            let page = ListObjectsV2::parse_response(&text)
                .map_err(|error| protocol(format!("its list cannot be read: {error}")))?;
            for object in page.contents {
                let Some(name) =
                    object.key.strip_prefix(prefix).filter(|name| !name.is_empty() && !name.ends_with('/'))
                else {
                    continue;
                };
                if !is_inside(name) {
                    return Err(protocol(format!("\"{name}\" is no name of a file")));
                }
                let tag = object.etag.unwrap_or_default().trim_matches('"').to_owned();
                objects.push(Listed {
                    name: name.to_owned(),
                    key: object.key.clone(),
                    tag,
                    bytes: object.size.unwrap_or_default(),
                    modified: object.last_modified,
                });
            }
            if objects.len() > MOST_OBJECTS {
                return Err(protocol(format!("more than {MOST_OBJECTS} objects lie under that key")));
            }
            let before = std::mem::replace(&mut next, page.next_continuation_token);
            if next.is_none() {
                break;
            }
            if next == before {
                return Err(protocol("its list does not end".to_owned()));
            }
        }
        Ok(objects)
    }
}

impl BucketPlace {
    /// The store that the bucket is in.
    pub(crate) fn store(&self, buckets: &Buckets) -> Result<Store, SourceError> {
        let bad = |uri: &str, message: String| SourceError::Uri { uri: uri.to_owned(), message };
        let (endpoint, style) = match &buckets.endpoint {
            Some(endpoint) => (endpoint.clone(), UrlStyle::Path),
            // A name with dots is covered by no certificate of Amazon's.
            None if self.bucket.contains('.') => {
                (format!("https://s3.{}.amazonaws.com", buckets.region), UrlStyle::Path)
            }
            None => (format!("https://s3.{}.amazonaws.com", buckets.region), UrlStyle::VirtualHost),
        };
        let url = Url::parse(&endpoint)
            .map_err(|error| bad(&endpoint, format!("is no address of a store (AWS_ENDPOINT_URL): {error}")))?;
        // Inside a cluster a store has no certificate; its requests are signed, and what comes is checked.
        let plain = url.scheme() == "http" && (is_local(&url) || url.host_str().is_some_and(is_of_a_cluster));
        if url.scheme() != "https" && !plain {
            let message = "is not encrypted: use https://, unless the store is in this cluster or on this machine";
            return Err(bad(&endpoint, message.to_owned()));
        }
        let bucket = Bucket::new(url, style, self.bucket.clone(), buckets.region.clone())
            .map_err(|error| bad(&self.to_string(), format!("is no bucket: {error}")))?;
        let keys = buckets.keys.as_ref().map(|keys| match &keys.token {
            Some(token) => Credentials::new_with_token(&keys.id, &keys.secret, token),
            None => Credentials::new(&keys.id, &keys.secret),
        });
        Ok(Store { bucket, keys })
    }

    /// The object at this key.
    pub(crate) async fn look(
        &self,
        client: &Client,
        buckets: &Buckets,
        patience: Patience,
    ) -> Result<Version, SourceError> {
        let store = self.store(buckets)?;
        // One byte rather than HEAD: an answer to that says not why it refuses.
        let ask = || client.get(store.get(&self.key)).header(header::RANGE, "bytes=0-0");
        let url = store.address(&self.key);
        let response = ask_patiently(&url, patience, ask, &[StatusCode::RANGE_NOT_SATISFIABLE]).await?;
        let tag = response.headers().get(header::ETAG).and_then(|tag| tag.to_str().ok());
        // An object without anything in it has no first byte; it is the same object as long as it is empty.
        let tag = tag.unwrap_or_default().trim_matches('"').to_owned();
        let name = self.key.rsplit('/').next().unwrap_or(&self.key).to_owned();
        Ok(Version { objects: vec![Object { key: self.key.clone(), name, tag }] })
    }

    /// All objects under this key.
    pub(crate) async fn list(
        &self,
        client: &Client,
        buckets: &Buckets,
        patience: Patience,
    ) -> Result<Version, SourceError> {
        let listed = self.store(buckets)?.list(client, &format!("{}/", self.key), patience).await?;
        let object = |one: Listed| Object { key: one.key, name: one.name, tag: one.tag };
        Ok(Version { objects: listed.into_iter().map(object).collect() })
    }
}

impl fmt::Display for BucketPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)
    }
}

/// Whether a host is a Service of a cluster: no name of the internet ends so, or has no dot.
fn is_of_a_cluster(host: &str) -> bool {
    !host.contains('.') || [".svc", ".cluster.local"].iter().any(|ending| host.strip_suffix(ending).is_some())
}

/// Asks in as many tries as it takes; each has a signature of its own. Statuses of `also` are answers too.
pub(crate) async fn ask_patiently(
    url: &Url,
    patience: Patience,
    ask: impl Fn() -> reqwest::RequestBuilder,
    also: &[StatusCode],
) -> Result<Response, SourceError> {
    let (mut wait, mut last) = (patience.first_wait, String::new());
    for attempt in 1..=patience.fruitless {
        match ask().send().await {
            Ok(response) if response.status().is_success() || also.contains(&response.status()) => return Ok(response),
            Ok(response) => {
                let status = response.status();
                let passing = status.is_server_error()
                    || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT);
                if !passing {
                    return Err(refused(url, response).await);
                }
                last = format!("HTTP {status}");
            }
            Err(error) => last = causes(&error.without_url()),
        }
        if attempt < patience.fruitless {
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(Duration::from_mins(1));
        }
    }
    Err(SourceError::unreachable(shown(url), patience.fruitless, 0, last))
}

/// Why a store refused, in its own words and in ours.
pub(crate) async fn refused(url: &Url, response: Response) -> SourceError {
    let status = response.status().as_u16();
    let moved =
        response.headers().get("x-amz-bucket-region").and_then(|region| region.to_str().ok()).map(str::to_owned);
    let text = text_of(response).await.unwrap_or_default();
    let said = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        rest.split_once(&format!("</{name}>")).map(|(inner, _)| inner.chars().take(200).collect::<String>())
    };
    let code = said("Code").unwrap_or_default();
    let ours = match (code.as_str(), status) {
        ("ExpiredToken" | "TokenRefreshRequired" | "InvalidToken", _) => {
            "the session token has expired: give new AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN"
                .to_owned()
        }
        ("InvalidAccessKeyId" | "SignatureDoesNotMatch", _) => {
            "the keys are not accepted: see AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY".to_owned()
        }
        ("RequestTimeTooSkewed", _) => "the clock of this machine is wrong".to_owned(),
        ("NoSuchBucket", _) => "there is no such bucket in this store (AWS_ENDPOINT_URL)".to_owned(),
        ("PermanentRedirect" | "AuthorizationHeaderMalformed", _) | (_, 301) => match &moved {
            Some(region) => format!("the bucket is in the region {region}: set AWS_REGION"),
            None => "the bucket is in another region: set AWS_REGION".to_owned(),
        },
        (_, 401 | 403) => {
            "these keys may not read or write it, or there are none: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
                .to_owned()
        }
        (_, 404) => "there is no such object".to_owned(),
        _ => said("Message").unwrap_or_default(),
    };
    let code = if code.is_empty() { String::new() } else { format!(" ({code})") };
    let ours = if ours.is_empty() { String::new() } else { format!(": {ours}") };
    SourceError::Refused { url: shown(url), status, hint: format!("{code}{ours}") }
}

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
