//! `startDeadlineSeconds`, `progressDeadlineSeconds` and `activeDeadlineSeconds`.

use real_crds::progress::Progress;

use super::Case;
use super::pods::{creating, exited, running, unscheduled};
use super::situation::Situation;

pub(super) fn cases() -> Vec<Case> {
    let watched = || Situation::running_for(0).edited(|spec| spec.progress_deadline_seconds = 600).settled();
    let step = |attempt, step| Progress { attempt, step, total_steps: 100, ..Progress::default() };
    let hung = || watched().later(600);
    let impatient = || Situation::ready().edited(|spec| spec.start_deadline_seconds = Some(300));
    let no_node = || unscheduled("Unschedulable", "0/5 nodes are available: 5 Insufficient cpu.");
    let bounded = || Situation::ready().edited(|spec| spec.active_deadline_seconds = Some(1000)).settled().runs();
    let failed_once = || bounded().later(400).failed_once_more().started_again().runs();
    vec![
        ("a step that is awaited is awaited until the deadline", watched().later(599)),
        ("no step within the deadline ends the attempt, which is a failure", hung()),
        ("the Job of an attempt that hung is deleted once the failure is on record", hung().settled_status()),
        ("the wait after a hung attempt goes on while its Job is being deleted", hung().settled().later(3)),
        ("an attempt that hung is not followed while its Job is there", hung().settled().later(60)),
        ("an attempt that hung is followed once its Job is gone", hung().settled().later(60).gone()),
        (
            "an attempt that hangs once too often ends the job",
            hung().edited(|spec| spec.restart_policy.backoff_limit = 0),
        ),
        (
            "a deadline of 0 is none",
            Situation::running_for(0).edited(|spec| spec.progress_deadline_seconds = 0).settled().later(1_000_000),
        ),
        (
            "an operator that has only begun gives rank 0 time to answer",
            watched().says(step(1, 3)).settled().later(86_400).forgotten().later(599),
        ),
        (
            "a rank 0 that never answers the operator that has begun is hung",
            watched().says(step(1, 3)).settled().later(86_400).forgotten().later(600),
        ),
        ("each step begins the time anew", watched().later(500).says(step(1, 3)).later(599)),
        ("a step that is followed by none is the last", watched().later(500).says(step(1, 3)).later(600)),
        (
            "what an earlier attempt said is no step of this one",
            watched().says(step(1, 3)).failed_once_more().started_again().runs().later(590).says(step(1, 4)).later(10),
        ),
        (
            "the time between steps does not count while an attempt starts",
            Situation::started()
                .edited(|spec| spec.progress_deadline_seconds = 10)
                .later(40)
                .pods([running(), creating()]),
        ),
        (
            "an attempt that starts is looked at again at its deadline",
            impatient().settled().later(100).pods([running(), no_node()]),
        ),
        (
            "an attempt that does not get its pods in time is a failure",
            impatient().settled().later(300).pods([running(), no_node()]),
        ),
        ("an attempt whose Job makes no pods in time is a failure", impatient().settled().later(300)),
        (
            "an attempt whose containers do not start in time is a failure",
            impatient().settled().later(300).pods([creating(), creating()]),
        ),
        (
            "an attempt that runs has met its deadline for good",
            impatient().settled().runs().later(3600).pods([running(), exited(1)]),
        ),
        ("waiting in a queue is not starting", impatient().in_queue("gpu").settled().later(86_400)),
        (
            "starting begins when the queue lets it",
            impatient().in_queue("gpu").settled().later(86_400).unqueued().later(299),
        ),
        (
            "an attempt that never starts ends the job after one time too many",
            impatient()
                .edited(|spec| spec.restart_policy.backoff_limit = 0)
                .settled()
                .later(300)
                .pods([no_node(), no_node()]),
        ),
        ("a job may run until its time is over", bounded().later(999)),
        ("a job whose time is over ends and its pods are stopped", bounded().later(1000)),
        ("the time of earlier attempts counts", failed_once().later(600)),
        ("the time between attempts does not count", failed_once().later(599)),
        (
            "the time in which a job is suspended does not count",
            bounded()
                .later(400)
                .suspended()
                .settled()
                .later(5000)
                .gone()
                .settled()
                .resumed()
                .settled()
                .runs()
                .later(599),
        ),
        (
            "the time before a suspension counts",
            bounded()
                .later(400)
                .suspended()
                .settled()
                .later(5000)
                .gone()
                .settled()
                .resumed()
                .settled()
                .runs()
                .later(600),
        ),
        (
            "the time in a queue after the quota was taken away does not count",
            bounded().later(400).queued_again().settled().without_pods().later(5000),
        ),
        (
            "a job whose time is cut below what it ran ends even while it waits",
            bounded().later(400).failed_once_more().edited(|spec| spec.active_deadline_seconds = Some(100)),
        ),
        (
            "a job that completes in its last second is complete",
            bounded().later(1000).pods([super::pods::done(), super::pods::done()]).job_complete(),
        ),
    ]
}
