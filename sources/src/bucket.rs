//! Stores that speak S3's protocol, Google's among them: what lies under a key, and addresses that are signed (AWS Signature Version 4).

use std::fmt;
use std::time::Duration;

use reqwest::{Client, Response, StatusCode, Url};
use rusty_s3::actions::{ListObjectsV2, S3Action as _};
use rusty_s3::{Bucket, Credentials, UrlStyle};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::digest::hex;
use crate::download::{causes, shown};
use crate::place::{is_inside, is_local};
use crate::refused::refused;
use crate::{BucketKeys, BucketPlace, Buckets, Patience, SourceError, StoreKind};

/// How long a signed address is valid; each try has one of its own.
pub(crate) const VALID: Duration = Duration::from_mins(15);
/// Most bytes of an answer that is no object.
const LONGEST_ANSWER: usize = 16 << 20;
/// Most objects under a key: a model has a few hundred.
pub(crate) const MOST_OBJECTS: usize = 100_000;
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
    pub(crate) kind: StoreKind,
    pub(crate) bucket: Bucket,
    pub(crate) keys: Option<Credentials>,
    /// Sent in place of a signature, where there is one.
    pub(crate) token: Option<String>,
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
                let request = client.get(list.sign(VALID));
                match &self.token {
                    Some(token) => request.bearer_auth(token),
                    None => request,
                }
            };
            let answer = ask_store(self.kind, &url, patience, ask, &[]).await?;
            let text = text_of(answer).await.map_err(protocol)?;
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
        let (address, style) = match &buckets.endpoint {
            Some(endpoint) => (endpoint.clone(), UrlStyle::Path),
            // A name with dots is covered by no certificate of Amazon's.
            None if self.bucket.contains('.') => {
                (format!("https://s3.{}.amazonaws.com", buckets.region), UrlStyle::Path)
            }
            None => (format!("https://s3.{}.amazonaws.com", buckets.region), UrlStyle::VirtualHost),
        };
        let url = endpoint(&address, "AWS_ENDPOINT_URL")?;
        self.store_at(url, style, &buckets.region, buckets.keys.as_ref(), None)
    }

    /// The store at an address.
    pub(crate) fn store_at(
        &self,
        url: Url,
        style: UrlStyle,
        region: &str,
        keys: Option<&BucketKeys>,
        token: Option<String>,
    ) -> Result<Store, SourceError> {
        let bucket = Bucket::new(url, style, self.bucket.clone(), region.to_owned())
            .map_err(|error| SourceError::Uri { uri: self.to_string(), message: format!("is no bucket: {error}") })?;
        let keys = keys.map(|keys| match &keys.token {
            Some(token) => Credentials::new_with_token(&keys.id, &keys.secret, token),
            None => Credentials::new(&keys.id, &keys.secret),
        });
        Ok(Store { kind: self.kind, bucket, keys, token })
    }
}

/// The address of a store, which `variable` says.
pub(crate) fn endpoint(address: &str, variable: &str) -> Result<Url, SourceError> {
    let bad = |message: String| SourceError::Uri { uri: address.to_owned(), message };
    let url = Url::parse(address).map_err(|error| bad(format!("is no address of a store ({variable}): {error}")))?;
    // Inside a cluster a store has no certificate; its requests are signed, and what comes is checked.
    let plain = url.scheme() == "http" && (is_local(&url) || url.host_str().is_some_and(is_of_a_cluster));
    if url.scheme() != "https" && !plain {
        return Err(bad(
            "is not encrypted: use https://, unless the store is in this cluster or on this machine".to_owned()
        ));
    }
    Ok(url)
}

impl fmt::Display for BucketPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}/{}", self.kind.scheme(), self.bucket, self.key)
    }
}

/// Whether a host is a Service of a cluster: no name of the internet ends so, or has no dot.
fn is_of_a_cluster(host: &str) -> bool {
    !host.contains('.') || [".svc", ".cluster.local"].iter().any(|ending| host.strip_suffix(ending).is_some())
}

/// Asks a store that is written to, as [`ask_store`] does.
pub(crate) async fn ask_patiently(
    url: &Url,
    patience: Patience,
    ask: impl Fn() -> reqwest::RequestBuilder,
    also: &[StatusCode],
) -> Result<Response, SourceError> {
    ask_store(StoreKind::S3, url, patience, ask, also).await
}

/// Asks in as many tries as it takes; each has a signature of its own. Statuses of `also` are answers too.
pub(crate) async fn ask_store(
    kind: StoreKind,
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
                    return Err(refused(kind, url, response).await);
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
