//! What there are rules for.

use std::collections::BTreeSet;

use crate::rules::{RegistryError, registry};

/// CWE numbers with a rule.
///
/// # Errors
/// The rules cannot be loaded.
pub fn cwes() -> Result<BTreeSet<u32>, &'static RegistryError> {
    Ok(registry()?.cwes().into_iter().collect())
}

/// What is wrong with a wish for these CWE numbers: those without a rule, and those that have one. `None` where each has.
/// Nothing would ever be found for a number without a rule, which reads like a clean program.
///
/// # Errors
/// The rules cannot be loaded.
pub fn unknown_cwes(wanted: &[u32]) -> Result<Option<String>, &'static RegistryError> {
    let known = cwes()?;
    let list =
        |numbers: &mut dyn Iterator<Item = u32>| numbers.map(|cwe| cwe.to_string()).collect::<Vec<_>>().join(", ");
    let unknown = list(&mut wanted.iter().copied().filter(|cwe| !known.contains(cwe)));
    Ok((!unknown.is_empty())
        .then(|| format!("{unknown}: no rule for it; there are rules for {}", list(&mut known.iter().copied()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_without_a_rule_are_named_with_those_that_have_one() {
        assert_eq!(unknown_cwes(&[89]).unwrap(), None);
        let message = unknown_cwes(&[89, 9999, 1]).unwrap().unwrap();
        assert!(message.starts_with("9999, 1: no rule") && message.contains("89"), "{message}");
    }
}
