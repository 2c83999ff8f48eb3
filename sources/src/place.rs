//! What a URI says.

use std::path::{Path, PathBuf};

use reqwest::Url;

use crate::SourceError;

/// Where something is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// On this machine.
    Path(PathBuf),
    /// A file on a server; its SHA-256 where the URI ends with `#sha256=HEX`.
    Web {
        /// Address.
        url: Url,
        /// Digest, lower-case hexadecimal.
        sha256: Option<String>,
    },
    /// In a repository of a hub that speaks Hugging Face's protocol.
    Hub(HubPlace),
    /// In a bucket of a store of objects.
    Bucket(BucketPlace),
}

/// A kind of store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreKind {
    /// Amazon's, and all that speak its protocol: `s3://BUCKET/KEY`.
    S3,
    /// Google's: `gs://BUCKET/KEY`.
    Google,
    /// Azure's blobs: `az://CONTAINER/KEY`.
    Azure,
}

impl StoreKind {
    pub(crate) fn of(scheme: &str) -> Option<Self> {
        [Self::S3, Self::Google, Self::Azure].into_iter().find(|kind| kind.scheme() == scheme)
    }

    /// What URIs begin with.
    pub(crate) fn scheme(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Google => "gs",
            Self::Azure => "az",
        }
    }
}

/// An object in a bucket, or all that lie under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketPlace {
    /// Where the bucket is.
    pub kind: StoreKind,
    /// Name of the bucket, or of the container.
    pub bucket: String,
    /// Key of the object, or what the keys begin with; never empty, without `/` at its ends.
    pub key: String,
    /// Digest, lower-case hexadecimal, where the URI ends with `#sha256=HEX`.
    pub sha256: Option<String>,
}

/// A repository, or something in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubPlace {
    /// Models and data sets have their own names.
    pub kind: HubKind,
    /// `ORG/NAME`.
    pub repository: String,
    /// Branch, tag or commit; `main` where the URI has none.
    pub revision: String,
    /// File or folder within; the whole where absent.
    pub path: Option<String>,
}

/// What a repository holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HubKind {
    /// A model: `hf://ORG/NAME`.
    Model,
    /// A data set: `hf://datasets/ORG/NAME`.
    Dataset,
}

impl Place {
    /// Takes a URI apart. Without a scheme it is a path.
    ///
    /// # Errors
    /// A scheme that is not read, or a URI that names nothing.
    pub fn parse(uri: &str) -> Result<Self, SourceError> {
        let bad = |message: &str| SourceError::Uri { uri: uri.to_owned(), message: message.to_owned() };
        if uri.is_empty() {
            return Err(bad("is empty"));
        }
        let Some((scheme, rest)) = uri.split_once("://") else { return Ok(Self::Path(PathBuf::from(uri))) };
        match scheme {
            "file" => {
                let url = Url::parse(uri).map_err(|error| bad(&error.to_string()))?;
                url.to_file_path().map(Self::Path).map_err(|()| bad("needs an absolute path: file:///PATH"))
            }
            "https" | "http" => {
                let mut url = Url::parse(uri).map_err(|error| bad(&error.to_string()))?;
                if scheme == "http" && !is_local(&url) {
                    return Err(bad("is not encrypted: use https://"));
                }
                let sha256 = match url.fragment().map(|fragment| fragment.strip_prefix("sha256=")) {
                    None => None,
                    Some(Some(hex)) if is_sha256(hex) => Some(hex.to_ascii_lowercase()),
                    Some(_) => return Err(bad("may end with #sha256= and 64 hexadecimal digits, and nothing else")),
                };
                url.set_fragment(None);
                Ok(Self::Web { url, sha256 })
            }
            "s3" | "gs" | "az" => {
                let (rest, sha256) = match rest.split_once("#sha256=") {
                    Some((rest, hex)) if is_sha256(hex) => (rest, Some(hex.to_ascii_lowercase())),
                    Some(_) => return Err(bad("may end with #sha256= and 64 hexadecimal digits, and nothing else")),
                    None => (rest, None),
                };
                let kind = StoreKind::of(scheme).unwrap_or(StoreKind::S3);
                let of = if kind == StoreKind::Azure { "CONTAINER" } else { "BUCKET" };
                let form = format!(
                    "must be {scheme}://{of}/KEY, {of} being 3 to 63 characters (a-z, 0-9, '.', '-', '_') and KEY without \"..\" or empty parts"
                );
                BucketPlace::parse(kind, rest, sha256).map(Self::Bucket).ok_or_else(|| bad(&form))
            }
            "hf" => HubPlace::parse(rest).map(Self::Hub).ok_or_else(|| {
                bad("must be hf://ORG/NAME[@REVISION][/PATH], or hf://datasets/ORG/NAME… for a data set")
            }),
            _ => Err(bad("has a scheme that is not read; use a path, file://, https://, hf://, s3://, gs:// or az://")),
        }
    }
}

impl BucketPlace {
    fn parse(kind: StoreKind, rest: &str, sha256: Option<String>) -> Option<Self> {
        let (bucket, key) = rest.split_once('/')?;
        let key = key.trim_end_matches('/');
        // As the host of an address, which a bucket's name becomes a part of.
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '_');
        let named = (3..=63).contains(&bucket.len()) && bucket.chars().all(plain);
        (named && is_inside(key)).then(|| Self { kind, bucket: bucket.to_owned(), key: key.to_owned(), sha256 })
    }
}

impl HubPlace {
    fn parse(rest: &str) -> Option<Self> {
        let (kind, rest) = match rest.strip_prefix("datasets/") {
            Some(rest) => (HubKind::Dataset, rest),
            None => (HubKind::Model, rest),
        };
        let (organisation, rest) = rest.split_once('/')?;
        // A revision may hold slashes only where it is written as %2F, as the hub itself does.
        let (name, path) = rest.split_once('/').map_or((rest, None), |(name, path)| (name, Some(path)));
        let (name, revision) = name.split_once('@').map_or((name, None), |(name, revision)| (name, Some(revision)));
        let revision = revision.unwrap_or("main").replace("%2F", "/").replace("%2f", "/");
        let path = path.map(|path| path.trim_end_matches('/').to_owned()).filter(|path| !path.is_empty());
        let plain = |part: &str| {
            let letters = part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
            !part.is_empty() && letters && !part.starts_with('.')
        };
        let inside = path.as_deref().is_none_or(is_inside);
        let revision_is_plain = !revision.is_empty() && revision.split('/').all(plain);
        (plain(organisation) && plain(name) && revision_is_plain && inside).then(|| Self {
            kind,
            repository: format!("{organisation}/{name}"),
            revision,
            path,
        })
    }
}

/// Whether a relative path stays where it is put: a server chooses the names of files.
pub(crate) fn is_inside(path: &str) -> bool {
    let part = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains(['\\', '\0', ':']);
    Path::new(path).is_relative() && path.split('/').all(part)
}

pub(crate) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.chars().all(|c| c.is_ascii_hexdigit())
}

/// Whether a server is on this machine.
pub(crate) fn is_local(url: &Url) -> bool {
    matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hub(uri: &str) -> HubPlace {
        match Place::parse(uri) {
            Ok(Place::Hub(place)) => place,
            other => panic!("{uri}: {other:?}"),
        }
    }

    #[test]
    fn a_hubs_place_has_a_kind_a_revision_and_a_path() {
        let place = hub("hf://org/name");
        assert_eq!(
            (place.kind, place.repository.as_str(), place.revision.as_str(), place.path),
            (HubKind::Model, "org/name", "main", None)
        );
        let place = hub("hf://datasets/org/na.me@v1.0/data/train.parquet");
        assert_eq!(
            (place.kind, place.revision.as_str(), place.path.as_deref()),
            (HubKind::Dataset, "v1.0", Some("data/train.parquet"))
        );
        assert_eq!(hub("hf://org/name@refs%2Fpr%2F1/").revision, "refs/pr/1");
    }

    #[test]
    fn what_names_nothing_or_leads_out_is_refused_in_words() {
        for uri in [
            "",
            "hf://name",
            "hf:///name",
            "hf://org/",
            "hf://org/name@",
            "hf://org/name/../x",
            "hf://org/..",
            "hf://org/name/a//b",
            "hf://org/na me",
            "ftp://bucket/key",
            "gs://bucket",
            "az://Container/key",
            "s3://bucket",
            "s3://bucket/",
            "s3://Bucket/key",
            "s3://bucket/../key",
            "s3://bucket/key#sha256=1",
            "http://example.org/x",
            "https://",
            "https://example.org/x#sha256=12",
            "file://host/x",
        ] {
            let error = Place::parse(uri).expect_err(uri).to_string();
            assert!(uri.is_empty() || error.contains(uri), "{error}");
        }
    }

    #[test]
    fn paths_and_addresses_are_told_apart() {
        assert_eq!(Place::parse("a b/c").unwrap(), Place::Path("a b/c".into()));
        assert_eq!(Place::parse("file:///a%20b").unwrap(), Place::Path("/a b".into()));
        let hex = "AB".repeat(32);
        let Place::Web { url, sha256 } =
            Place::parse(&format!("https://example.org/d/x.jsonl?a=1#sha256={hex}")).unwrap()
        else {
            panic!()
        };
        assert_eq!((url.as_str(), sha256), ("https://example.org/d/x.jsonl?a=1", Some(hex.to_ascii_lowercase())));
        assert!(Place::parse("http://127.0.0.1:80/x").is_ok());
        for kind in [StoreKind::S3, StoreKind::Google, StoreKind::Azure] {
            let bucket = BucketPlace { kind, bucket: "my.data".into(), key: "models/a b".into(), sha256: None };
            let uri = format!("{}://my.data/models/a b/", kind.scheme());
            assert_eq!(Place::parse(&uri).unwrap(), Place::Bucket(bucket));
        }
    }
}
