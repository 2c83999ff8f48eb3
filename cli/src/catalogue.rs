//! What the detector on this machine has rules for.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

use crate::programs;

/// CWE numbers with a rule, as `real-detector rules` lists them: the program that will judge knows best.
///
/// # Errors
/// There is no such program, or it does not list its rules.
pub fn cwes() -> anyhow::Result<BTreeSet<u32>> {
    let program = programs::find("real-detector")?;
    let output = Command::new(&program)
        .arg("rules")
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {}", program.display()))?;
    let found = numbers(&String::from_utf8_lossy(&output.stdout));
    ensure!(
        output.status.success() && !found.is_empty(),
        "`{} rules` lists no rules: {}",
        program.display(),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(found)
}

/// The numbers that stand behind `CWE-`.
fn numbers(listing: &str) -> BTreeSet<u32> {
    let words = listing.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    words.filter_map(|word| word.strip_prefix("CWE-")?.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_from_a_listing() {
        let listing = "sql-injection        CWE-89    SQL is put together\nx  CWE-78 and (CWE-77): CWE-x\n";
        assert_eq!(numbers(listing), BTreeSet::from([77, 78, 89]));
    }
}
