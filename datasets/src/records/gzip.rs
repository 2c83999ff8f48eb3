//! Gzip (RFC 1952): members one after the other are one text, as gzip(1) reads them.

use std::io::{self, BufRead, ErrorKind, Read};

use flate2::bufread::GzDecoder;

use super::GZIP;

/// The text of all members. Zeros behind one, which fill a block of a tape, are passed over.
pub(super) struct Members<R> {
    /// None behind the last.
    decoder: Option<GzDecoder<R>>,
}

impl<R: BufRead> Members<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { decoder: Some(GzDecoder::new(reader)) }
    }
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(decoder) = &mut self.decoder else { return Ok(0) };
            let read = decoder.read(into)?;
            if read > 0 || into.is_empty() {
                return Ok(read);
            }
            let Some(mut reader) = self.decoder.take().map(GzDecoder::into_inner) else { return Ok(0) };
            loop {
                let bytes = reader.fill_buf()?;
                let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
                if zeros == 0 {
                    break;
                }
                reader.consume(zeros);
            }
            let next = reader.fill_buf()?;
            match next.first() {
                None => return Ok(0),
                Some(first) if *first == GZIP[0] => self.decoder = Some(GzDecoder::new(reader)),
                Some(_) => {
                    let what = "something that is no gzip stands behind what is compressed: the file is damaged";
                    return Err(io::Error::new(ErrorKind::InvalidData, what));
                }
            }
        }
    }
}
