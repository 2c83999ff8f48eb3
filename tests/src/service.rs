//! A service as a process of its own.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use real_reward::ScorerConfig;

use crate::programs;

/// A running service; killed when dropped.
pub struct Service {
    name: &'static str,
    child: Child,
    /// `HOST:PORT`.
    pub address: String,
}

impl Service {
    /// Starts `real-detector` or `real-sandbox`, on a port that is its own also after its end.
    ///
    /// # Panics
    /// No port is free.
    pub fn start(name: &'static str) -> Self {
        let port = real_test_kube::ports::free().unwrap_or_else(|error| panic!("{error:#}"));
        Self::start_at(name, &format!("127.0.0.1:{port}"))
    }

    /// Starts it on a given address.
    pub fn start_at(name: &'static str, listen: &str) -> Self {
        Self::spawn(name, &["serve", "--listen", listen])
    }

    /// Starts any program that announces its address as the services do.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn spawn(name: &'static str, arguments: &[&str]) -> Self {
        let mut child = programs::command(name)
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{name} cannot be started: {error}"));
        let mut lines = BufReader::new(child.stdout.take().expect("its output is a pipe")).lines();
        let first = lines.next().and_then(Result::ok).unwrap_or_default();
        let address = first
            .strip_prefix("listening on http://")
            .unwrap_or_else(|| panic!("the first line of {name} is '{first}', not its address"))
            .to_owned();
        // Keeps the pipe open and empty.
        std::thread::spawn(move || lines.for_each(drop));
        Self { name, child, address }
    }

    /// Base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Kills it without warning and starts it again at the same address.
    ///
    /// # Panics
    /// Where it cannot be killed.
    pub fn kill_and_restart(&mut self) {
        self.kill();
        *self = Self::start_at(self.name, &self.address.clone());
    }

    /// Kills it without warning.
    ///
    /// # Panics
    /// Where it cannot be killed.
    pub fn kill(&mut self) {
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a child can be waited for");
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Already gone where a test killed it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A detector and a sandbox.
pub struct Services {
    /// Program analysis.
    pub detector: Service,
    /// Unit tests.
    pub sandbox: Service,
}

impl Services {
    /// Starts both.
    pub fn start() -> Self {
        Self { detector: Service::start("real-detector"), sandbox: Service::start("real-sandbox") }
    }

    /// The paper's configuration on these services.
    ///
    /// # Panics
    /// Never: addresses of services are URLs.
    pub fn config(&self) -> ScorerConfig {
        let url = |service: &Service| service.url().parse().expect("an address is a URL");
        ScorerConfig {
            detectors: vec![url(&self.detector)],
            sandboxes: vec![url(&self.sandbox)],
            ..ScorerConfig::default()
        }
    }
}
