//! Digests that servers name files by.

use std::fs::File;
use std::io::Read as _;

use sha2::Digest as _;

/// A digest that a server names a file by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// FIPS 180-4.
    Sha256,
    /// SHA-1 of `blob LENGTH\0` and the content, as git names files.
    GitBlob,
    /// RFC 1321, as S3 tags an object that came in one part.
    Md5,
}

impl Kind {
    /// Name for messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA-256",
            Self::GitBlob => "SHA-1 of git's blob",
            Self::Md5 => "MD5",
        }
    }

    /// The digest of a file, from where it stands, in hexadecimal.
    pub(crate) fn of(self, file: &mut File, length: u64) -> std::io::Result<String> {
        match self {
            Self::Sha256 => {
                let mut digest = sha2::Sha256::new();
                blocks(file, |block| digest.update(block))?;
                Ok(hex(&digest.finalize()))
            }
            Self::Md5 => {
                let mut digest = md5::Md5::new();
                blocks(file, |block| digest.update(block))?;
                Ok(hex(&digest.finalize()))
            }
            Self::GitBlob => {
                use sha1::Digest as _;
                let mut digest = sha1::Sha1::new();
                digest.update(format!("blob {length}\0"));
                blocks(file, |block| digest.update(block))?;
                Ok(hex(&digest.finalize()))
            }
        }
    }
}

fn blocks(file: &mut File, mut give: impl FnMut(&[u8])) -> std::io::Result<()> {
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(()),
            n => give(&buffer[..n]),
        }
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

pub(crate) fn is_hex(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_hexdigit())
}
