//! Committed files that are made from something else.

use std::{fs, path::PathBuf};

/// The workspace's root.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Fails unless the file at `path` below the root holds `content`; writes it in place of that where `REAL_UPDATE` is set.
pub(crate) fn assert_fresh(path: &str, content: &str) {
    let file = root().join(path);
    let held = fs::read_to_string(&file).unwrap_or_default();
    if held == content {
        return;
    }
    assert!(std::env::var_os("REAL_UPDATE").is_some(), "{path} is stale; run `make generate`");
    fs::create_dir_all(file.parent().expect("a file lies in a folder")).unwrap();
    fs::write(&file, content).unwrap_or_else(|error| panic!("cannot write {path}: {error}"));
}
