//! What the cross-crate tests share: the programs just built, as processes that end with the test, and tasks to try.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "tests print through their harness, which captures it")]
#![forbid(unsafe_code)]

pub mod bundled;
pub mod pages;
pub mod programs;
pub mod pty;
pub mod service;
pub mod tasks;

use std::path::PathBuf;

/// One of the paper's files; says that the test is skipped where it is not there.
pub fn paper_file(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("REAL_DATA_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"), PathBuf::from);
    let file = folder.join(name);
    if file.is_file() {
        return Some(file);
    }
    println!("skipped: {} is not there; set REAL_DATA_DIR to a folder with the paper's files", file.display());
    None
}
