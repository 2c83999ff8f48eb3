//! TensorBoard's event files: `TFRecord` frames around protocol-buffer `Event`s.
//!
//! Written by hand because only three messages are needed and a full disk has to be an error, not a panic
//! (`tensorflow/core/util/event.proto`, `tensorflow/core/lib/io/record_writer.h`).

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// `SessionLog.SessionStatus.START`.
const START: u64 = 1;

/// One event file, `events.out.tfevents.SECONDS.PID`.
pub struct EventFile {
    path: PathBuf,
    file: File,
}

impl EventFile {
    /// Creates a file in `folder`, which is created too. Events of step `purged_from` and later that are in older files of
    /// the folder are not shown any more: a `SessionLog` with status `START` says so, as `purge_step` of
    /// `torch.utils.tensorboard` does.
    pub fn create(folder: &Path, purged_from: u64) -> io::Result<Self> {
        let named = |error: io::Error| {
            io::Error::new(error.kind(), format!("cannot write event file in {}: {error}", folder.display()))
        };
        fs::create_dir_all(folder).map_err(named)?;
        let path = folder.join(format!("events.out.tfevents.{:010}.{}", now() as u64, std::process::id()));
        let file = File::create(&path).map_err(named)?;
        let mut events = Self { path, file };
        let mut event = Vec::new();
        double(&mut event, 1, now());
        bytes(&mut event, 3, b"brain.Event:2");
        events.record(&event)?;
        let mut session = Vec::new();
        integer(&mut session, 1, START);
        let mut event = Vec::new();
        double(&mut event, 1, now());
        integer(&mut event, 2, purged_from);
        bytes(&mut event, 7, &session);
        events.record(&event)?;
        Ok(events)
    }

    /// Writes all numbers of a step as one event.
    pub fn scalars<'a>(&mut self, step: u64, values: impl Iterator<Item = (&'a str, f64)>) -> io::Result<()> {
        let mut summary = Vec::new();
        for (tag, value) in values {
            let mut entry = Vec::new();
            bytes(&mut entry, 1, tag.as_bytes());
            float(&mut entry, 2, value as f32);
            bytes(&mut summary, 1, &entry);
        }
        let mut event = Vec::new();
        double(&mut event, 1, now());
        integer(&mut event, 2, step);
        bytes(&mut event, 5, &summary);
        self.record(&event)
    }

    /// length, masked CRC of the length, data, masked CRC of the data; one write, so that readers see whole records.
    fn record(&mut self, data: &[u8]) -> io::Result<()> {
        let length = (data.len() as u64).to_le_bytes();
        let mut frame = Vec::with_capacity(data.len() + 16);
        frame.extend_from_slice(&length);
        frame.extend_from_slice(&masked_crc(&length).to_le_bytes());
        frame.extend_from_slice(data);
        frame.extend_from_slice(&masked_crc(data).to_le_bytes());
        self.file
            .write_all(&frame)
            .map_err(|error| io::Error::new(error.kind(), format!("cannot write {}: {error}", self.path.display())))
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn integer(out: &mut Vec<u8>, field: u64, value: u64) {
    varint(out, field << 3);
    varint(out, value);
}

fn double(out: &mut Vec<u8>, field: u64, value: f64) {
    varint(out, field << 3 | 1);
    out.extend_from_slice(&value.to_le_bytes());
}

fn bytes(out: &mut Vec<u8>, field: u64, value: &[u8]) {
    varint(out, field << 3 | 2);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

fn float(out: &mut Vec<u8>, field: u64, value: f32) {
    varint(out, field << 3 | 5);
    out.extend_from_slice(&value.to_le_bytes());
}

/// CRC-32C (Castagnoli), rotated and offset as `TFRecord` wants it.
fn masked_crc(data: &[u8]) -> u32 {
    crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

fn crc32c(data: &[u8]) -> u32 {
    !data.iter().fold(!0, |crc: u32, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_one_of_rfc_3720() {
        // Test vectors of RFC 3720, B.4.
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn records_are_framed_and_hold_tag_step_and_value() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut events = EventFile::create(folder.path(), 300).expect("writable");
        events.scalars(300, [("actor/lr", 0.25)].into_iter()).expect("writable");
        let content = fs::read(&events.path).expect("readable");
        let mut records = Vec::new();
        let mut rest = content.as_slice();
        while !rest.is_empty() {
            let (head, tail) = rest.split_at(12);
            let length = u64::from_le_bytes(head[..8].try_into().expect("8 bytes")) as usize;
            assert_eq!(u32::from_le_bytes(head[8..].try_into().expect("4 bytes")), masked_crc(&head[..8]));
            let (data, tail) = tail.split_at(length);
            assert_eq!(u32::from_le_bytes(tail[..4].try_into().expect("4 bytes")), masked_crc(data));
            records.push(data.to_vec());
            rest = &tail[4..];
        }
        assert_eq!(records.len(), 3);
        // After the time (9 bytes): step 300 as a varint, then the session log with its status.
        assert_eq!(records[1][9..], [0x10, 0xac, 0x02, 0x3a, 2, 0x08, 1]);
        // After the time (9 bytes): step 300 as a varint, then the summary with its one value.
        let expected = [&[0x10, 0xac, 0x02, 0x2a, 17, 0x0a, 15, 0x0a, 8][..], b"actor/lr", &[0x15, 0, 0, 0x80, 0x3e]];
        assert_eq!(records[2][9..], expected.concat());
    }
}
