//! What attacks aim at.

use std::path::PathBuf;

/// What the attacks' placeholders stand for on the machine or in the pod where the sandbox runs. Each of them must exist
/// there, or an attack proves little: what is not there cannot be reached from a sandbox without walls either.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aim {
    /// `@SECRET@`: a file that the service could read and write, and no test.
    pub secret: PathBuf,
    /// `@PLANTED@`: a folder that the service could write to, and no test.
    pub planted: PathBuf,
    /// `@PORT@`: a port of the loopback address on which something listens.
    pub port: u16,
    /// `@ABSTRACT@`: name of an abstract socket that something listens on.
    pub abstract_name: String,
    /// `@SERVER@`: process id of the service.
    pub server: u32,
    /// `@SLEEP@`: seconds that processes sleep which outlive their test. A number that nobody else would sleep for finds
    /// those that do.
    pub sleep: String,
}

impl Aim {
    /// What there is in a pod of a `RewardPool`: the service is its first process and listens on port 8080, and there
    /// are a file and a folder that the container runtime makes writable for everybody. No abstract socket is known.
    pub fn pod() -> Self {
        Self {
            secret: "/dev/termination-log".into(),
            planted: "/dev/mqueue".into(),
            port: 8080,
            abstract_name: "real-sandbox-target".into(),
            server: 1,
            sleep: "7001.5".into(),
        }
    }

    /// Fills in the placeholders of a program or of an expectation.
    pub(crate) fn fill_in(&self, text: &str) -> String {
        text.replace("@SECRET@", &self.secret.display().to_string())
            .replace("@PLANTED@", &self.planted.display().to_string())
            .replace("@PORT@", &self.port.to_string())
            .replace("@ABSTRACT@", &self.abstract_name)
            .replace("@SERVER@", &self.server.to_string())
            .replace("@SLEEP@", &self.sleep)
    }
}
