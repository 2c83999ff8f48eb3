//! A whole cluster of one node on this machine: etcd, API server, controller manager, scheduler, kube-proxy, `CoreDNS`, kubelet
//! and containerd as processes, for pods that really run.
//!
//! All of it lives in a PID, a mount and a network namespace of its own, whose first process ([`init`]) starts the programs and
//! starts again what ends. So nothing of it can be seen from, or leak into, the machine: the end of that one process is the end
//! of every process, mount, network device and packet filter of the cluster. What remains, a folder and the control groups, is
//! removed by [`Cluster::down`].
//!
//! The API server is reached at a loopback port of the machine: that listener is opened outside and handed to [`init`], and a
//! socket stays in the network namespace it was made in.

mod cgroups;
mod config;
mod folder;
mod forward;
mod init;
mod network;
mod preflight;
mod ready;

use std::fs::{self, File, TryLockError};
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

pub use folder::Folder;
pub use init::init;

use crate::programs;

/// Long enough for a machine that builds something else at the same time.
const DEADLINE: Duration = Duration::from_mins(3);
/// The same for the end of everything.
const END: Duration = Duration::from_mins(1);

/// A cluster that runs.
#[derive(Debug)]
pub struct Cluster {
    folder: Folder,
    init: u32,
}

impl Cluster {
    /// The cluster of a folder, if it runs.
    ///
    /// # Errors
    /// Where that cannot be found out.
    pub fn running(folder: &Folder) -> Result<Option<Self>> {
        if !is_locked(&folder.lock())? {
            return Ok(None);
        }
        let text =
            fs::read_to_string(folder.pid()).context("the cluster is being started or ended by somebody else")?;
        let init = text.trim().parse().with_context(|| format!("{} holds '{text}'", folder.pid().display()))?;
        Ok(Some(Self { folder: folder.clone(), init }))
    }

    /// Starts a cluster, and returns when its node is ready; where one runs, returns that.
    ///
    /// # Errors
    /// Where this machine cannot have one, or it does not become ready; with the end of the log that says why.
    pub fn up(folder: &Folder) -> Result<Self> {
        if let Some(running) = Self::running(folder)? {
            return Ok(running);
        }
        preflight::check(folder)?;
        let programs = programs::folder_with(&["--node"])?;
        // Of one that was killed.
        remove(folder)?;
        folder.create()?;
        cgroups::create(&cgroups::name(folder))?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no loopback port is free")?;
        config::write(folder, listener.local_addr()?.port())?;
        let cluster = Self { folder: folder.clone(), init: spawn(folder, &programs, listener)? };
        fs::write(folder.pid(), cluster.init.to_string())?;
        if let Err(error) = ready::wait(folder, Instant::now() + DEADLINE) {
            bail!("{error:#}\n{}", folder.tails());
        }
        Ok(cluster)
    }

    /// Ends the cluster of a folder, and everything that it holds, running or not.
    ///
    /// # Errors
    /// Where something is left, with what it is.
    pub fn down(folder: &Folder) -> Result<()> {
        if let Some(cluster) = Self::running(folder)? {
            // The kernel takes all others of its namespace with it.
            match kill(Pid::from_raw(cluster.init.cast_signed()), Signal::SIGKILL) {
                Err(error) if error != Errno::ESRCH => bail!("process {} cannot be killed: {error}", cluster.init),
                _ => {}
            }
            let end = Instant::now() + END;
            while is_alive(cluster.init) {
                ensure!(Instant::now() < end, "process {} of the cluster does not end", cluster.init);
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        remove(folder)
    }

    /// Where it keeps its files and logs.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// A command that runs `program` in the cluster's namespaces, as a program of the node would.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.init.to_string(), "--mount", "--pid", "--net", program]);
        command
    }

    /// A command that talks to the node's containerd.
    pub fn ctr(&self) -> Command {
        let mut command = self.command("ctr");
        command.args(["--address", config::CONTAINERD_SOCKET, "--namespace", "k8s.io"]);
        command
    }

    /// Gives the node the images of an archive, as `docker save` writes them.
    ///
    /// # Errors
    /// Where containerd refuses it.
    pub fn import(&self, archive: &Path) -> Result<()> {
        let archive = archive.canonicalize().with_context(|| format!("there is no {}", archive.display()))?;
        let output = self.ctr().args(["images", "import"]).arg(&archive).stdin(Stdio::null()).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{} cannot be imported: {said}", archive.display());
        Ok(())
    }

    /// Kills a program of the cluster, such as `kube-apiserver`, without warning; it is started again at once.
    ///
    /// # Errors
    /// Where there is no such program.
    pub fn kill(&self, program: &str) -> Result<()> {
        let status = self.command("pkill").args(["-KILL", "--parent", "1", "--exact", &comm(program)]).status()?;
        ensure!(status.success(), "no {program} runs in the cluster");
        Ok(())
    }
}

/// The name by which the kernel knows a program: its first 15 bytes.
fn comm(program: &str) -> String {
    program.chars().take(15).collect()
}

fn spawn(folder: &Folder, programs: &Path, listener: TcpListener) -> Result<u32> {
    let log = File::options().create(true).append(true).open(folder.log("cluster"))?;
    let this = std::env::current_exe().context("this program's own file cannot be found")?;
    // A session of its own: neither Ctrl-C nor the end of a terminal is meant for a cluster that stays.
    let child = Command::new("setsid")
        .args([
            "unshare",
            "--mount",
            "--propagation",
            "private",
            "--pid",
            "--mount-proc",
            "--net",
            "--fork",
            "--kill-child",
            "--",
        ])
        .arg(this)
        .arg("init")
        .arg(programs)
        .env("REAL_CLUSTER_DIR", folder.path())
        .stdin(OwnedFd::from(listener))
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .context("setsid and unshare of util-linux cannot be started")?;
    let children = format!("/proc/{0}/task/{0}/children", child.id());
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        let text = fs::read_to_string(&children).unwrap_or_default();
        if let Ok(init) = text.trim().parse()
            && is_locked(&folder.lock())?
        {
            return Ok(init);
        }
        ensure!(Instant::now() < end, "the cluster's first process did not start:\n{}", folder.tails());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The first process of a cluster holds this lock as long as it lives.
fn is_locked(path: &Path) -> Result<bool> {
    let Ok(file) = File::open(path) else { return Ok(false) };
    match file.try_lock() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("{} cannot be locked", path.display())),
    }
}

fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}

fn remove(folder: &Folder) -> Result<()> {
    cgroups::remove(&cgroups::name(folder))?;
    folder.remove()
}

/// The folder of the cluster: `REAL_CLUSTER_DIR`, or one in the cache.
///
/// # Errors
/// Where the cache's place cannot be found.
pub fn default_folder() -> Result<Folder> {
    if let Some(folder) = std::env::var_os("REAL_CLUSTER_DIR").filter(|folder| !folder.is_empty()) {
        return Ok(Folder::new(std::path::absolute(PathBuf::from(folder))?));
    }
    Ok(Folder::new(programs::cache_dir()?.join("cluster")))
}
