//! `real-cluster`: a Kubernetes cluster of one node on this machine, for tests and for trying things out.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use real_terminal::{causes, errln, outln};
use real_test_kube::cluster::{Cluster, Folder, default_folder, init};
use real_test_kube::programs;

/// A Kubernetes cluster of one node on this machine: etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kube-proxy,
/// `CoreDNS`, kubelet and containerd, in namespaces of their own. Needs root.
#[derive(Parser)]
#[command(name = "real-cluster", version)]
struct Cli {
    #[command(subcommand)]
    command: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Start the cluster, unless it runs, and give it images
    Up {
        /// Archives of images, as `docker save` and `make images` write them
        images: Vec<PathBuf>,
    },
    /// End the cluster and remove all of it, its logs too
    Down,
    /// Run kubectl as the administrator
    #[command(trailing_var_arg = true, disable_help_flag = true)]
    Kubectl {
        /// What kubectl is told
        #[arg(allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Run helm as the administrator
    #[command(trailing_var_arg = true, disable_help_flag = true)]
    Helm {
        /// What helm is told
        #[arg(allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Run containerd's ctr on the node
    #[command(trailing_var_arg = true, disable_help_flag = true)]
    Ctr {
        /// What ctr is told
        #[arg(allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Kill a program of the cluster, such as kube-apiserver; it is started again
    Kill {
        /// The program
        program: String,
    },
    /// The first process of a cluster
    #[command(hide = true)]
    Init {
        /// Where the programs are
        programs: PathBuf,
    },
}

fn main() -> ExitCode {
    real_terminal::finish(match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            errln!("real-cluster: {}", causes(error.as_ref()));
            ExitCode::FAILURE
        }
    })
}

fn run(action: Action) -> Result<()> {
    let folder = default_folder()?;
    match action {
        Action::Up { images } => {
            let started = Instant::now();
            let cluster = Cluster::up(&folder)?;
            errln!("real-cluster: the node is ready ({:.1} s)", started.elapsed().as_secs_f64());
            for image in images {
                let started = Instant::now();
                cluster.import(&image)?;
                errln!("real-cluster: {} ({:.1} s)", image.display(), started.elapsed().as_secs_f64());
            }
            outln!("export KUBECONFIG={}", folder.kubeconfig().display());
            Ok(())
        }
        Action::Down => Cluster::down(&folder),
        Action::Kubectl { arguments } => user(&folder, "kubectl", &arguments),
        Action::Helm { arguments } => user(&folder, "helm", &arguments),
        Action::Ctr { arguments } => {
            Err(running(&folder)?.ctr().args(arguments).exec()).context("nsenter cannot be started")
        }
        Action::Kill { program } => running(&folder)?.kill(&program),
        Action::Init { programs } => init(&folder, &programs),
    }
}

fn running(folder: &Folder) -> Result<Cluster> {
    Cluster::running(folder)?.context("no cluster runs; start one with `make cluster-up`")
}

/// Becomes a program of the cluster's user.
fn user(folder: &Folder, program: &str, arguments: &[String]) -> Result<()> {
    running(folder)?;
    let path = programs::folder()?.join(program);
    let error = Command::new(&path).args(arguments).env("KUBECONFIG", folder.kubeconfig()).exec();
    Err(error).with_context(|| format!("{} cannot be started", path.display()))
}
