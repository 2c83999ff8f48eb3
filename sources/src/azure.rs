//! Azure's blobs: what lies under a key, and requests to addresses that are signed (a service SAS of version 2020-12-06, made here from the
//! account's key or given).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use reqwest::{Client, RequestBuilder, Url};
use sha2::{Digest as _, Sha256};

use crate::bucket::{VALID, endpoint};
use crate::digest::hex;
use crate::listing::{Entry, Listed, Listing, Page, element};
use crate::{Azure, AzureAccess, BucketPlace, Patience, SourceError, StoreKind};

/// Of the service and of its signatures.
const VERSION: &str = "2020-12-06";
/// What an address that is signed here may be used for, in the order that the service wants: read and list; read, create, write, delete
/// and list.
const TO_READ: &str = "rl";
const TO_WRITE: &str = "rcwdl";

/// A container and who asks for it.
#[derive(Clone)]
pub(crate) struct Blobs {
    /// Address of the container.
    url: Url,
    /// `/blob/ACCOUNT/CONTAINER`.
    resource: String,
    access: AzureAccess,
}

impl BucketPlace {
    /// The container of Azure's that this is in.
    pub(crate) fn azure(&self, azure: &Azure) -> Result<Blobs, SourceError> {
        let absent = || SourceError::Uri {
            uri: self.to_string(),
            message: "is in an account that AZURE_STORAGE_ACCOUNT has to name".to_owned(),
        };
        let account = azure.account.as_deref().ok_or_else(absent)?;
        let address = azure.endpoint.clone().unwrap_or_else(|| format!("https://{account}.blob.core.windows.net"));
        let mut url = endpoint(&address, "AZURE_STORAGE_SERVICE_ENDPOINT")?;
        if let Ok(mut parts) = url.path_segments_mut() {
            parts.pop_if_empty().push(&self.bucket);
        }
        let resource = format!("/blob/{account}/{}", self.bucket);
        Ok(Blobs { url, resource, access: azure.access.clone() })
    }
}

impl Blobs {
    /// The address of an object, without a signature.
    pub(crate) fn address(&self, key: &str) -> Url {
        let mut url = self.url.clone();
        if let Ok(mut parts) = url.path_segments_mut() {
            parts.extend(key.split('/'));
        }
        url
    }

    /// The address of an object, signed now.
    pub(crate) fn get(&self, key: &str) -> Url {
        self.signed(self.address(key), TO_READ)
    }

    fn signed(&self, mut url: Url, allowed: &str) -> Url {
        match &self.access {
            AzureAccess::Public => {}
            AzureAccess::Signature(signature) => {
                let own = url.query().map(|query| format!("{query}&")).unwrap_or_default();
                url.set_query(Some(&format!("{own}{}", signature.trim_start_matches('?'))));
            }
            AzureAccess::Key(key) => {
                let until = (Timestamp::now() + VALID).strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
                let mut query = url.query_pairs_mut();
                for (name, value) in [
                    ("sv", VERSION),
                    ("sr", "c"),
                    ("sp", allowed),
                    ("se", &until),
                    ("sig", &signature(key, &self.resource, allowed, &until)),
                ] {
                    query.append_pair(name, value);
                }
            }
        }
        url
    }

    /// All objects whose keys begin with `prefix` and go on, but for those that stand for folders.
    pub(crate) async fn list(
        &self,
        client: &Client,
        prefix: &str,
        patience: Patience,
    ) -> Result<Vec<Listed>, SourceError> {
        let listing = Listing { kind: StoreKind::Azure, url: self.address(prefix), prefix, patience };
        let request = |next: Option<&str>| {
            let mut list = self.url.clone();
            list.query_pairs_mut()
                .extend_pairs([("restype", "container"), ("comp", "list"), ("prefix", prefix)])
                .extend_pairs(next.map(|marker| ("marker", marker)));
            client.get(self.signed(list, TO_READ)).header("x-ms-version", VERSION)
        };
        listing.all(request, page).await
    }

    /// Writes a whole blob.
    pub(crate) fn put_whole(&self, client: &Client, key: &str) -> RequestBuilder {
        self.put(client, key, &[]).header("x-ms-blob-type", "BlockBlob")
    }

    /// Writes a block, of which nothing can be seen until a list of blocks names it.
    pub(crate) fn put_block(&self, client: &Client, key: &str, id: &str, number: u16) -> RequestBuilder {
        self.put(client, key, &[("comp", "block"), ("blockid", &block(id, number))])
    }

    /// Puts blocks together.
    pub(crate) fn put_blocks(
        &self,
        client: &Client,
        key: &str,
        id: &str,
        numbers: impl Iterator<Item = u16>,
    ) -> RequestBuilder {
        let list = numbers.fold("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>".to_owned(), |list, number| {
            list + "<Latest>" + &block(id, number) + "</Latest>"
        });
        self.put(client, key, &[("comp", "blocklist")]).body(list + "</BlockList>")
    }

    fn put(&self, client: &Client, key: &str, query: &[(&str, &str)]) -> RequestBuilder {
        let mut url = self.address(key);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        client.put(self.signed(url, TO_WRITE)).header("x-ms-version", VERSION)
    }

    pub(crate) fn delete(&self, client: &Client, key: &str) -> RequestBuilder {
        client.delete(self.signed(self.address(key), TO_WRITE)).header("x-ms-version", VERSION)
    }
}

/// What the blocks of one upload are called by; another upload of the same blob has other ones.
pub(crate) fn name_of_an_upload() -> String {
    let now = Timestamp::now().as_nanosecond();
    hex(&Sha256::digest(format!("{now} {}", std::process::id()))[..8])
}

/// A block's identifier. Those of one blob have to be of one length.
fn block(id: &str, number: u16) -> String {
    STANDARD.encode(format!("{id}{number:05}"))
}

fn page(text: &str) -> Result<Page, String> {
    if !text.contains("<EnumerationResults") {
        return Err("cannot be read".to_owned());
    }
    let entry = |blob: &str| {
        let blob = blob.split("</Blob>").next().unwrap_or_default();
        let of_folder = element(blob, "ResourceType").is_some_and(|kind| kind == "directory");
        Some(Entry {
            key: element(blob, "Name")?,
            tag: element(blob, "Etag").unwrap_or_default(),
            bytes: element(blob, "Content-Length").and_then(|bytes| bytes.parse().ok()).unwrap_or_default(),
            modified: element(blob, "Last-Modified")
                .and_then(|time| Some(jiff::fmt::rfc2822::parse(&time).ok()?.timestamp())),
            is_folder: of_folder || blob.contains("<hdi_isfolder>true"),
        })
    };
    let entries = text.split("<Blob>").skip(1).map(entry).collect::<Option<_>>();
    let entries = entries.ok_or_else(|| "has an object without a name that can be read".to_owned())?;
    Ok(Page { entries, next: element(text, "NextMarker").filter(|marker| !marker.is_empty()) })
}

/// Signature of a service SAS that allows something in a container until a time.
fn signature(key: &[u8], resource: &str, allowed: &str, until: &str) -> String {
    // Permissions, start, expiry, resource, identifier, address, protocol, version, kind of resource, snapshot, scope of encryption, and
    // five headers of answers.
    let fields = [allowed, "", until, resource, "", "", "", VERSION, "c", "", "", "", "", "", "", ""];
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    mac.update(fields.join("\n").as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}
