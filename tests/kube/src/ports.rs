//! Free ports.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// A loopback port that was free a moment ago. Another process may take it first, so whoever binds it has to be able to try
/// another.
pub(crate) fn free() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no loopback port is free")?;
    Ok(listener.local_addr()?.port())
}

/// Whether someone accepts connections at `port` before `deadline`.
pub(crate) fn wait_open(port: u16, deadline: Instant, mut go_on: impl FnMut() -> bool) -> bool {
    while Instant::now() < deadline && go_on() {
        if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}
