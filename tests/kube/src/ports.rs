//! Free ports.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::ops::RangeInclusive;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// Below it are the ports of well-known services.
const FIRST: u16 = 10_000;
/// As many as tests that run side by side may want.
const FEWEST: usize = 1_000;
const EPHEMERAL: &str = "/proc/sys/net/ipv4/ip_local_port_range";

/// A loopback port that no other process which asks here is given while this one lives.
///
/// It is none that the kernel gives to connections: one of those would have the port before the server that was told to bind it,
/// and who waits for that server could even be connected to itself.
///
/// # Errors
/// None is free, or the kernel does not say which it gives to connections.
pub fn free() -> Result<u16> {
    static TAKEN: Mutex<Vec<UnixListener>> = Mutex::new(Vec::new());
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    let ports = candidates(&ephemeral()?);
    // Processes that start at once begin at places of their own.
    let begin = std::process::id() as usize * 64 % ports.len();
    for port in ports[begin..].iter().chain(&ports[..begin]) {
        let Some(name) = reserve(*port)? else { continue };
        if TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok() {
            taken.push(name);
            return Ok(*port);
        }
    }
    anyhow::bail!("none of the {} loopback ports that tests may have is free", ports.len())
}

/// Ports that are none for connections; all where the kernel leaves hardly any, as on machines with very many connections: then
/// whoever is told to bind one has to be told another where it is taken.
fn candidates(ephemeral: &RangeInclusive<u16>) -> Vec<u16> {
    let outside: Vec<u16> = (FIRST..=u16::MAX).filter(|port| !ephemeral.contains(port)).collect();
    if outside.len() < FEWEST { (FIRST..=u16::MAX).collect() } else { outside }
}

/// The ports that the kernel gives to connections.
fn ephemeral() -> Result<RangeInclusive<u16>> {
    let text = fs::read_to_string(EPHEMERAL).with_context(|| format!("{EPHEMERAL} cannot be read"))?;
    let mut ends = text.split_whitespace().map(str::parse);
    match (ends.next(), ends.next()) {
        (Some(Ok(first)), Some(Ok(last))) => Ok(first..=last),
        _ => anyhow::bail!("{EPHEMERAL} holds '{}'", text.trim()),
    }
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
        let allowed = candidates(&ephemeral().unwrap());
        assert!(given.iter().all(|port| allowed.contains(port)), "{given:?}");
    }

    #[test]
    fn there_are_ports_whatever_the_kernel_gives_to_connections() {
        let usual = candidates(&(32_768..=60_999));
        assert!(
            usual.iter().all(|port| *port < 32_768 || *port > 60_999) && usual.contains(&10_000),
            "{}",
            usual.len()
        );
        assert_eq!(candidates(&(1_024..=60_999)), (61_000..=u16::MAX).collect::<Vec<_>>());
        assert_eq!(candidates(&(1_024..=u16::MAX)).len(), 55_536);
    }

    #[test]
    fn a_port_that_is_served_is_not_given() {
        let port = free().unwrap();
        let _served = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        assert!(reserve(port).unwrap().is_none());
        assert!((0..100).all(|_| free().unwrap() != port));
    }
}
