//! The API server and etcd are killed and come back, in the middle of a job's life.

use real_test_kube::ControlPlane;
use tokio::time::{Duration, Instant, sleep};

use crate::life::OfAJob;
use crate::lives::{Life as _, play};
use crate::rig::{PATIENCE, Rig};

/// A control plane of its own: the other tests need theirs.
async fn rig(prefix: &str) -> (&'static ControlPlane, Rig) {
    let plane: &'static ControlPlane = Box::leak(Box::new(ControlPlane::start().expect("a control plane")));
    plane.apply_crds().await.expect("the definitions are taken");
    (plane, Rig::on(plane, prefix).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_job_ends_the_same_though_api_server_and_etcd_are_killed_under_it() {
    let (plane, calm) = rig("calm").await;
    let operator = calm.operator();
    OfAJob::begin(&calm).await;
    play::<OfAJob>(&calm).await;
    operator.stop().await.expect("a graceful end");
    let undisturbed = OfAJob::end(&calm).await;

    let rig = Rig::on(plane, "killed").await;
    let operator = rig.operator();
    OfAJob::begin(&rig).await;
    let deadline = Instant::now() + 2 * PATIENCE;
    let mut looks = 0;
    while OfAJob::end(&rig).await["phase"] != "Succeeded" {
        assert!(Instant::now() < deadline, "no end: {:#}", OfAJob::end(&rig).await);
        OfAJob::step(&rig).await;
        looks += 1;
        // Before the attempt, while its pods start, when it has failed, and in the next one.
        match looks {
            1 | 5 => tokio::task::block_in_place(|| plane.restart_api_server()).expect("it comes back"),
            3 | 7 => tokio::task::block_in_place(|| plane.restart_etcd()).expect("it comes back"),
            _ => {}
        }
        sleep(Duration::from_millis(200)).await;
    }
    rig.quiet().await;
    assert_eq!(OfAJob::end(&rig).await, undisturbed);
    assert!(!operator.has_ended(), "it lives through both");
}
