//! Who holds a lease.

use std::fmt;

/// Name of a process in `spec.holderIdentity`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity(String);

impl Identity {
    /// An identity of this process alone: a container that restarts in the same pod must not take its predecessor's lease for
    /// its own.
    pub fn unique(pod: &str) -> Self {
        Self(format!("{pod}_{:016x}", rand::random::<u64>()))
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for Identity {
    fn from(name: String) -> Self {
        Self(name)
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_processes_of_one_pod_differ() {
        assert_ne!(Identity::unique("operator-0"), Identity::unique("operator-0"));
    }
}
