//! Cleans up after a test, however it ends.
//!
//! A `Drop` does not run in a process that is killed, nor for the value behind [`crate::shared`]. So a shell waits at the end
//! of a pipe that only the test process holds open; when it closes, what the folder's `*.pid` files name is killed and the
//! folder removed. (`PR_SET_PDEATHSIG` would not do: it fires when the *thread* that started a process ends, and each test is
//! a thread.)

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

const SCRIPT: &str = r#"
cat > /dev/null
for file in "$0"/*.pid; do [ -f "$file" ] && kill -KILL "$(cat "$file")"; done
rm -rf "$0" || { sleep 1; rm -rf "$0"; }
"#;

/// Guards a folder until it is dropped.
#[derive(Debug)]
pub(crate) struct Watchdog(Child);

impl Watchdog {
    pub(crate) fn over(folder: &Path) -> Result<Self> {
        let child = Command::new("sh")
            .args(["-c", SCRIPT])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C at a terminal must end the test, not the one who cleans up after it.
            .process_group(0)
            .spawn()
            .context("the shell that cleans up after a test cannot be started")?;
        Ok(Self(child))
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // An error would mean that it is gone already, and there is nobody to tell.
        let _ = self.0.wait();
    }
}
