//! Where a model's folder is.

use std::path::{Path, PathBuf};

use super::ModelError;

type BundledFile = (&'static str, &'static [u8]);
type BundledModel = (&'static str, &'static [BundledFile]);

// `BUNDLED`: the files under `models/`, written by build.rs.
include!(concat!(env!("OUT_DIR"), "/bundled.rs"));

/// The folder that `uri` names: a path, `file://` and a path, `hf://ORG/NAME[@REVISION][/PATH]` or
/// `s3://BUCKET/KEY` (`gs://`, `az://`), which are fetched into the cache first, or `bundled://NAME`, whose files are then written to `scratch/NAME`.
///
/// # Errors
/// There is no such folder or bundled model, the scheme is unknown, or `scratch` cannot be written.
pub fn resolve(uri: &str, scratch: &Path) -> Result<PathBuf, ModelError> {
    let location = |reason: String| ModelError::Location { uri: uri.to_owned(), reason };
    if let Some(name) = uri.strip_prefix("bundled://") {
        let Some((_, files)) = BUNDLED.iter().find(|(bundled, _)| *bundled == name) else {
            let known: Vec<&str> = BUNDLED.iter().map(|(name, _)| *name).collect();
            return Err(location(format!("no such bundled model; there are: {}", known.join(", "))));
        };
        let dir = scratch.join(name);
        std::fs::create_dir_all(&dir).map_err(|e| ModelError::write(&dir, e))?;
        for (file, content) in *files {
            let path = dir.join(file);
            std::fs::write(&path, content).map_err(|e| ModelError::write(&path, e))?;
        }
        return Ok(dir);
    }
    let path = match uri.split_once("://") {
        None => PathBuf::from(uri),
        Some(("file", path)) => PathBuf::from(path),
        Some((scheme, _)) if real_sources::has_folders(scheme) => {
            real_sources::folder(uri).map_err(|source| ModelError::Fetch { uri: uri.to_owned(), source })?
        }
        Some((scheme, _)) => {
            return Err(location(format!(
                "{scheme}:// is not supported; give a folder, file://, hf://, s3://, gs://, az:// or bundled://"
            )));
        }
    };
    if path.is_dir() { Ok(path) } else { Err(location("no such folder".into())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bundled_models_are_those_that_jobs_may_name() {
        let names: Vec<&str> = BUNDLED.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, real_crds::config::BUNDLED_MODELS);
    }
}
