//! Puts the corpus into the crate, so that the program runs anywhere.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    let root = Path::new(&env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("../hostile");
    println!("cargo::rerun-if-changed={}", root.display());
    let mut folders: Vec<PathBuf> = fs::read_dir(&root)
        .expect("the corpus lies beside the crate")
        .map(|entry| entry.expect("it can be listed").path())
        .collect();
    folders.sort();
    let mut source = String::from("[\n");
    for folder in folders {
        let name = folder.file_name().expect("it has a name").to_string_lossy();
        let [program, expect] =
            ["program.py", "expect.yaml"].map(|file| folder.join(file).to_string_lossy().into_owned());
        writeln!(source, "    ({name:?}, include_str!({program:?}), include_str!({expect:?})),")
            .expect("a string grows");
    }
    source.push_str("]\n");
    let output = Path::new(&env::var_os("OUT_DIR").expect("cargo sets it")).join("corpus.rs");
    fs::write(output, source).expect("cargo's folder can be written");
}
