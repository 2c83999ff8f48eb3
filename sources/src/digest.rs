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
    /// RFC 3720 appendix B.4, as Google names an object that came in several.
    Crc32c,
}

impl Kind {
    /// Name for messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA-256",
            Self::GitBlob => "SHA-1 of git's blob",
            Self::Md5 => "MD5",
            Self::Crc32c => "CRC32C",
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
            Self::Crc32c => {
                let mut sum = u32::MAX;
                blocks(file, |block| sum = block.iter().fold(sum, |sum, byte| crc32c(sum, *byte)))?;
                Ok(hex(&(!sum).to_be_bytes()))
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

/// The Castagnoli polynomial, bits reversed.
const CASTAGNOLI: u32 = 0x82f6_3b78;

const CRC32C: [u32; 256] = {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let (mut value, mut bit) = (index as u32, 0);
        while bit < 8 {
            value = if value & 1 == 1 { (value >> 1) ^ CASTAGNOLI } else { value >> 1 };
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
};

fn crc32c(sum: u32, byte: u8) -> u32 {
    CRC32C[usize::from(sum.to_le_bytes()[0] ^ byte)] ^ (sum >> 8)
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

/// Bytes as people write digests: two hexadecimal digits each.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

pub(crate) fn is_hex(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use std::io::{Seek as _, Write as _};

    use super::*;

    #[test]
    fn sums_are_those_of_the_standards() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"123456789").unwrap();
        for (kind, expected) in [(Kind::Crc32c, "e3069283"), (Kind::Md5, "25f9e794323b453885f5181f1b624d0b")] {
            file.rewind().unwrap();
            assert_eq!(kind.of(&mut file, 9).unwrap(), expected);
        }
    }
}
