//! Where things are kept and asked for.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::SourceError;

/// Settings of a [`Fetcher`](crate::Fetcher).
#[derive(Clone)]
pub struct Settings {
    /// Where what was fetched is kept.
    pub cache: PathBuf,
    /// The hub's address.
    pub hub: String,
    /// Sent to the hub, and to nobody else.
    pub token: Option<String>,
    /// Where `s3://` is, and who asks.
    pub buckets: Buckets,
    /// Where `gs://` is, and who asks.
    pub google: Google,
    /// Where `az://` is, and who asks.
    pub azure: Azure,
    /// Nothing is asked for; what is in the cache is used.
    pub offline: bool,
    /// How long things may take.
    pub patience: Patience,
    /// How large files go and come.
    pub parts: Parts,
}

/// How a large file goes to a bucket, or comes from a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts {
    /// Bytes of a part; a file that is not longer goes as one, and one of less than two comes as one. Larger where a file would have
    /// more than 10,000 parts.
    pub bytes: u64,
    /// Parts of a file on their way at once; each that is sent is in memory meanwhile.
    pub at_once: usize,
}

impl Default for Parts {
    fn default() -> Self {
        Self { bytes: 16 << 20, at_once: 4 }
    }
}

/// A store that speaks S3's protocol.
#[derive(Clone)]
pub struct Buckets {
    /// Its address, where it is another than Amazon's.
    pub endpoint: Option<String>,
    /// Its region.
    pub region: String,
    /// Who asks; requests are not signed where absent.
    pub keys: Option<BucketKeys>,
}

/// Who asks a store for objects.
#[derive(Clone)]
pub struct BucketKeys {
    /// Access key id.
    pub id: String,
    /// Secret access key.
    pub secret: String,
    /// Session token of temporary keys.
    pub token: Option<String>,
}

/// Google's store. Where there are neither keys nor a token, this machine's service account asks, and on any other machine nobody.
#[derive(Clone)]
pub struct Google {
    /// Its address.
    pub endpoint: String,
    /// An HMAC key.
    pub keys: Option<BucketKeys>,
    /// An access token (OAuth 2.0).
    pub token: Option<String>,
    /// Where this machine is told who it is, `HOST[:PORT]`, where that is not the usual place.
    pub metadata: Option<String>,
}

impl Default for Google {
    fn default() -> Self {
        Self { endpoint: "https://storage.googleapis.com".to_owned(), keys: None, token: None, metadata: None }
    }
}

/// Azure's blobs.
#[derive(Clone, Default)]
pub struct Azure {
    /// The account that containers are in.
    pub account: Option<String>,
    /// Its address, where it is another than `https://ACCOUNT.blob.core.windows.net`.
    pub endpoint: Option<String>,
    /// Who asks.
    pub access: AzureAccess,
}

/// By what Azure knows who asks.
#[derive(Clone, Default)]
pub enum AzureAccess {
    /// Anybody.
    #[default]
    Public,
    /// A shared access signature, the query of an address.
    Signature(String),
    /// A key of the account, with which addresses are signed.
    Key(Vec<u8>),
}

impl Default for Buckets {
    fn default() -> Self {
        Self { endpoint: None, region: "us-east-1".to_owned(), keys: None }
    }
}

/// Variable that says which folder of credentials is for which URI: lines of `FOLDER=URI`. A folder is a mounted Secret, whose files
/// are named after the variables whose values they hold. They count before the environment, for this URI alone.
pub const CREDENTIALS: &str = "REAL_CREDENTIALS";

/// When a download is given up.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Longest time without a byte.
    pub silence: Duration,
    /// Tries in a row that bring nothing new.
    pub fruitless: u32,
    /// Tries in all.
    pub tries: u32,
    /// Wait before the second try; doubles with each fruitless one.
    pub first_wait: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { silence: Duration::from_secs(30), fruitless: 6, tries: 200, first_wait: Duration::from_millis(500) }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A token is nobody's business.
        let Self { cache, hub, offline, patience, .. } = self;
        let mut all = f.debug_struct("Settings");
        all.field("cache", cache)
            .field("hub", hub)
            .field("offline", offline)
            .field("patience", patience)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// What is to be used for `uri`, from the environment and the credentials that [`CREDENTIALS`] has for it: `REAL_CACHE` (else `$XDG_CACHE_HOME/real/sources`, else `~/.cache/real/sources`), `HF_ENDPOINT`,
    /// `HF_TOKEN` or the file that `HF_TOKEN_PATH` names, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_REGION`
    /// (or `AWS_DEFAULT_REGION`), `AWS_ENDPOINT_URL_S3` (or `AWS_ENDPOINT_URL`), `GS_ACCESS_KEY_ID`, `GS_SECRET_ACCESS_KEY`, `GOOGLE_OAUTH_ACCESS_TOKEN`,
    /// `GS_ENDPOINT_URL`, `GCE_METADATA_HOST`, `AZURE_STORAGE_ACCOUNT`, `AZURE_STORAGE_SAS_TOKEN`, `AZURE_STORAGE_KEY`, `AZURE_STORAGE_SERVICE_ENDPOINT`,
    /// `REAL_PART_BYTES`, and `REAL_OFFLINE` or `HF_HUB_OFFLINE`.
    ///
    /// # Errors
    /// The file of the token cannot be read, or there is no place for a cache.
    pub fn from_environment(uri: &str) -> Result<Self, SourceError> {
        Self::from(credentials(uri)?)
    }

    fn from(variable: impl Fn(&str) -> Option<String>) -> Result<Self, SourceError> {
        let variable =
            |name: &str| variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let beside = || {
            let cache = variable("XDG_CACHE_HOME").map(PathBuf::from);
            let cache = cache.or_else(|| Some(PathBuf::from(variable("HOME")?).join(".cache")))?;
            Some(cache.join("real/sources"))
        };
        let cache = variable("REAL_CACHE").map(PathBuf::from).or_else(beside).ok_or_else(|| SourceError::Uri {
            uri: "REAL_CACHE".to_owned(),
            message: "is not set, and neither is HOME: there is no place for a cache".to_owned(),
        })?;
        let token = match (variable("HF_TOKEN"), variable("HF_TOKEN_PATH").map(PathBuf::from)) {
            (Some(token), _) => Some(token),
            (None, Some(path)) => {
                let text =
                    std::fs::read_to_string(&path).map_err(|error| SourceError::io("read the token", &path, error))?;
                Some(text.trim().to_owned()).filter(|token| !token.is_empty())
            }
            (None, None) => None,
        };
        let either = |name: &str, other: &str| variable(name).or_else(|| variable(other));
        let keys = |id_of: &str, secret_of: &str, token: Option<String>| match (variable(id_of), variable(secret_of)) {
            (Some(id), Some(secret)) => Ok(Some(BucketKeys { id, secret, token })),
            (None, None) => Ok(None),
            (id, _) => {
                let absent = if id.is_some() { secret_of } else { id_of };
                let message = "is not set, though the other half of the key is".to_owned();
                Err(SourceError::Uri { uri: absent.to_owned(), message })
            }
        };
        let address = |name: &str| variable(name).map(|url| url.trim_end_matches('/').to_owned());
        let buckets = Buckets {
            endpoint: address("AWS_ENDPOINT_URL_S3").or_else(|| address("AWS_ENDPOINT_URL")),
            region: either("AWS_REGION", "AWS_DEFAULT_REGION").unwrap_or_else(|| Buckets::default().region),
            keys: keys("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", variable("AWS_SESSION_TOKEN"))?,
        };
        let google = Google {
            endpoint: address("GS_ENDPOINT_URL").unwrap_or_else(|| Google::default().endpoint),
            keys: keys("GS_ACCESS_KEY_ID", "GS_SECRET_ACCESS_KEY", None)?,
            token: variable("GOOGLE_OAUTH_ACCESS_TOKEN"),
            metadata: variable("GCE_METADATA_HOST"),
        };
        let access = match (variable("AZURE_STORAGE_SAS_TOKEN"), variable("AZURE_STORAGE_KEY")) {
            (Some(signature), _) => AzureAccess::Signature(signature),
            (None, Some(key)) => AzureAccess::Key(STANDARD.decode(key).map_err(|_| SourceError::Uri {
                uri: "AZURE_STORAGE_KEY".to_owned(),
                message: "is no key of an account: it has to be base64".to_owned(),
            })?),
            (None, None) => AzureAccess::Public,
        };
        let azure = Azure {
            account: variable("AZURE_STORAGE_ACCOUNT"),
            endpoint: address("AZURE_STORAGE_SERVICE_ENDPOINT"),
            access,
        };
        let part_bytes = match variable("REAL_PART_BYTES") {
            None => Parts::default().bytes,
            Some(given) => given.parse().ok().filter(|bytes| *bytes > 0).ok_or_else(|| SourceError::Uri {
                uri: "REAL_PART_BYTES".to_owned(),
                message: format!("is {given}; it has to be a number of bytes, such as {}", Parts::default().bytes),
            })?,
        };
        let is_set = |name: &str| variable(name).is_some_and(|value| !matches!(value.as_str(), "0" | "false" | "no"));
        Ok(Self {
            cache,
            hub: variable("HF_ENDPOINT")
                .unwrap_or_else(|| "https://huggingface.co".to_owned())
                .trim_end_matches('/')
                .to_owned(),
            token,
            buckets,
            google,
            azure,
            offline: is_set("REAL_OFFLINE") || is_set("HF_HUB_OFFLINE"),
            patience: Patience::default(),
            parts: Parts { bytes: part_bytes, ..Parts::default() },
        })
    }
}

/// A credential for `uri` by its name: from the credentials that [`CREDENTIALS`] has for it, else the environment.
///
/// # Errors
/// There is a folder of credentials for it that is not there.
pub fn credential(uri: &str, name: &str) -> Result<Option<String>, SourceError> {
    let value = credentials(uri)?(name);
    Ok(value.map(|value| value.trim().to_owned()).filter(|value| !value.is_empty()))
}

/// What credentials for `uri` are looked up with.
fn credentials(uri: &str) -> Result<impl Fn(&str) -> Option<String>, SourceError> {
    let variable = |name: &str| std::env::var(name).ok();
    let folder = variable(CREDENTIALS).and_then(|all| folder_for(&all, uri));
    if let Some(folder) = folder.as_ref().filter(|folder| !folder.is_dir()) {
        let missing = std::io::Error::from(std::io::ErrorKind::NotFound);
        return Err(SourceError::io("read the credentials in", folder, missing));
    }
    Ok(move |name: &str| {
        let file = folder.as_ref().and_then(|folder| std::fs::read_to_string(folder.join(name)).ok());
        file.or_else(|| variable(name))
    })
}

/// The folder that holds the credentials for a URI.
fn folder_for(all: &str, uri: &str) -> Option<PathBuf> {
    let found = all.lines().filter_map(|line| line.split_once('=')).find(|(_, of)| of.trim() == uri)?;
    Some(PathBuf::from(found.0.trim()))
}

impl fmt::Debug for Buckets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buckets")
            .field("endpoint", &self.endpoint)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(variables: &[(&str, &str)]) -> Result<Settings, SourceError> {
        Settings::from(|name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn a_token_comes_from_a_variable_or_a_file_and_is_never_shown() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        std::fs::write(&path, "secret\n").unwrap();
        let of_file = with(&[("HOME", "/h"), ("HF_TOKEN_PATH", path.to_str().unwrap())]).unwrap();
        assert_eq!(of_file.token.as_deref(), Some("secret"));
        assert!(!format!("{of_file:?}").contains("secret"));
        assert_eq!(with(&[("HOME", "/h"), ("HF_TOKEN", " t ")]).unwrap().token.as_deref(), Some("t"));
        let error = with(&[("HOME", "/h"), ("HF_TOKEN_PATH", "/nowhere/token")]).unwrap_err().to_string();
        assert!(error.contains("/nowhere/token"), "{error}");
    }

    #[test]
    fn a_store_has_an_address_a_region_and_whole_keys() {
        let given = [
            ("HOME", "/h"),
            ("AWS_ACCESS_KEY_ID", "id"),
            ("AWS_SECRET_ACCESS_KEY", "hush"),
            ("AWS_ENDPOINT_URL", "http://s/"),
        ];
        let buckets = with(&given).unwrap().buckets;
        assert_eq!((buckets.endpoint.as_deref(), buckets.region.as_str()), (Some("http://s"), "us-east-1"));
        assert!(
            buckets.keys.as_ref().is_some_and(|keys| keys.secret == "hush") && !format!("{buckets:?}").contains("hush")
        );
        let error = with(&given[..2]).unwrap_err().to_string();
        assert!(error.contains("AWS_SECRET_ACCESS_KEY: is not set"), "{error}");
    }

    #[test]
    fn stores_of_other_kinds_have_variables_of_their_own() {
        let home = ("HOME", "/h");
        let google =
            with(&[home, ("GOOGLE_OAUTH_ACCESS_TOKEN", "t"), ("AWS_ENDPOINT_URL", "http://s")]).unwrap().google;
        assert_eq!((google.token.as_deref(), google.endpoint.as_str()), (Some("t"), "https://storage.googleapis.com"));
        let error = with(&[home, ("GS_SECRET_ACCESS_KEY", "hush")]).err().unwrap().to_string();
        assert!(error.contains("GS_ACCESS_KEY_ID: is not set") && !error.contains("hush"), "{error}");
        let azure = with(&[home, ("AZURE_STORAGE_KEY", "aHVzaA=="), ("AZURE_STORAGE_ACCOUNT", "me")]).unwrap().azure;
        assert!(
            matches!(azure.access, AzureAccess::Key(key) if key == b"hush") && azure.account.as_deref() == Some("me")
        );
        let error = with(&[home, ("AZURE_STORAGE_KEY", "hush!")]).err().unwrap().to_string();
        assert!(error.contains("AZURE_STORAGE_KEY: is no key") && !error.contains("hush!"), "{error}");
        let both = [home, ("AZURE_STORAGE_KEY", "aHVzaA=="), ("AZURE_STORAGE_SAS_TOKEN", "sv=1")];
        assert!(matches!(with(&both).unwrap().azure.access, AzureAccess::Signature(_)), "what may less is used");
    }

    #[test]
    fn credentials_are_for_one_uri() {
        let all = "/run/a=hf://org/name\n/run/b=s3://b/x?y=1\n";
        assert_eq!(folder_for(all, "s3://b/x?y=1"), Some(PathBuf::from("/run/b")));
        assert_eq!(folder_for(all, "hf://org/name2"), None);
    }

    #[test]
    fn the_cache_has_a_usual_place_and_offline_is_said_by_either_variable() {
        assert_eq!(with(&[("HOME", "/h")]).unwrap().cache, PathBuf::from("/h/.cache/real/sources"));
        assert_eq!(with(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/c")]).unwrap().cache, PathBuf::from("/c/real/sources"));
        assert!(with(&[("REAL_CACHE", "/c"), ("HF_HUB_OFFLINE", "1")]).unwrap().offline);
        assert!(!with(&[("REAL_CACHE", "/c"), ("REAL_OFFLINE", "0")]).unwrap().offline);
        assert!(with(&[]).unwrap_err().to_string().contains("REAL_CACHE"));
    }
}
