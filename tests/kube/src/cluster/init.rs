//! The first process of a cluster: sets up its namespaces, starts its programs, and starts again what ends.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::mount::{MsFlags, mount};
use nix::sys::wait::{WaitStatus, wait};
use real_terminal::errln;

use super::folder::Folder;
use super::{config, forward, network};

/// Before a program that ended is started again.
const PAUSE: Duration = Duration::from_millis(300);

/// A program of the cluster.
pub(super) struct Program {
    pub(super) name: &'static str,
    pub(super) arguments: Vec<String>,
}

/// Runs the programs of `programs` for the cluster of `folder` until killed. Standard input is the listener at which the
/// machine reaches the API server.
///
/// # Errors
/// Where this is no first process of a namespace, or the namespaces cannot be set up.
pub fn init(folder: &Folder, programs: &Path) -> Result<()> {
    ensure!(std::process::id() == 1, "init is the first process of a cluster, which `up` starts");
    let lock = File::open(folder.lock())?;
    lock.try_lock().context("the folder belongs to another cluster")?;
    let listener = TcpListener::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    mounts(folder)?;
    network::set_up()?;
    let server = SocketAddr::from((Ipv4Addr::LOCALHOST, config::API_SERVER_PORT));
    thread::spawn(move || forward::forward(&listener, server));

    let mut running = Vec::new();
    for program in config::programs(folder) {
        running.push((start(folder, programs, &program)?, program));
    }
    loop {
        // Also what a container left behind, which falls to this process.
        let status = wait().context("there are no children left")?;
        let Some((pid, program)) =
            running.iter_mut().find(|(pid, _)| Some(*pid) == status.pid().map(nix::unistd::Pid::as_raw))
        else {
            continue;
        };
        if matches!(status, WaitStatus::Exited(..) | WaitStatus::Signaled(..)) {
            errln!("{} ended: {status:?}; starting it again", program.name);
            thread::sleep(PAUSE);
            *pid = start(folder, programs, program)?;
        }
    }
}

fn start(folder: &Folder, programs: &Path, program: &Program) -> Result<i32> {
    let log = File::options().create(true).append(true).open(folder.log(program.name))?;
    let built = programs.join(program.name);
    // What is not built here comes with the system.
    let path = if built.is_file() { built } else { program.name.into() };
    let child = Command::new(&path)
        .args(&program.arguments)
        // Proxies of the environment are not meant for a network without a way out.
        .env_clear()
        .env("HOME", folder.var(""))
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .with_context(|| format!("{} cannot be started", path.display()))?;
    // Waited for in `init`, with all others.
    Ok(child.id().cast_signed())
}

/// Gives the cluster places of its own wherever its programs write to fixed ones.
fn mounts(folder: &Folder) -> Result<()> {
    const NONE: Option<&str> = None;
    // Pods' volumes appear in containers that are there already only where mounts are shared within the node.
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_SHARED, NONE).context("mounts cannot be shared")?;
    mount(Some("tmpfs"), "/run", Some("tmpfs"), MsFlags::empty(), Some("mode=755"))
        .context("/run cannot be mounted")?;
    mount(Some(&folder.logs()), "/var/log", NONE, MsFlags::MS_BIND, NONE).context("/var/log cannot be mounted")?;
    let (upper, work) = (folder.var("lib"), folder.var("lib-work"));
    std::fs::create_dir_all(&upper)?;
    std::fs::create_dir_all(&work)?;
    let options = format!("lowerdir=/var/lib,upperdir={},workdir={}", upper.display(), work.display());
    mount(Some("overlay"), "/var/lib", Some("overlay"), MsFlags::empty(), Some(options.as_str()))
        .context("/var/lib cannot be mounted")
}
