//! Compiles the C++ shim against the same libtorch that torch-sys found, and makes the program find it at run time.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn main() {
    let lib = PathBuf::from(
        std::env::var("DEP_TCH_LIBTORCH_LIB").expect("torch-sys reports where libtorch is: set LIBTORCH to its folder"),
    );
    let include = lib.parent().unwrap_or(Path::new("/")).join("include");

    list_bundled_models();
    println!("cargo:rerun-if-changed=shim");
    cc::Build::new()
        .cpp(true)
        .std("c++20")
        // Tests do real work too.
        .opt_level(3)
        .flag_if_supported("-Wno-unused-parameter")
        .flag_if_supported("-Wno-deprecated-declarations")
        // As libtorch was built: some of its classes are larger without it.
        .define("NDEBUG", None)
        // libtorch's way to run loops on its threads is a template over OpenMP.
        .flag("-fopenmp")
        .flag(format!("-isystem{}", include.display()))
        .flag(format!("-isystem{}", include.join("torch/csrc/api/include").display()))
        .files(["shim/shim.cpp", "shim/attend.cpp", "shim/operations.cpp"])
        .compile("real_shim");

    // torch-sys gives its dependants no run path. `libtorch.so` is needed by name so that a CUDA libtorch on
    // LD_LIBRARY_PATH, which wins over the run path, brings its CUDA libraries with it. REAL_LIBTORCH_RUNPATH says where
    // libtorch will be, for a program that is built here and runs in an image.
    println!("cargo:rerun-if-env-changed=REAL_LIBTORCH_RUNPATH");
    let run_path = std::env::var("REAL_LIBTORCH_RUNPATH").unwrap_or_else(|_| lib.display().to_string());
    println!("cargo:rustc-link-arg=-Wl,-rpath,{run_path}");
    println!("cargo:rustc-link-arg=-Wl,--no-as-needed");
    println!("cargo:rustc-link-arg=-L{}", lib.display());
    println!("cargo:rustc-link-arg=-ltorch");
}

/// Writes the table of `models/*/*`, whose files become part of the program.
fn list_bundled_models() {
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("models");
    println!("cargo:rerun-if-changed={}", root.display());
    let mut table = String::from("static BUNDLED: &[BundledModel] = &[\n");
    for model in entries(&root).iter().filter(|path| path.is_dir()) {
        writeln!(table, "    ({:?}, &[", name(model)).expect("writing to a string");
        for file in entries(model).iter().filter(|path| path.is_file()) {
            writeln!(table, "        ({:?}, include_bytes!({:?})),", name(file), file.to_string_lossy())
                .expect("writing to a string");
        }
        table.push_str("    ]),\n");
    }
    table.push_str("];\n");
    let out = PathBuf::from(std::env::var("OUT_DIR").expect("cargo sets it")).join("bundled.rs");
    std::fs::write(&out, table).expect("OUT_DIR is writable");
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
