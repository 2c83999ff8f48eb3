//! Stores that speak S3's protocol, Google's among them: what lies under a key, and addresses that are signed (AWS Signature Version 4).

use std::fmt;
use std::time::Duration;

use reqwest::{Client, RequestBuilder, Url};
use rusty_s3::actions::list_objects_v2::ListObjectsContent;
use rusty_s3::actions::{ListObjectsV2, S3Action as _};
use rusty_s3::{Bucket, Credentials, UrlStyle};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::digest::hex;
use crate::listing::{Entry, Listed, Listing, Page};
use crate::place::is_local;
use crate::{BucketKeys, BucketPlace, Buckets, Patience, SourceError, StoreKind};

/// How long a signed address is valid; each try has one of its own.
pub(crate) const VALID: Duration = Duration::from_mins(15);
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
        let listing = Listing { kind: self.kind, url: self.address(prefix), prefix, patience };
        let request = |next: Option<&str>| {
            let mut list = self.bucket.list_objects_v2(self.keys.as_ref());
            list.with_prefix(prefix);
            if let Some(token) = next {
                list.with_continuation_token(token);
            }
            self.with_token(client.get(list.sign(VALID)))
        };
        listing.all(request, page).await
    }

    pub(crate) fn put_whole(&self, client: &Client, key: &str) -> RequestBuilder {
        self.with_token(client.put(self.bucket.put_object(self.keys.as_ref(), key).sign(VALID)))
    }

    pub(crate) fn delete(&self, client: &Client, key: &str) -> RequestBuilder {
        self.with_token(client.delete(self.bucket.delete_object(self.keys.as_ref(), key).sign(VALID)))
    }

    /// A request that says who asks where its address does not.
    pub(crate) fn with_token(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }
}

fn page(text: &str) -> Result<Page, String> {
    let text = text.replace(OLDER_NAMESPACE, NAMESPACE);
    let page = ListObjectsV2::parse_response(&text).map_err(|error| format!("cannot be read: {error}"))?;
    let entry = |object: ListObjectsContent| Entry {
        key: object.key,
        tag: object.etag.unwrap_or_default(),
        bytes: object.size.unwrap_or_default(),
        modified: object.last_modified.and_then(|time| time.parse().ok()),
        is_folder: false,
    };
    Ok(Page { entries: page.contents.into_iter().map(entry).collect(), next: page.next_continuation_token })
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
