//! What attacks leave behind.

use std::fs;
use std::io;
use std::time::Duration;

use crate::Aim;

/// How often the kernel is given time to end what was killed, and how much: a process needs a CPU to die.
const ROUNDS: u32 = 300;
const PAUSE: Duration = Duration::from_millis(100);

/// Command lines of processes that attacks have started on this machine, in whatever container, and that are still there.
///
/// # Errors
/// Where `/proc` cannot be read: then nobody knows.
pub fn survivors(aim: &Aim) -> io::Result<Vec<String>> {
    let marker = format!("\0{}", aim.sleep);
    for _ in 1..ROUNDS {
        if marked(&marker)?.is_empty() {
            return Ok(Vec::new());
        }
        std::thread::sleep(PAUSE);
    }
    marked(&marker)
}

fn marked(marker: &str) -> io::Result<Vec<String>> {
    let processes = fs::read_dir("/proc")?.flatten();
    let commands = processes.filter_map(|process| fs::read_to_string(process.path().join("cmdline")).ok());
    Ok(commands.filter(|command| command.contains(marker)).map(|command| command.replace('\0', " ")).collect())
}
