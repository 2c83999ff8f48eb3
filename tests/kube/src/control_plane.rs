//! etcd and kube-apiserver: their files, their flags, their lives.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use rcgen::KeyPair;

use crate::certificates::{Authority, Identity};
use crate::kubeconfig::{self, Credentials};
use crate::process::Process;
use crate::watchdog::Watchdog;
use crate::{ports, programs};

/// What has not happened by then does not happen, however busy the machine is.
const DEADLINE: Duration = Duration::from_mins(5);
/// The loopback names, and those by which pods reach the server on a node of the same machine.
const SERVER_NAMES: [&str; 5] = ["127.0.0.1", "localhost", "kubernetes.default.svc", "10.96.0.1", "10.200.0.1"];
/// A port that was free may be taken, by who does not ask [`ports`], by the time a server binds it.
const ATTEMPTS: usize = 5;

/// A Kubernetes control plane of its own, gone when dropped, and also when the test process is killed.
#[derive(Debug)]
pub struct ControlPlane {
    folder: PathBuf,
    kubeconfig: PathBuf,
    authority: Authority,
    admin: Identity,
    url: String,
    etcd_flags: Vec<String>,
    api_server_flags: Vec<String>,
    servers: Mutex<Servers>,
    /// Last: it removes the folder.
    _watchdog: Watchdog,
}

/// Fields are dropped in this order: an API server without etcd takes its time to give up.
#[derive(Debug)]
struct Servers {
    kueue: Option<Process>,
    controller_manager: Option<Process>,
    /// `None` where stopped.
    api_server: Option<Process>,
    /// `None` while it is started again.
    etcd: Option<Process>,
}

/// The control plane that all tests of a process share; started by whoever asks first.
///
/// # Panics
/// Where it does not start.
pub fn shared() -> &'static ControlPlane {
    static SHARED: OnceLock<Result<ControlPlane, String>> = OnceLock::new();
    let shared = SHARED.get_or_init(|| ControlPlane::start().map_err(|error| format!("{error:#}")));
    shared.as_ref().unwrap_or_else(|error| panic!("no control plane: {error}"))
}

impl ControlPlane {
    /// Starts one, and returns when it is ready.
    ///
    /// # Errors
    /// Where the programs cannot be had, or one of them does not start; with the end of its log.
    pub fn start() -> Result<Self> {
        Self::start_with(&[])
    }

    /// Starts one whose API server has more flags.
    ///
    /// # Errors
    /// As [`ControlPlane::start`].
    pub fn start_with(api_server_flags: &[&str]) -> Result<Self> {
        let mut attempt = 1;
        loop {
            match Self::try_start(api_server_flags) {
                Err(error) if attempt < ATTEMPTS && format!("{error:#}").contains("address already in use") => {
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    fn try_start(api_server_flags: &[&str]) -> Result<Self> {
        let programs = programs::folder()?;
        let folder = tempfile::Builder::new().prefix("real-kube-").tempdir()?.keep();
        let watchdog = Watchdog::over(&folder)?;
        let authority = Authority::new()?;
        let admin = authority.client("admin", Some("system:masters"))?;
        write_files(&folder, &authority)?;

        let deadline = Instant::now() + DEADLINE;
        let (client_port, peer_port, port) = (ports::free()?, ports::free()?, ports::free()?);
        let etcd_flags = etcd_flags(&folder, client_port, peer_port);
        let mut etcd = Process::start(programs, "etcd", &folder, &etcd_flags)?;
        if !ports::wait_open(client_port, deadline, || etcd.ended().is_none()) {
            bail!("etcd did not start; its log ends with\n{}", etcd.tail());
        }

        let url = format!("https://127.0.0.1:{port}");
        let credentials = Credentials::Certificate(&admin);
        let text = kubeconfig::text(&url, Some(&authority.certificate()), &credentials);
        let kubeconfig = folder.join("kubeconfig");
        fs::write(&kubeconfig, text)?;
        let mut flags = server_flags(&folder, client_port, port);
        flags.extend(api_server_flags.iter().map(|flag| (*flag).to_owned()));
        let control_plane = Self {
            folder,
            kubeconfig,
            authority,
            admin,
            url,
            etcd_flags,
            api_server_flags: flags,
            servers: Mutex::new(Servers { kueue: None, controller_manager: None, api_server: None, etcd: Some(etcd) }),
            _watchdog: watchdog,
        };
        control_plane.start_api_server()?;
        Ok(control_plane)
    }

    /// Kills the API server, then etcd, and removes their files. The same as dropping it.
    pub fn stop(self) {
        drop(self);
    }

    /// Kills the API server without warning; etcd goes on.
    pub fn stop_api_server(&self) {
        self.servers().api_server = None;
    }

    /// Starts the API server again, at the same address and with what etcd holds, and waits until it is ready.
    ///
    /// # Errors
    /// Where it does not become ready; with the end of its log.
    pub fn start_api_server(&self) -> Result<()> {
        let mut servers = self.servers();
        let mut server = Process::start(programs::folder()?, "kube-apiserver", &self.folder, &self.api_server_flags)?;
        if let Err(error) = self.wait_ready(&mut server) {
            // What an API server without etcd says is not why.
            if let Some((status, log)) = servers.etcd.as_mut().and_then(|etcd| Some((etcd.ended()?, etcd.tail()))) {
                bail!("etcd ended ({status}); its log ends with\n{log}");
            }
            return Err(error);
        }
        servers.api_server = Some(server);
        Ok(())
    }

    /// Kills etcd without warning under the API server, and starts it again with what it has kept.
    ///
    /// # Errors
    /// Where the two do not become ready; with the end of a log.
    pub fn restart_etcd(&self) -> Result<()> {
        let mut servers = self.servers();
        servers.etcd = None;
        servers.etcd = Some(Process::start(programs::folder()?, "etcd", &self.folder, &self.etcd_flags)?);
        match &mut servers.api_server {
            Some(server) => self.wait_ready(server),
            None => Ok(()),
        }
    }

    /// Starts kube-controller-manager, of which only the controllers act that `flags` name. It has to be built by
    /// `scripts/build-kube --node`.
    ///
    /// # Errors
    /// Where it does not start.
    pub fn start_controller_manager(&self, flags: &[&str]) -> Result<()> {
        let kubeconfig = format!("--kubeconfig={}", self.kubeconfig.display());
        let port = format!("--secure-port={}", ports::free()?);
        let certificates = format!("--cert-dir={}", self.folder.display());
        let own = [kubeconfig.as_str(), &port, &certificates, "--bind-address=127.0.0.1", "--leader-elect=false"];
        // Before another writes its number: the end of the old one removes that.
        self.servers().controller_manager = None;
        let flags: Vec<String> = own.iter().chain(flags).map(|flag| (*flag).to_owned()).collect();
        let manager = Process::start(programs::folder()?, "kube-controller-manager", &self.folder, &flags)?;
        self.servers().controller_manager = Some(manager);
        Ok(())
    }

    /// Kills the API server without warning and starts it again.
    ///
    /// # Errors
    /// As [`ControlPlane::start_api_server`].
    pub fn restart_api_server(&self) -> Result<()> {
        self.stop_api_server();
        self.start_api_server()
    }

    /// Base URL of the API server.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where its files and logs are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The administrator's kubeconfig, which needs no other file.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The administrator's certificate.
    pub fn admin(&self) -> &Identity {
        &self.admin
    }

    pub(crate) fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Runs a program of its own, which ends with the control plane.
    pub(crate) fn keep_kueue(&self, process: Process) {
        self.servers().kueue = Some(process);
    }

    fn servers(&self) -> std::sync::MutexGuard<'_, Servers> {
        // A panic in another test leaves nothing half done that matters here.
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_ready(&self, server: &mut Process) -> Result<()> {
        let deadline = Instant::now() + DEADLINE;
        // A thread of its own: the caller may or may not be a task of a runtime, and must not block one from within.
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                runtime.block_on(async {
                    let client = self.client();
                    loop {
                        let error = match ready(&client).await {
                            Ok(()) => return Ok(()),
                            Err(error) => error,
                        };
                        if let Some(status) = server.ended() {
                            bail!("kube-apiserver ended ({status}); its log ends with\n{}", server.tail());
                        }
                        if Instant::now() > deadline {
                            bail!("kube-apiserver is not ready: {error:#}; its log ends with\n{}", server.tail());
                        }
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                })
            });
            thread.join().map_err(|_| anyhow!("the thread that waits for the API server panicked"))?
        })
    }
}

/// Ready, and past what it creates itself after it says so.
async fn ready(client: &kube::Client) -> Result<()> {
    client.request_text(http::Request::get("/readyz").body(Vec::new())?).await?;
    Api::<Namespace>::all(client.clone()).get("default").await?;
    Ok(())
}

pub(crate) fn write_files(folder: &Path, authority: &Authority) -> Result<()> {
    let server = authority.server(&SERVER_NAMES)?;
    let tokens = KeyPair::generate()?;
    for (name, text) in [
        ("ca.pem", authority.certificate()),
        ("server.pem", server.certificate),
        ("server.key", server.key),
        ("tokens.key", tokens.serialize_pem()),
        ("tokens.pem", tokens.public_key_pem()),
    ] {
        fs::write(folder.join(name), text)
            .with_context(|| format!("{name} cannot be written to {}", folder.display()))?;
    }
    Ok(())
}

pub(crate) fn etcd_flags(folder: &Path, client_port: u16, peer_port: u16) -> Vec<String> {
    let client = format!("http://127.0.0.1:{client_port}");
    let peer = format!("http://127.0.0.1:{peer_port}");
    vec![
        format!("--data-dir={}", folder.join("etcd").display()),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster=default={peer}"),
        // What a crash of the machine would lose is thrown away anyhow.
        "--unsafe-no-fsync".to_owned(),
        "--log-level=warn".to_owned(),
    ]
}

pub(crate) fn server_flags(folder: &Path, etcd_port: u16, port: u16) -> Vec<String> {
    let file = |name: &str| folder.join(name).display().to_string();
    vec![
        format!("--etcd-servers=http://127.0.0.1:{etcd_port}"),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--secure-port={port}"),
        format!("--cert-dir={}", folder.display()),
        format!("--tls-cert-file={}", file("server.pem")),
        format!("--tls-private-key-file={}", file("server.key")),
        format!("--client-ca-file={}", file("ca.pem")),
        format!("--service-account-key-file={}", file("tokens.pem")),
        format!("--service-account-signing-key-file={}", file("tokens.key")),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        "--service-cluster-ip-range=10.96.0.0/16".to_owned(),
        "--authorization-mode=Node,RBAC".to_owned(),
        // It would publish the address of the machine's network, which is none of the tests' business.
        "--endpoint-reconciler-type=none".to_owned(),
        "--allow-privileged=true".to_owned(),
        // A minute, the default, is less than a large definition takes on a machine that does much else.
        "--request-timeout=10m".to_owned(),
    ]
}
