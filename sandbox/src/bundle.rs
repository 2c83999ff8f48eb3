//! The format in which files travel between parent and child: a header line `kind mode path-length content-length`, the path,
//! the content. The child reads and writes it in `harness/files.py`; the parent never touches the files themselves.

use std::collections::BTreeSet;

/// Adds a file for a child's working directory.
pub(crate) fn append(bundle: &mut Vec<u8>, path: &str, content: &[u8]) -> Result<(), &'static str> {
    let inside = path.split('/').all(|part| !part.is_empty() && part != "..");
    if !inside || path.contains('\0') || path.len() > 1024 {
        return Err("allowed are relative paths without empty parts or `..`");
    }
    bundle.extend(format!("f 644 {} {}\n", path.len(), content.len()).into_bytes());
    bundle.extend(path.as_bytes());
    bundle.extend(content);
    Ok(())
}

/// Names a path that another one needs to be a directory.
pub(crate) fn conflict<'a>(paths: impl Iterator<Item = &'a String>) -> Option<String> {
    let paths: BTreeSet<&str> = paths.map(|path| path.trim_start_matches("./")).collect();
    paths.iter().find_map(|path| {
        let above = path.match_indices('/').map(|(at, _)| &path[..at]);
        above
            .filter(|above| paths.contains(above))
            .map(|above| format!("{above:?} is a file, and {path:?} lies in it"))
            .next()
    })
}

/// The files of a bundle that a child sent; stops at the first thing that is not well-formed.
pub(crate) fn files(mut rest: &[u8]) -> Vec<(String, &[u8])> {
    let mut found = Vec::new();
    while let Some((kind, path, content, after)) = split(rest) {
        if kind == "f" {
            found.push((String::from_utf8_lossy(path).into_owned(), content));
        }
        rest = after;
    }
    found
}

/// Kind, path, content, and what follows.
type Entry<'a> = (&'a str, &'a [u8], &'a [u8], &'a [u8]);

fn split(bytes: &[u8]) -> Option<Entry<'_>> {
    let end = bytes.iter().take(64).position(|byte| *byte == b'\n')?;
    let mut words = std::str::from_utf8(&bytes[..end]).ok()?.split(' ');
    let (kind, _mode) = (words.next()?, words.next()?);
    let (path, content): (usize, usize) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let (path, rest) = bytes[end + 1..].split_at_checked(path)?;
    let (content, rest) = rest.split_at_checked(content)?;
    Some((kind, path, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_is_read_back_and_garbage_ends_it() {
        let mut bundle = Vec::new();
        append(&mut bundle, "a/b.txt", b"x\ny").unwrap();
        bundle.extend(b"d 700 1 0\nd");
        append(&mut bundle, "c", b"").unwrap();
        bundle.extend(b"f 644 99 1\nshort");
        assert_eq!(files(&bundle), [("a/b.txt".to_owned(), &b"x\ny"[..]), ("c".to_owned(), &b""[..])]);
    }

    #[test]
    fn a_file_that_is_also_a_directory_is_named() {
        let paths = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let wrong = conflict(paths(&["a", "ab/c", "a/b/c"]).iter()).unwrap();
        assert!(wrong.contains("\"a\"") && wrong.contains("a/b/c"), "{wrong}");
        assert_eq!(conflict(paths(&["a/b", "a/c", "ab"]).iter()), None);
    }

    #[test]
    fn paths_that_leave_the_directory_are_refused() {
        for path in ["/etc/passwd", "../x", "a/../../x", "", "a//b"] {
            assert!(append(&mut Vec::new(), path, b"").is_err(), "{path}");
        }
    }
}
