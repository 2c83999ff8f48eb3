//! What attacks leave behind.

use std::fs;
use std::io;
use std::time::Duration;

use crate::Aim;

/// Time that the kernel gets to end what was killed.
const GRACE: Duration = Duration::from_millis(100);

/// Command lines of processes that attacks have started on this machine, in whatever container, and that are still there.
///
/// # Errors
/// Where `/proc` cannot be read: then nobody knows.
pub fn survivors(aim: &Aim) -> io::Result<Vec<String>> {
    std::thread::sleep(GRACE);
    let processes = fs::read_dir("/proc")?.flatten();
    let commands = processes.filter_map(|process| fs::read_to_string(process.path().join("cmdline")).ok());
    let marker = format!("\0{}", aim.sleep);
    Ok(commands.filter(|command| command.contains(&marker)).map(|command| command.replace('\0', " ")).collect())
}
