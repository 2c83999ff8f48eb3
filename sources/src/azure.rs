//! Azure's blobs: what lies under a key, and addresses that are signed (a service SAS of version 2020-12-06, made here from the account's
//! key or given).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use reqwest::{Client, Url};
use sha2::Sha256;

use crate::bucket::{Listed, MOST_OBJECTS, VALID, ask_store, endpoint, text_of};
use crate::download::shown;
use crate::place::is_inside;
use crate::upload::element;
use crate::{Azure, AzureAccess, BucketPlace, Patience, SourceError, StoreKind};

/// Of the service and of its signatures.
const VERSION: &str = "2020-12-06";

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
        self.signed(self.address(key))
    }

    fn signed(&self, mut url: Url) -> Url {
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
                    ("sp", "rl"),
                    ("se", &until),
                    ("sig", &signature(key, &self.resource, &until)),
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
        let url = self.address(prefix);
        let protocol = |what: String| SourceError::Protocol { url: shown(&url), what };
        let (mut objects, mut marker) = (Vec::new(), String::new());
        loop {
            let ask = || {
                let mut list = self.url.clone();
                list.query_pairs_mut()
                    .extend_pairs([("restype", "container"), ("comp", "list"), ("prefix", prefix)])
                    .extend_pairs(Some(("marker", marker.as_str())).filter(|(_, marker)| !marker.is_empty()));
                client.get(self.signed(list)).header("x-ms-version", VERSION)
            };
            let answer = ask_store(StoreKind::Azure, &url, patience, ask, &[]).await?;
            let text = text_of(answer).await.map_err(protocol)?;
            if !text.contains("<EnumerationResults") {
                return Err(protocol("its list cannot be read".to_owned()));
            }
            for blob in text.split("<Blob>").skip(1) {
                let blob = blob.split("</Blob>").next().unwrap_or_default();
                let Some(key) = element(blob, "Name") else {
                    return Err(protocol("its list has an object without a name that can be read".to_owned()));
                };
                let is_folder = element(blob, "ResourceType").is_some_and(|kind| kind == "directory");
                let Some(name) = key.strip_prefix(prefix).filter(|name| !name.is_empty() && !name.ends_with('/'))
                else {
                    continue;
                };
                if is_folder || blob.contains("<hdi_isfolder>true") {
                    continue;
                }
                if !is_inside(name) {
                    return Err(protocol(format!("\"{name}\" is no name of a file")));
                }
                objects.push(Listed {
                    name: name.to_owned(),
                    tag: element(blob, "Etag").unwrap_or_default().trim_matches('"').to_owned(),
                    bytes: element(blob, "Content-Length").and_then(|bytes| bytes.parse().ok()).unwrap_or_default(),
                    modified: None,
                    key,
                });
            }
            if objects.len() > MOST_OBJECTS {
                return Err(protocol(format!("more than {MOST_OBJECTS} objects lie under that key")));
            }
            let before = std::mem::replace(&mut marker, element(&text, "NextMarker").unwrap_or_default());
            if marker.is_empty() {
                return Ok(objects);
            }
            if marker == before {
                return Err(protocol("its list does not end".to_owned()));
            }
        }
    }
}

/// Signature of a service SAS that lets read and list a container until a time.
fn signature(key: &[u8], resource: &str, until: &str) -> String {
    // Permissions, start, expiry, resource, identifier, address, protocol, version, kind of resource, snapshot, scope of encryption, and
    // five headers of answers.
    let fields = ["rl", "", until, resource, "", "", "", VERSION, "c", "", "", "", "", "", "", ""];
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    mac.update(fields.join("\n").as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}
