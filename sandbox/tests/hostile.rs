//! The attacks of `hostile/` (`real-sandbox-attacks` runs them) fail under every tier that this machine has.
//!
//! After each attack an honest program must still pass, and in the end nothing may be left of any of them.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "tests print through their harness, which captures it")]

mod server;

use std::fs;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use real_sandbox_attacks::{Aim, Route, Selection, attack, survivors};
use server::Server;

/// What attacks aim at.
struct Targets {
    planted: tempfile::TempDir,
    listener: TcpListener,
    abstract_name: String,
    _abstract_listener: UnixListener,
    sleep: String,
}

impl Targets {
    fn new(tier: &str, route: Route) -> Self {
        let planted = tempfile::tempdir().expect("a directory");
        fs::write(planted.path().join("secret"), "the secret").expect("a planted file");
        let abstract_name = format!("real-sandbox-target-{tier}-{route}-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&abstract_name).expect("an address");
        Self {
            planted,
            listener: TcpListener::bind("127.0.0.1:0").expect("a port"),
            _abstract_listener: UnixListener::bind_addr(&address).expect("a socket"),
            abstract_name,
            sleep: format!("7{}.{}{}", std::process::id(), if tier == "a" { 1 } else { 2 }, 1 + route as u8),
        }
    }

    fn aim(&self, server: &Server) -> Aim {
        Aim {
            secret: self.planted.path().join("secret"),
            planted: self.planted.path().to_owned(),
            port: self.listener.local_addr().expect("an address").port(),
            abstract_name: self.abstract_name.clone(),
            server: server.process.id(),
            sleep: self.sleep.clone(),
        }
    }
}

async fn attack_all(tier: &str, route: Route) {
    let Some(server) = Server::under(tier) else { return };
    let targets = Targets::new(tier, route);
    let url = server.address.parse().expect("an address is a URL");
    let selection = Selection { routes: vec![route], ..Selection::default() };
    let report = attack(&url, &targets.aim(&server), &selection).await.expect("a sandbox");
    let wrong = report.wrong();
    assert!(wrong.is_empty(), "tier {tier}:\n{}", wrong.join("\n"));
    assert_eq!(survivors(&targets.aim(&server)).expect("/proc"), [""; 0], "processes survive");
    assert_eq!(fs::read_to_string(targets.planted.path().join("secret")).expect("the file"), "the secret");
    assert_eq!(fs::read_dir(targets.planted.path()).expect("the folder").count(), 1, "something was written outside");
    targets.listener.set_nonblocking(true).expect("a socket");
    assert!(targets.listener.accept().is_err(), "a program reached the network");
    // A zygote that had to go comes back, whether anybody asks for it or not.
    server.until_status(|status| status["readyWorkers"] == 2).await;
    assert_eq!(server.get("/healthz").await.0, 200);
}

#[tokio::test]
async fn attacks_fail_under_namespaces() {
    attack_all("a", Route::Batch).await;
}

#[tokio::test]
async fn attacks_fail_under_namespaces_by_run_code() {
    attack_all("a", Route::RunCode).await;
}

#[tokio::test]
async fn attacks_fail_under_landlock() {
    attack_all("b", Route::Batch).await;
}

#[tokio::test]
async fn attacks_fail_under_landlock_by_run_code() {
    attack_all("b", Route::RunCode).await;
}
