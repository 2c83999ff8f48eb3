//! The whole system on a whole cluster, as its users use it: helm, kubectl, pods that really run.
//!
//! `make e2e` builds the images, starts a cluster of one node and runs this; with `REAL_E2E_KUBECONFIG` it runs on any other
//! cluster that has the images. Without either, everything is ignored. The scenarios run one after the other, in the order
//! below: each has a namespace of its own, all share the operator, and the last takes it away.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "tests print through their harness, which captures it")]

mod cluster;
mod faults;
mod forward;
mod installation;
mod jobs;
mod lifecycle;
mod pools;
mod quickstart;
mod sandbox;
mod sweeps;
mod volume;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use cluster::Cluster;
use libtest_mimic::{Arguments, Trial};

/// A name, and what is done.
type Scenario = (&'static str, fn(&Cluster));

const SCENARIOS: [Scenario; 11] = [
    ("the_operator_is_installed", installation::installed),
    ("the_quickstart_trains_a_model", quickstart::trains),
    ("a_sandbox_pod_is_isolated_and_judges_right", sandbox::isolated),
    ("sandboxes_follow_the_load", pools::follow_the_load),
    ("a_pool_of_fixed_size_is_scaled_by_hand", pools::scaled_by_hand),
    ("a_job_is_suspended_and_resumed", lifecycle::suspended_and_resumed),
    ("a_job_deleted_in_the_middle_leaves_nothing", lifecycle::deleted),
    ("a_job_waits_for_its_gpu", lifecycle::waits_for_its_gpu),
    ("a_sweep_evaluates_what_a_job_kept", sweeps::evaluates),
    ("faults_change_nothing", faults::change_nothing),
    ("helm_uninstall_leaves_nothing", installation::uninstalled),
];

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // One machine, one operator.
    arguments.test_threads = Some(1);
    let cluster = Cluster::given().map(Arc::new);
    let trials = SCENARIOS.map(|(name, scenario)| {
        let given = cluster.clone();
        let trial = Trial::test(name, move || {
            let cluster = given.ok_or("no cluster: run `make e2e`, or set REAL_E2E_KUBECONFIG")?;
            println!("\n=== {name}");
            let begun = Instant::now();
            scenario(&cluster);
            println!("=== {name}: {:.0} s", begun.elapsed().as_secs_f64());
            Ok(())
        });
        trial.with_ignored_flag(cluster.is_none())
    });
    libtest_mimic::run(&arguments, trials.into()).exit_code()
}
