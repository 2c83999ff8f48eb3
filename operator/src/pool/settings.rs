//! What is the same for all pools.

use crate::images::Images;

/// What the planner has to know besides the objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Images where a pool names none.
    pub images: Images,
    /// Namespace of the operator, from which it asks the fleets for their load.
    pub namespace: String,
    /// Base URL of the operator's own Service. KEDA reads `{url}/v1/pools/{namespace}/{pool}/{fleet}`, which answers
    /// `{"demand": n}`, where there is no Prometheus.
    pub url: String,
    /// Base URL of a Prometheus that scrapes the operator, for KEDA to ask.
    pub prometheus: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            images: Images::default(),
            namespace: "real-system".to_owned(),
            url: "http://real-operator.real-system.svc:8080".to_owned(),
            prometheus: None,
        }
    }
}
