//! The services that judge answers.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A service that ends with the test.
pub(crate) struct Service {
    child: Child,
    pub(crate) address: String,
}

impl Service {
    /// Starts a program that lies beside `real-trainer`; none where it was not built.
    pub(crate) fn start(name: &str) -> Option<Self> {
        let program = Path::new(env!("CARGO_BIN_EXE_real-trainer")).with_file_name(name);
        if !program.is_file() {
            println!("skipped: {} is not built (cargo build -p {name})", program.display());
            return None;
        }
        let mut child = Command::new(program)
            .args(["serve", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the service starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        let address = line.trim().strip_prefix("listening on ").expect("the address").to_owned();
        Some(Self { child, address })
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
