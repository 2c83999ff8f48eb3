//! Lists the rule files, so that adding a rule is adding a file. A file that nothing would read fails the build.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Folders of `rules/`, by the constant that lists their files. The families of rules are read alike.
/// Languages are in a file of their own, for the room that reads texts.
const FOLDERS: [(&str, &str, &[&str]); 3] = [
    ("rules.rs", "RULES", &["flow", "constant", "obligation"]),
    ("languages.rs", "LANGUAGES", &["languages"]),
    ("library.rs", "LIBRARY", &["library"]),
];

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?).join("rules");
    refuse_strays(&root)?;
    println!("cargo::rerun-if-changed={}", root.display());
    let out = PathBuf::from(env::var("OUT_DIR").map_err(io::Error::other)?);
    for (file, constant, folders) in FOLDERS {
        let mut code = String::new();
        writeln!(code, "pub(super) const {constant}: &[(&str, &str)] = &[").map_err(io::Error::other)?;
        for folder in folders {
            let path = root.join(folder);
            println!("cargo::rerun-if-changed={}", path.display());
            for path in files(&path)? {
                println!("cargo::rerun-if-changed={}", path.display());
                let name = format!("{folder}/{}", path.file_name().unwrap_or_default().display());
                // As JSON, which is read several times faster at start.
                let text = fs::read_to_string(&path)?;
                let parsed: serde_json::Value = serde_saphyr::from_str(&text)
                    .map_err(|problem| io::Error::other(format!("{}: {problem}", path.display())))?;
                writeln!(code, "    ({name:?}, {:?}),", parsed.to_string()).map_err(io::Error::other)?;
            }
        }
        code.push_str("];\n");
        fs::write(out.join(file), code)?;
    }
    Ok(())
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    Ok(paths)
}

/// Whatever lies under `rules/` is a YAML file in one of the folders.
fn refuse_strays(root: &Path) -> io::Result<()> {
    let known: Vec<&str> = FOLDERS.iter().flat_map(|(_, _, folders)| folders.iter().copied()).collect();
    let refuse = |path: &Path| {
        Err(io::Error::other(format!(
            "{} would not be loaded: a rule is a .yaml file in one of rules/{{{}}}",
            path.display(),
            known.join(",")
        )))
    };
    for entry in fs::read_dir(root)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !path.is_dir() || !known.contains(&name.as_str()) {
            return refuse(&path);
        }
        for entry in fs::read_dir(&path)? {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != "yaml") {
                return refuse(&path);
            }
        }
    }
    Ok(())
}
