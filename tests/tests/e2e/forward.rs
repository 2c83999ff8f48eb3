//! `kubectl port-forward`.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use url::Url;

use crate::cluster::Namespace;

/// A way to a pod, shut when dropped.
pub(crate) struct Forward {
    child: Child,
    pub(crate) url: Url,
}

impl Forward {
    /// Opens a way to port 8080 of `target`, such as `pod/x` or `service/y`.
    pub(crate) fn to(namespace: &Namespace<'_>, target: &str) -> Self {
        let arguments = ["--namespace", &namespace.name, "port-forward", target, ":8080", "--address=127.0.0.1"];
        let mut child = namespace
            .cluster
            .command("kubectl", &arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("kubectl starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let line = lines.next().and_then(Result::ok).unwrap_or_default();
        // "Forwarding from 127.0.0.1:40123 -> 8080"
        let address =
            line.split_whitespace().nth(2).unwrap_or_else(|| panic!("port-forward to {target} says '{line}'"));
        let url = Url::parse(&format!("http://{address}")).expect("an address");
        // It says a line for each connection, and must not wait for a reader.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Self { child, url }
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
