//! Free ports.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

/// Below it are the ports of well-known services.
const FIRST: u16 = 10_000;
const EPHEMERAL: &str = "/proc/sys/net/ipv4/ip_local_port_range";

/// A loopback port that no other process which asks here is given while this one lives.
///
/// It is none that the kernel gives to connections: one of those would have the port before the server that was told to bind it,
/// and who waits for that server could even be connected to itself.
pub(crate) fn free() -> Result<u16> {
    static TAKEN: Mutex<Vec<UnixListener>> = Mutex::new(Vec::new());
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    let end = ephemeral()?;
    ensure!(end > FIRST, "{EPHEMERAL} begins at {end} and leaves no port from {FIRST} on");
    let count = u32::from(end - FIRST);
    // Processes that start at once begin at places of their own.
    let begin = std::process::id().wrapping_mul(64);
    for step in 0..count {
        let port = FIRST + u16::try_from(begin.wrapping_add(step) % count)?;
        let Some(name) = reserve(port)? else { continue };
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            taken.push(name);
            return Ok(port);
        }
    }
    anyhow::bail!("none of the loopback ports {FIRST} to {} is free", end - 1)
}

/// The first port that the kernel gives to connections.
fn ephemeral() -> Result<u16> {
    let range = fs::read_to_string(EPHEMERAL).with_context(|| format!("{EPHEMERAL} cannot be read"))?;
    let first = range.split_whitespace().next().unwrap_or_default();
    first.parse().with_context(|| format!("{EPHEMERAL} holds '{}'", range.trim()))
}

/// A name that the kernel keeps for one process until that ends; `None` where another has it.
fn reserve(port: u16) -> Result<Option<UnixListener>> {
    let name = SocketAddr::from_abstract_name(format!("real-test-port-{port}"))?;
    match UnixListener::bind_addr(&name) {
        Ok(listener) => Ok(Some(listener)),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Ok(None),
        Err(error) => Err(error).context("a port cannot be reserved"),
    }
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_port_is_given_once_and_is_none_of_those_for_connections() {
        let given: Vec<u16> = (0..200).map(|_| free().unwrap()).collect();
        assert_eq!(given.iter().collect::<BTreeSet<_>>().len(), given.len());
        let end = ephemeral().unwrap();
        assert!(given.iter().all(|port| (FIRST..end).contains(port)), "{given:?}");
    }

    #[test]
    fn a_port_that_is_served_is_not_given() {
        let port = free().unwrap();
        let _served = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        assert!(reserve(port).unwrap().is_none());
        assert!((0..100).all(|_| free().unwrap() != port));
    }
}
