//! What the environment asks for and this trainer cannot do: refused rather than passed over in silence.

/// Checks the variables that an operator sets for its trainers.
///
/// # Errors
/// There should be more than one process.
pub fn check(variable: impl Fn(&str) -> Option<String>) -> anyhow::Result<()> {
    if let Some(size) = variable("WORLD_SIZE").filter(|size| size != "1") {
        // Each process would train a model of its own, and all but one would be thrown away.
        anyhow::bail!(
            "WORLD_SIZE is '{size}', but only one process is supported yet: it has to be 1 or unset \
             (spec.trainer.nodes and spec.trainer.processesPerNode are 1)"
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
    fn one_process_is_what_can_be_done() {
        check(|_| None).expect("nothing is asked for");
        with("WORLD_SIZE", "1").expect("one process");
    }

    #[test]
    fn anything_else_is_refused_with_its_value() {
        for (name, value) in [("WORLD_SIZE", "2"), ("WORLD_SIZE", "")] {
            let error = with(name, value).expect_err("it cannot be done").to_string();
            assert!(error.starts_with(name) && error.contains(value), "{error}");
        }
    }
}
