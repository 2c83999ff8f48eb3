//! What the environment asks for and this trainer cannot do: refused rather than passed over in silence.

/// Checks the variables that an operator sets for its trainers.
///
/// # Errors
/// Checkpoints should go to an object store.
pub fn check(variable: impl Fn(&str) -> Option<String>) -> anyhow::Result<()> {
    if let Some(uri) = variable("REAL_CHECKPOINT_URI").filter(|uri| !uri.is_empty()) {
        anyhow::bail!(
            "REAL_CHECKPOINT_URI is {uri}, but this trainer cannot write checkpoints to an object store: they go to the run \
             directory; keep them in a persistentVolumeClaim (spec.checkpoint.storage.persistentVolumeClaim)"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &str, value: &str) -> anyhow::Result<()> {
        check(|asked| (asked == name).then(|| value.to_owned()))
    }

    #[test]
    fn a_local_run_directory_is_what_can_be_done() {
        check(|_| None).expect("nothing is asked for");
        with("REAL_CHECKPOINT_URI", "").expect("no object store");
    }

    #[test]
    fn anything_else_is_refused_with_its_value() {
        for (name, value) in [("REAL_CHECKPOINT_URI", "s3://bucket/prefix")] {
            let error = with(name, value).expect_err("it cannot be done").to_string();
            assert!(error.starts_with(name) && error.contains(value), "{error}");
        }
    }
}
