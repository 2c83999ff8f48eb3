//! Every folder of `hostile/` is an attack: a program, and the verdicts that are allowed. A new attack is a new folder.
//!
//! After each attack an honest program must still pass, and in the end nothing may be left of any of them.

mod server;

use std::fs;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use real_sandbox_api::{BatchRequest, Limits, Setup, Status, Test};
use serde::Deserialize;
use serde_json::json;
use server::Server;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expectation {
    #[serde(default)]
    setup: Setup,
    #[serde(default)]
    limits: Limits,
    tests: Vec<Test>,
    /// Verdicts that are allowed, for each test.
    allowed: Vec<Vec<Status>>,
}

/// What attacks aim at.
struct Targets {
    planted: tempfile::TempDir,
    listener: TcpListener,
    abstract_name: String,
    _abstract_listener: UnixListener,
    sleep: String,
}

impl Targets {
    fn new(tier: &str) -> Self {
        let planted = tempfile::tempdir().expect("a directory");
        fs::write(planted.path().join("secret"), "the secret").expect("a planted file");
        let abstract_name = format!("real-sandbox-target-{tier}-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&abstract_name).expect("an address");
        Self {
            planted,
            listener: TcpListener::bind("127.0.0.1:0").expect("a port"),
            _abstract_listener: UnixListener::bind_addr(&address).expect("a socket"),
            abstract_name,
            sleep: format!("7{}.{}", std::process::id(), if tier == "a" { 1 } else { 2 }),
        }
    }

    fn aim(&self, text: &str, server: &Server) -> String {
        let planted = self.planted.path().display().to_string();
        let port = self.listener.local_addr().expect("an address").port();
        text.replace("@SECRET@", &format!("{planted}/secret"))
            .replace("@PLANTED@", &planted)
            .replace("@PORT@", &port.to_string())
            .replace("@ABSTRACT@", &self.abstract_name)
            .replace("@SERVER@", &server.process.id().to_string())
            .replace("@SLEEP@", &self.sleep)
    }
}

fn attacks() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("hostile");
    let mut found: Vec<PathBuf> = fs::read_dir(root).expect("hostile/").flatten().map(|entry| entry.path()).collect();
    found.sort();
    assert!(found.len() >= 30, "the corpus is incomplete");
    found
}

async fn attack_all(tier: &str) {
    let Some(server) = Server::under(tier) else { return };
    let targets = Targets::new(tier);
    let mut wrong = Vec::new();
    for folder in attacks() {
        let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
        let program = targets.aim(&fs::read_to_string(folder.join("program.py")).expect("program.py"), &server);
        let text = targets.aim(&fs::read_to_string(folder.join("expect.yaml")).expect("expect.yaml"), &server);
        let expect: Expectation = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(expect.tests.len(), expect.allowed.len(), "{name}");
        let request = BatchRequest {
            id: Some(name.clone()),
            program,
            setup: expect.setup,
            tests: expect.tests,
            comparison: real_sandbox_api::Comparison::Exact,
            limits: expect.limits,
            stop_at_first_failure: false,
        };
        let response = server.batch(&request).await;
        for (result, allowed) in response.results.iter().zip(&expect.allowed) {
            if !allowed.contains(&result.status) {
                wrong.push(format!(
                    "{name}[{}]: {:?} ({}), allowed {allowed:?}",
                    result.name, result.status, result.detail
                ));
            }
        }
        let honest = json!({"kind": "stdin", "stdin": "honest\n", "stdout": "honest"});
        let tests = json!({"tests": [honest, honest]});
        for result in server.results("print(input())", tests).await {
            if result.status != Status::Passed {
                wrong.push(format!("after {name} an honest program got {:?} ({})", result.status, result.detail));
            }
        }
    }
    assert!(wrong.is_empty(), "tier {tier}:\n{}", wrong.join("\n"));
    assert!(leftovers(&targets.sleep).is_empty(), "processes survive: {:?}", leftovers(&targets.sleep));
    assert_eq!(fs::read_to_string(targets.planted.path().join("secret")).expect("the file"), "the secret");
    assert_eq!(fs::read_dir(targets.planted.path()).expect("the folder").count(), 1, "something was written outside");
    targets.listener.set_nonblocking(true).expect("a socket");
    assert!(targets.listener.accept().is_err(), "a program reached the network");
    let (code, health) = server.get("/healthz").await;
    assert_eq!(code, 200);
    assert!(health.contains("\"readyWorkers\":2"), "{health}");
}

/// Processes whose command line holds the marker, apart from what is already dead.
fn leftovers(marker: &str) -> Vec<String> {
    std::thread::sleep(Duration::from_millis(100));
    let commands = fs::read_dir("/proc").expect("/proc").flatten();
    let commands = commands.filter_map(|entry| fs::read_to_string(entry.path().join("cmdline")).ok());
    commands.filter(|command| command.contains(&format!("\0{marker}"))).collect()
}

#[tokio::test]
async fn attacks_fail_under_namespaces() {
    attack_all("a").await;
}

#[tokio::test]
async fn attacks_fail_under_landlock() {
    attack_all("b").await;
}
