//! Clients of the services: they spread requests, retry what is retriable, and say what went wrong.

mod backoff;
mod detector;
mod network;
mod pool;
mod sandbox;

pub(crate) use detector::DetectorClient;
pub(crate) use network::Network;
pub(crate) use sandbox::SandboxClient;

use crate::Reason;

/// A request that got no usable answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Failure {
    pub(crate) reason: Reason,
    pub(crate) attempts: u32,
}
