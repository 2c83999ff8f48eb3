//! A real Kubernetes control plane for tests: etcd and kube-apiserver as processes of the test, and a proxy before them that
//! injects faults.
//!
//! ```no_run
//! # async fn test() -> anyhow::Result<()> {
//! let cluster = real_test_kube::shared(); // one a test program; `ControlPlane::start()` for one of your own
//! cluster.apply_crds().await?;
//! let namespace = cluster.namespace("training").await;
//! let client = cluster.client();
//! println!("{}", cluster.kubectl(&["get", "realtrainingjobs", "-n", &namespace], None).expect_success());
//! # Ok(()) }
//! ```
//!
//! What is not there: no controller-manager, so nothing acts on Jobs or Deployments, no owner's deletion is passed on, and a
//! deleted namespace stays; no scheduler and no nodes. A test that needs pods to run needs a whole [`cluster`].

#![forbid(unsafe_code)]

mod access;
mod certificates;
pub mod cluster;
mod commands;
mod control_plane;
mod crds;
mod kubeconfig;
mod kueue;
pub mod ports;
mod process;
pub mod programs;
pub mod proxy;
mod watchdog;

pub use certificates::Identity;
pub use commands::Output;
pub use control_plane::{ControlPlane, shared};
pub use proxy::{Call, Fault, Proxy, Verb};
