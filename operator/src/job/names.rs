//! Names of what belongs to a training job.

/// Names of one job's children. A job's name has at most 48 characters, so that all of these fit into a DNS label.
#[derive(Clone, Debug)]
pub struct Names<'a>(pub &'a str);

impl Names<'_> {
    /// Headless Service; gives the pods their DNS names.
    pub fn service(&self) -> String {
        self.0.to_owned()
    }

    /// Network policy.
    pub fn network_policy(&self) -> String {
        format!("{}-trainer", self.0)
    }

    /// Job of an attempt.
    pub fn attempt(&self, attempt: u32) -> String {
        format!("{}-{attempt}", self.0)
    }
}
