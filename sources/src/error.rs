//! Why something cannot be had.

use std::path::{Path, PathBuf};

/// Why something cannot be had. No message holds a token.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The URI names nothing.
    #[error("{uri}: {message}")]
    Uri {
        /// As it was given.
        uri: String,
        /// What is wrong with it.
        message: String,
    },
    /// The server said no.
    #[error("{url}: HTTP {status}{hint}")]
    Refused {
        /// What was asked for.
        url: String,
        /// HTTP status.
        status: u16,
        /// What may help, or nothing.
        hint: String,
    },
    /// The server never gave all of it.
    #[error(
        "{url}: gave up after {tries} tries, with {have} bytes here, which the next start goes on from; the last: {last}"
    )]
    Unreachable {
        /// What was asked for.
        url: String,
        /// Tries.
        tries: u32,
        /// Bytes that are kept.
        have: u64,
        /// How the last one ended.
        #[source]
        last: std::io::Error,
    },
    /// What came is not what the server, or the URI, said.
    #[error("{url}: its {what} is {found}, but should be {expected}; nothing of it was kept")]
    Wrong {
        /// What was asked for.
        url: String,
        /// `SHA-256` or `length`.
        what: &'static str,
        /// What it should be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// The server's answer is not of the protocol.
    #[error("{url}: {what}")]
    Protocol {
        /// What was asked for.
        url: String,
        /// What is wrong with the answer.
        what: String,
    },
    /// It is not here, and nothing may be asked for.
    #[error("{what} is not in the cache {}, and REAL_OFFLINE (or HF_HUB_OFFLINE) is set", cache.display())]
    Offline {
        /// What was asked for.
        what: String,
        /// The cache.
        cache: PathBuf,
    },
    /// This machine cannot keep it.
    #[error("cannot {doing} {}: {reason}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// The system's reason.
        #[source]
        reason: std::io::Error,
    },
}

impl SourceError {
    /// That a server never gave all of something, `have` bytes of which are here.
    pub(crate) fn unreachable(url: String, tries: u32, have: u64, last: String) -> Self {
        Self::Unreachable { url, tries, have, last: std::io::Error::new(std::io::ErrorKind::HostUnreachable, last) }
    }

    pub(crate) fn io(doing: &'static str, path: &Path, reason: std::io::Error) -> Self {
        Self::Io { doing, path: path.to_owned(), reason }
    }

    /// Whether trying again later may help.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Io { .. } => true,
            Self::Refused { status, .. } => *status >= 500,
            _ => false,
        }
    }
}
