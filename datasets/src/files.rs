//! Files that people name: texts that come in, results that go out.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _, Write};
use std::path::{Path, PathBuf};

/// Reads a text of at most so many bytes, without its byte order mark.
///
/// # Errors
/// It cannot be read, is larger, or is no UTF-8; then the message says what it is and how to change it.
pub fn read_text(path: &Path, most: u64) -> io::Result<String> {
    text_of(File::open(path)?, most)
}

/// As [`read_text`], of what is open already, such as standard input.
///
/// # Errors
/// As [`read_text`].
pub fn text_of(reader: impl io::Read, most: u64) -> io::Result<String> {
    let mut bytes = Vec::new();
    reader.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    let refuse = |what: String| Err(io::Error::new(ErrorKind::InvalidData, what));
    if bytes.len() as u64 > most {
        return refuse(format!("it is larger than {} MiB, so it is not what is asked for", most >> 20));
    }
    // A zero in every other byte: UTF-16 of Latin letters, with or without a mark.
    let halves =
        bytes.iter().take(64).step_by(2).all(|b| *b == 0) || bytes.iter().take(64).skip(1).step_by(2).all(|b| *b == 0);
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") || (bytes.len() > 3 && halves) {
        return refuse("it is UTF-16, but has to be UTF-8: `iconv -f UTF-16 -t UTF-8`".to_owned());
    }
    if bytes.starts_with(b"\xef\xbb\xbf") {
        bytes.drain(..3);
    }
    match String::from_utf8(bytes) {
        Ok(text) => match text.find('\0') {
            Some(at) => refuse(format!("byte {} is zero, so it is no text", at + 1)),
            None => Ok(text),
        },
        Err(error) => {
            let at = error.utf8_error().valid_up_to() + 1;
            refuse(format!("byte {at} is no UTF-8; it has to be a text in UTF-8"))
        }
    }
}

/// Sees whether a file can be written, before the work whose result it is to hold. Leaves what is there as it is.
///
/// # Errors
/// It is a folder, or its folder is not there or cannot be written to.
pub fn check_writable(path: &Path) -> io::Result<()> {
    // A pipe that is opened and closed has ended for whoever reads it.
    if fs::metadata(path).is_ok_and(|there| !there.is_file() && !there.is_dir()) {
        return Ok(());
    }
    WholeFile::create(path).map(drop)
}

/// Whether what is read, a path or `file://` URI, is the very file that is to be written, by whatever names.
pub fn is_one_file(read: &str, written: &Path) -> bool {
    let read = Path::new(read.strip_prefix("file://").unwrap_or(read));
    // A pipe or a terminal may be both.
    matches!((read.canonicalize(), written.canonicalize()), (Ok(read), Ok(written)) if read == written && read.is_file())
}

/// Writes a file that is there whole or not at all; see [`WholeFile`].
///
/// # Errors
/// It cannot be written, and the message names it; what was there before still is.
pub fn write_whole(path: &Path, bytes: impl AsRef<[u8]>) -> io::Result<()> {
    let written = WholeFile::create(path).and_then(|mut file| {
        file.write_all(bytes.as_ref())?;
        file.commit()
    });
    written.map_err(|error| io::Error::new(error.kind(), format!("cannot write {}: {error}", path.display())))
}

/// A file that appears at its place when it is whole: it is written beside it, flushed to disk and renamed. Dropped before
/// [`WholeFile::commit`], it leaves nothing.
///
/// A link stays a link: what it points to is replaced. What is no file, such as a pipe (`/dev/stdout`, `>(gzip)`) or a
/// device, is written to and never replaced.
#[derive(Debug)]
pub struct WholeFile {
    file: File,
    /// What is written now and what it becomes; absent where the place is no file.
    names: Option<(PathBuf, PathBuf)>,
}

impl WholeFile {
    /// Starts to write.
    ///
    /// # Errors
    /// The path is a folder, or cannot be written to.
    pub fn create(path: &Path) -> io::Result<Self> {
        let there = match fs::metadata(path) {
            Ok(there) => Some(there),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        if there.as_ref().is_some_and(fs::Metadata::is_dir) {
            return Err(ErrorKind::IsADirectory.into());
        }
        if there.as_ref().is_some_and(|there| !there.is_file()) {
            return Ok(Self { file: File::options().write(true).open(path)?, names: None });
        }
        let target = match fs::read_link(path) {
            Ok(to) => fs::canonicalize(path).unwrap_or_else(|_| path.parent().unwrap_or(Path::new("")).join(to)),
            Err(_) => path.to_owned(),
        };
        if target.file_name().is_none() {
            return Err(ErrorKind::InvalidInput.into());
        }
        let mut unfinished = target.as_os_str().to_owned();
        unfinished.push(".new");
        let unfinished = PathBuf::from(unfinished);
        let this = Self { file: File::create(&unfinished)?, names: Some((unfinished, target)) };
        if let Some(there) = there {
            this.file.set_permissions(there.permissions())?;
        }
        Ok(this)
    }

    /// Puts it at its place.
    ///
    /// # Errors
    /// It cannot be flushed or renamed; then it leaves nothing.
    pub fn commit(mut self) -> io::Result<()> {
        if let Some((unfinished, target)) = &self.names {
            self.file.sync_all()?;
            fs::rename(unfinished, target)?;
            self.names = None;
        }
        Ok(())
    }
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        if let Some((unfinished, _)) = &self.names {
            // A left-over of a failure that was told already; whether it can be removed changes nothing.
            let _ = fs::remove_file(unfinished);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::process::Command;

    use super::*;

    #[test]
    fn a_file_is_one_by_whatever_names_and_what_is_not_there_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "").unwrap();
        symlink(&file, &link).unwrap();
        for read in [file.display().to_string(), format!("file://{}", folder.path().join("./link").display())] {
            assert!(is_one_file(&read, &file) && is_one_file(&read, &link), "{read}");
        }
        for (read, written) in
            [("/nowhere", file.as_path()), ("/dev/null", Path::new("/dev/null")), ("bundled://x", &link)]
        {
            assert!(!is_one_file(read, written), "{read}");
        }
    }

    #[test]
    fn a_file_is_replaced_whole_with_its_mode_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        check_writable(&path).unwrap();
        let mut unfinished = WholeFile::create(&path).unwrap();
        unfinished.write_all(b"half").unwrap();
        drop(unfinished);
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        write_whole(&path, b"new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_link_stays_a_link() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("disk")).unwrap();
        let link = folder.path().join("link");
        symlink("disk/file", &link).unwrap();
        for text in ["one", "two"] {
            write_whole(&link, text.as_bytes()).unwrap();
            assert!(link.is_symlink());
            assert_eq!(fs::read_to_string(folder.path().join("disk/file")).unwrap(), text);
        }
    }

    #[test]
    fn what_is_no_file_is_written_to_and_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::read_to_string(pipe).unwrap()
        });
        check_writable(&pipe).unwrap();
        write_whole(&pipe, b"text").unwrap();
        assert_eq!(reader.join().unwrap(), "text");
        assert!(!fs::metadata(&pipe).unwrap().is_file());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn folders_and_places_that_are_not_there_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(check_writable(folder.path()).unwrap_err().kind(), ErrorKind::IsADirectory);
        let named = write_whole(folder.path(), b"").unwrap_err().to_string();
        assert!(named.starts_with(&format!("cannot write {}: ", folder.path().display())), "{named}");
        assert_eq!(check_writable(&folder.path().join("no/file")).unwrap_err().kind(), ErrorKind::NotFound);
        fs::write(folder.path().join("file"), "").unwrap();
        assert_eq!(check_writable(&folder.path().join("file/x")).unwrap_err().kind(), ErrorKind::NotADirectory);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn other_encodings_are_named_and_an_endless_file_ends() {
        let said = |bytes: &[u8], most| text_of(bytes, most).map_err(|error| error.to_string());
        let utf16: Vec<u8> = "kind: x\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = "kind: x\n".encode_utf16().flat_map(u16::to_be_bytes).collect();
        for text in [utf16.clone(), big, [&b"\xff\xfe"[..], &utf16].concat()] {
            assert!(said(&text, 100).unwrap_err().contains("iconv -f UTF-16"));
        }
        assert_eq!(said(b"\xef\xbb\xbfa: \xc3\xa9", 100).unwrap(), "a: é");
        assert_eq!(said(b"", 100).unwrap(), "");
        assert!(said(b"ab\xff", 100).unwrap_err().contains("byte 3 is no UTF-8"));
        assert!(said(b"ab\0c", 100).unwrap_err().contains("byte 3 is zero"));
        assert!(read_text(Path::new("/dev/zero"), 1 << 20).unwrap_err().to_string().contains("larger than 1 MiB"));
    }
}
