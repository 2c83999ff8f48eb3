//! While an attempt runs.

use real_crds::v1alpha1::{Dataset, RewardPoolRef};

use super::Case;
use super::pods::{creating, cut_off, done, exited, running, running_at, waiting};
use super::situation::{Pool, Situation};

pub(super) fn cases() -> Vec<Case> {
    let nodes = |nodes: u64| Situation::ready().edited(|spec| spec.trainer.nodes = nodes).settled().later(20);
    let runs = || Situation::running_for(100);
    let later_attempt = || runs().failed_once_more().started_again().runs().failed_once_more().started_again().runs();
    let broken = Dataset { name: "suite".into(), storage_uri: "hf://suite".into(), secret_ref: None, weight: 1.0 };
    vec![
        ("a job on one node runs", nodes(1).pods([running()])),
        ("a job on four nodes runs", nodes(4).pods([running(), running(), running(), running()])),
        (
            "a job on four nodes of which three run does not",
            nodes(4).pods([running(), running(), creating(), running()]),
        ),
        ("a job that goes on running writes nothing and is asked how far it is", runs()),
        ("rank 0 is asked at an IPv6 address in brackets", nodes(1).pods([running_at("fd00::7")])),
        ("a gang of which a rank is done already still runs", runs().pods([running(), done()])),
        (
            "a gang of which a node is not heard of says since when, and what follows",
            runs().pods([running(), cut_off().ago(45)]),
        ),
        (
            "a gang whose node is heard of again just runs",
            runs().pods([running(), cut_off()]).settled().later(20).pods([running(), running()]),
        ),
        ("a gang of which a pod is being deleted does not run, and says since when", runs().pod_deleted(1).later(10)),
        (
            "a pod that should have ended long ago is told with what to do about it",
            runs().pod_deleted(1).later(10).settled().later(600),
        ),
        (
            "an attempt does not follow one that was given up while its pod may still run on a lost node",
            runs()
                .edited(|spec| spec.progress_deadline_seconds = 600)
                .settled()
                .later(600)
                .settled()
                .pod_deleted(1)
                .later(60)
                .jobs_gone(),
        ),
        ("rank 0 is not asked once it is done", runs().pods([done(), running()])),
        ("a gang that lost a rank runs until its Job says how it ends", runs().pods([running(), exited(1)])),
        (
            "a gang whose other ranks are being stopped is about to end",
            runs().pods([exited(1), running()]).job_failing(),
        ),
        (
            "a gang that is about to end and learns nothing new writes nothing",
            runs().pods([exited(1), running()]).job_failing().settled().later(60),
        ),
        ("a running job whose pool is deleted goes on without rewards", runs().without_pool()),
        (
            "a running job whose pool is not ready goes on without rewards",
            runs().pool(Pool::NotReady("0 of 1 detectors are ready")),
        ),
        (
            "a running job whose pool is back runs as before",
            runs().without_pool().settled().later(60).pool(Pool::Ready { detectors: 1, sandboxes: 1 }),
        ),
        (
            "an edit of a running job is seen, and its configuration stays until the next attempt",
            runs().edited(|spec| spec.evaluation.every_steps = 7),
        ),
        (
            "the next attempt gets the edited configuration",
            runs().edited(|spec| spec.evaluation.every_steps = 7).failed_once_more().later(3600),
        ),
        (
            "a running job that is given another pool goes on, with the other pool's state",
            runs()
                .edited(|spec| spec.reward_pool_ref = Some(RewardPoolRef { name: "others".into() }))
                .pool_named("others", Pool::NotReady("it is new")),
        ),
        (
            "the next attempt waits for the other pool",
            runs()
                .edited(|spec| spec.reward_pool_ref = Some(RewardPoolRef { name: "others".into() }))
                .pool_named("others", Pool::NotReady("it is new"))
                .failed_once_more()
                .later(3600),
        ),
        (
            "a running job that is edited into one that cannot run goes on as it began",
            runs().edited(|spec| spec.datasets.eval = vec![broken.clone()]),
        ),
        (
            "the next attempt of a job that cannot run any more does not start",
            runs().edited(|spec| spec.datasets.eval = vec![broken.clone()]).failed_once_more().later(3600),
        ),
        ("a status that was lost is told anew from the third attempt that runs", later_attempt().without_status()),
        (
            "a status that was lost does not start an attempt again that failed already",
            runs().failed_once_more().without_status(),
        ),
        (
            "a child that cannot be mended while the job runs is named",
            runs().refused("Forbidden", "services \"ppo\" is forbidden"),
        ),
        (
            "a rank whose container waits again after it ran is reported",
            runs().pods([running(), waiting("RunContainerError", "device lost")]),
        ),
    ]
}
