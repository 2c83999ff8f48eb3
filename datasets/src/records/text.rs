//! Files of JSON: what they are compressed with, what they are encoded in, lines or an array.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use super::gzip::Members;
use super::{GZIP, Give, ZSTD, array, lines};
use crate::LoadError;

/// Gives every object of a file.
pub(super) fn each(path: &Path, give: Give<'_>) -> Result<(), LoadError> {
    let failed = |reason| LoadError::Io { path: path.to_owned(), reason };
    let file = File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.is_dir() {
        return Err(failed(std::io::Error::from(std::io::ErrorKind::IsADirectory)));
    }
    of_reader(&path.display().to_string(), file, give)
}

/// Gives every object of a stream. Its first bytes say what it is compressed with, whatever the ending of its name is: what unpacks on the way
/// leaves the name.
pub(super) fn of_reader(place: &str, reader: impl Read, give: Give<'_>) -> Result<(), LoadError> {
    let failed = |error: std::io::Error| first_line(place, error.to_string());
    let mut reader = BufReader::with_capacity(1 << 16, reader);
    let first = reader.fill_buf().map_err(failed)?;
    if first.starts_with(GZIP) {
        of_plain(place, &mut BufReader::new(Members::new(reader)), give)
    } else if first.starts_with(ZSTD) {
        let decoder = zstd::Decoder::with_buffer(reader).map_err(failed)?;
        of_plain(place, &mut BufReader::new(decoder), give)
    } else {
        of_plain(place, &mut reader, give)
    }
}

fn of_plain(place: &str, reader: &mut dyn BufRead, give: Give<'_>) -> Result<(), LoadError> {
    let problem = |message: String| first_line(place, message);
    let first = reader.fill_buf().map_err(|error| problem(error.to_string()))?;
    if !first.is_empty() && first.iter().take(64).all(|byte| *byte == 0) {
        return Err(problem("the file begins with zeros, so it is no text".to_owned()));
    }
    if let Some(other) = archive(first) {
        return Err(problem(format!(
            "the file is {other}; a data set is JSON, plain or compressed with gzip or Zstandard"
        )));
    }
    if let Some(other) = other_encoding(first) {
        return Err(problem(format!("the file is {other}; a data set is UTF-8: `iconv -f {other} -t UTF-8`")));
    }
    if first.starts_with(b"\xef\xbb\xbf") {
        reader.consume(3);
    }
    // White space before the first object, which is as good as any.
    let mut line = 1;
    let first = loop {
        let bytes = reader.fill_buf().map_err(|error| problem(error.to_string()))?;
        let Some(byte) = bytes.first().copied() else { return Ok(()) };
        if !byte.is_ascii_whitespace() {
            break byte;
        }
        line += usize::from(byte == b'\n');
        reader.consume(1);
    };
    if first == b'[' { array::each(place, reader, line, give) } else { lines::each(place, reader, line, give) }
}

fn first_line(place: &str, message: String) -> LoadError {
    LoadError::Line { place: place.to_owned(), line: 1, message }
}

/// Files of files, and what is compressed with something else, told by how they begin.
fn archive(first: &[u8]) -> Option<&'static str> {
    let begins: [(&[u8], &str); 5] = [
        (b"PK\x03\x04", "a zip archive"),
        (b"\xfd7zXZ\0", "compressed with xz"),
        (b"BZh", "compressed with bzip2"),
        (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
        (b"%PDF-", "a PDF"),
    ];
    let known = begins.into_iter().find(|(magic, _)| first.starts_with(magic)).map(|(_, what)| what);
    known.or_else(|| (first.get(257..262) == Some(b"ustar")).then_some("a tar archive"))
}

/// Encodings that are told by a byte order mark, or by the zeros beside ASCII.
fn other_encoding(first: &[u8]) -> Option<&'static str> {
    match first {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] | [_, 0, 0, 0, ..] | [0, 0, 0, _, ..] => Some("UTF-32"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [1..=0x7f, 0, ..] | [0, 1..=0x7f, ..] => Some("UTF-16"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::Task;

    const TASK: &str = r#"{"id":"a","dataset":"own","split":"train","prompt":[],"tests":[],"quality":[]}"#;

    fn read(bytes: &[u8]) -> Result<Vec<Task>, LoadError> {
        let mut tasks = Vec::new();
        of_reader("tasks.jsonl", bytes, &mut |item| {
            tasks.push(item.parse()?);
            Ok(())
        })?;
        Ok(tasks)
    }

    fn refusal(bytes: &[u8]) -> String {
        read(bytes).expect_err("it is refused").to_string()
    }

    #[test]
    fn an_error_names_line_and_field() {
        let broken = TASK.replace(r#""quality""#, r#""comparison":{"policy":"numeric"},"quality""#);
        let said = refusal(format!("{TASK}\n\n{broken}\n").as_bytes());
        assert!(said.starts_with("tasks.jsonl:3: comparison: missing field `tolerance` at column "), "{said}");
        let broken = TASK.replace(r#""tests":[]"#, r#""tests":[{"kind":"call","entry":"f","expected":{"value":1}}]"#);
        let said = refusal(broken.as_bytes());
        assert!(said.starts_with("tasks.jsonl:1: tests[0].expected: unknown variant `value`"), "{said}");
        let said = refusal(format!("\n\n[\n{TASK},\n{broken}]").as_bytes());
        assert!(said.starts_with("tasks.jsonl:5: element 2 of the array: tests[0].expected"), "{said}");
    }

    #[test]
    fn lines_arrays_marks_and_compressions_are_read_alike() {
        let gzip = |text: &str| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(text.as_bytes()).unwrap();
            encoder.finish().unwrap()
        };
        let lines = format!("{TASK}\n{TASK}");
        let (one, two) = (gzip(&format!("{TASK}\n")), gzip(TASK));
        let members = [&one[..], &two].concat();
        let padded = [&one[..], &[0; 9], &two, &[0; 512]].concat();
        let frames = [zstd::encode_all(format!("{TASK}\r\n").as_bytes(), 1), zstd::encode_all(TASK.as_bytes(), 3)];
        let frames: Vec<u8> = frames.into_iter().flat_map(Result::unwrap).collect();
        for bytes in [
            lines.clone().into_bytes(),
            format!("\u{feff}{lines}\n\n").into_bytes(),
            format!("\r\n [{TASK}\n,{TASK} ]\n").into_bytes(),
            format!("\u{feff}[{TASK},{TASK}]").into_bytes(),
            members,
            padded,
            frames,
            gzip(&format!("[{TASK},{TASK}]")),
        ] {
            assert_eq!(read(&bytes).expect("it is read").len(), 2);
        }
    }

    #[test]
    fn other_encodings_and_half_files_are_named() {
        let utf16 = |order: fn(u16) -> [u8; 2]| TASK.encode_utf16().flat_map(order).collect::<Vec<u8>>();
        for bytes in
            [utf16(u16::to_le_bytes), utf16(u16::to_be_bytes), [b"\xff\xfe".to_vec(), utf16(u16::to_le_bytes)].concat()]
        {
            assert!(refusal(&bytes).contains("is UTF-16"), "{}", refusal(&bytes));
        }
        assert!(refusal(b"\xff\xfe\0\0{\0\0\0").contains("is UTF-32"));
        assert!(refusal(b"{\"id\": \"\xe9\"}").contains("byte 9 of the line is no UTF-8"));
        for (text, expected) in [
            (format!("{TASK} {TASK}"), "after the object: trailing characters at column"),
            (format!("{TASK}, \n{TASK}"), "; one object a line, and nothing besides"),
            ("<!doctype html>".to_owned(), "; a data set has a JSON object a line, or is an array of them"),
            ("id,prompt\n1,x".to_owned(), "; a data set has a JSON object a line, or is an array of them"),
            ("# tasks".to_owned(), "; a data set has a JSON object a line, or is an array of them"),
            (TASK.replace("\"own\"", "NaN"), "; NaN and Infinity are no JSON: write null"),
            (TASK.replace("\"own\"", "-Infinity"), "; NaN and Infinity are no JSON: write null"),
            (TASK.replace("own", "o\nwn"), "or a line ends within a text, where \\n has to stand"),
        ] {
            assert!(refusal(text.as_bytes()).contains(expected), "{text}: {}", refusal(text.as_bytes()));
        }
        assert!(refusal(format!("[{TASK}").as_bytes()).contains("the array does not end"));
        assert!(refusal(format!("[{TASK}] {TASK}").as_bytes()).contains("after the array"));
        assert!(refusal(format!("[{TASK} {TASK}]").as_bytes()).contains("element 1"));
        for (text, what) in
            [("[1]", "the number 1"), ("null", "empty (null)"), ("[[]]", "an empty list"), ("\"x\"", "the text \"x\"")]
        {
            assert!(
                refusal(text.as_bytes()).contains(&format!("is {what}; an object")),
                "{}",
                refusal(text.as_bytes())
            );
        }
        let cut = refusal(&TASK.as_bytes()[..TASK.len() - 9]);
        assert!(cut.starts_with("tasks.jsonl:1: EOF") && cut.contains("may be cut off"), "{cut}");
        assert!(refusal(&[0; 100]).contains("begins with zeros"));
        assert!(refusal(b"{\n\"a\": 1}").contains("one object over several lines"));
        assert!(refusal(b"\x1f\x8bnot gzip").contains("tasks.jsonl:1:"));
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(format!("{TASK}\n").as_bytes()).unwrap();
        let behind = [encoder.finish().unwrap(), b"more".to_vec()].concat();
        assert!(refusal(&behind).contains("tasks.jsonl:2: something that is no gzip"), "{}", refusal(&behind));
        for (bytes, what) in [
            (&b"PK\x03\x04\x14\0"[..], "a zip archive"),
            (b"\xfd7zXZ\0\0", "compressed with xz"),
            (b"BZh91AY&SY", "compressed with bzip2"),
            (&[&[b'a'; 257][..], b"ustar"].concat(), "a tar archive"),
        ] {
            assert!(refusal(bytes).contains(&format!("the file is {what}; a data set is JSON")), "{}", refusal(bytes));
        }
    }
}
