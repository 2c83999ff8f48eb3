//! Where a data set's URI points.

use std::path::PathBuf;

use real_sources::SourceError;

use crate::LoadError;

/// A file that is here, or has to be brought here.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// On this machine.
    Path(PathBuf),
    /// At `https://`, `hf://` or in a bucket.
    Remote(String),
}

impl Place {
    /// The path; what is elsewhere is fetched into the cache first.
    pub(crate) fn path(self) -> Result<PathBuf, SourceError> {
        match self {
            Self::Path(path) => Ok(path),
            Self::Remote(uri) => real_sources::file(&uri),
        }
    }
}

/// A place tasks or demonstrations come from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Part of this program: a name and `key=value` parameters.
    Bundled(String, Vec<(String, String)>),
    /// A file, elsewhere as long as it was not asked for.
    File(Place),
}

impl Source {
    /// Takes a URI apart. Without a scheme it is a path.
    pub(crate) fn parse(uri: &str) -> Result<Self, LoadError> {
        let invalid = |message: &str| LoadError::InvalidUri { uri: uri.to_owned(), message: message.to_owned() };
        if uri.is_empty() {
            return Err(invalid("a data set's URI must not be empty"));
        }
        if uri == "-" {
            return Err(invalid("standard input is not read here, as a data set is read more than once: give a file"));
        }
        let Some((scheme, rest)) = uri.split_once("://") else {
            return Ok(Self::File(Place::Path(PathBuf::from(uri))));
        };
        match scheme {
            "bundled" => {
                let (name, query) = rest.split_once('?').unwrap_or((rest, ""));
                let pairs = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
                Ok(Self::Bundled(name.to_owned(), pairs))
            }
            scheme if real_sources::has_folders(scheme) || matches!(scheme, "file" | "https" | "http") => {
                Ok(Self::File(match real_sources::Place::parse(uri)? {
                    real_sources::Place::Path(path) => Place::Path(path),
                    _ => Place::Remote(uri.to_owned()),
                }))
            }
            other => Err(LoadError::UnsupportedScheme { uri: uri.to_owned(), scheme: other.to_owned() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_file_uris_and_bundled_names_are_told_apart() {
        let file = |path: &str| Source::File(Place::Path(PathBuf::from(path)));
        let remote = |uri: &str| Source::File(Place::Remote(uri.to_owned()));
        for uri in [
            "https://example.org/x.jsonl",
            "hf://datasets/org/set/train.parquet",
            "gs://set/x.jsonl",
            "az://set/x.jsonl",
        ] {
            assert_eq!(Source::parse(uri).expect("parses"), remote(uri));
        }
        assert_eq!(Source::parse("a b/c.jsonl").expect("parses"), file("a b/c.jsonl"));
        assert_eq!(Source::parse("file:///a%20b/c.jsonl").expect("parses"), file("/a b/c.jsonl"));
        let parameters = vec![("count".to_owned(), "3".to_owned())];
        assert_eq!(Source::parse("bundled://x?count=3").expect("parses"), Source::Bundled("x".to_owned(), parameters));
    }

    #[test]
    fn schemes_not_read_yet_are_named_with_those_that_are() {
        for uri in ["ftp://host/key", "pvc://claim/x"] {
            let message = Source::parse(uri).expect_err("refused").to_string();
            assert!(message.contains("not supported yet") && message.contains("bundled://NAME"), "{message}");
        }
        assert!(Source::parse("").is_err());
        assert!(Source::parse("file://host/relative").is_err());
    }

    #[test]
    fn standard_input_is_refused_by_name() {
        let Err(refused) = Source::parse("-") else { panic!("`-` is no file") };
        assert!(refused.to_string().contains("standard input is not read here"), "{refused}");
        assert!(Source::parse("./-").is_ok());
    }
}
