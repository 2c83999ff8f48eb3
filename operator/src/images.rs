//! Container images that are used where an object names none.

/// Images and how they are pulled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Images {
    /// Trainer.
    pub trainer: String,
    /// Detector.
    pub detector: String,
    /// Sandbox.
    pub sandbox: String,
    /// `IfNotPresent`, `Always` or `Never`.
    pub pull_policy: String,
}

impl Default for Images {
    fn default() -> Self {
        let own = |name: &str| format!("{name}:{}", env!("CARGO_PKG_VERSION"));
        Self {
            trainer: own("real-trainer"),
            detector: own("real-detector"),
            sandbox: own("real-sandbox"),
            pull_policy: "IfNotPresent".to_owned(),
        }
    }
}
