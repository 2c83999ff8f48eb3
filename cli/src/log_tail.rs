//! The end of a log file, for error messages.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// Most bytes read from the end of a log.
const WINDOW: u64 = 16 * 1024;

/// The last `lines` lines of a log, indented, under a heading that names the file; says so where there are none.
pub fn tail(path: &Path, lines: usize) -> String {
    let text = read_end(path).unwrap_or_default();
    let all: Vec<&str> = text.lines().filter(|l| !l.trim().is_empty()).collect();
    if all.is_empty() {
        return format!("its log {} is empty", path.display());
    }
    let last = &all[all.len().saturating_sub(lines)..];
    let body: Vec<String> = last.iter().map(|line| format!("    {line}")).collect();
    format!("the end of its log {}:\n{}", path.display(), body.join("\n"))
}

fn read_end(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(WINDOW)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_lines_are_shown() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "one\ntwo\n\nthree\n").unwrap();
        assert!(tail(file.path(), 2).ends_with(":\n    two\n    three"));
    }

    #[test]
    fn a_missing_log_is_no_error() {
        assert!(tail(Path::new("/nonexistent/log"), 5).ends_with("is empty"));
    }
}
