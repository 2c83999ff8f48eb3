//! Where things are kept and asked for.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

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
    /// Nothing is asked for; what is in the cache is used.
    pub offline: bool,
    /// How long things may take.
    pub patience: Patience,
}

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
    /// From the environment: `REAL_CACHE` (else `$XDG_CACHE_HOME/real/sources`, else `~/.cache/real/sources`), `HF_ENDPOINT`,
    /// `HF_TOKEN` or the file that `HF_TOKEN_PATH` names, and `REAL_OFFLINE` or `HF_HUB_OFFLINE`.
    ///
    /// # Errors
    /// The file of the token cannot be read, or there is no place for a cache.
    pub fn from_environment() -> Result<Self, SourceError> {
        Self::from(|name| std::env::var(name).ok())
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
        let is_set = |name: &str| variable(name).is_some_and(|value| !matches!(value.as_str(), "0" | "false" | "no"));
        Ok(Self {
            cache,
            hub: variable("HF_ENDPOINT")
                .unwrap_or_else(|| "https://huggingface.co".to_owned())
                .trim_end_matches('/')
                .to_owned(),
            token,
            offline: is_set("REAL_OFFLINE") || is_set("HF_HUB_OFFLINE"),
            patience: Patience::default(),
        })
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
    fn the_cache_has_a_usual_place_and_offline_is_said_by_either_variable() {
        assert_eq!(with(&[("HOME", "/h")]).unwrap().cache, PathBuf::from("/h/.cache/real/sources"));
        assert_eq!(with(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/c")]).unwrap().cache, PathBuf::from("/c/real/sources"));
        assert!(with(&[("REAL_CACHE", "/c"), ("HF_HUB_OFFLINE", "1")]).unwrap().offline);
        assert!(!with(&[("REAL_CACHE", "/c"), ("REAL_OFFLINE", "0")]).unwrap().offline);
        assert!(with(&[]).unwrap_err().to_string().contains("REAL_CACHE"));
    }
}
