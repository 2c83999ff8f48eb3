//! The node's network: a device with the node's address, and a route for everything else to it, so that packets to Services
//! reach the rules of kube-proxy. There is no way out.

use std::fs;
use std::net::Ipv4Addr;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Address of the node.
pub(super) const NODE: Ipv4Addr = Ipv4Addr::new(10, 200, 0, 1);
/// Addresses of pods.
pub(super) const PODS: &str = "10.244.0.0/24";

/// Sets up the network namespace that this process is in.
pub(super) fn set_up() -> Result<()> {
    let address = format!("{NODE}/24");
    let gateway = NODE.to_string();
    for arguments in [
        &["link", "set", "lo", "up"][..],
        // A bridge without members is up whenever it is set up; other devices without a cable are not there in every kernel.
        &["link", "add", "node0", "type", "bridge"],
        &["address", "add", &address, "dev", "node0"],
        &["link", "set", "node0", "up"],
        &["route", "add", "default", "via", &gateway],
    ] {
        let output = Command::new("ip").args(arguments).output().context("ip of iproute2 cannot be started")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "ip {}: {said}", arguments.join(" "));
    }
    fs::write("/proc/sys/net/ipv4/ip_forward", "1").context("IP forwarding cannot be switched on")
}
