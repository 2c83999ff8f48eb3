//! From an attempt's Job to pods that run.

use super::Case;
use super::pods::{creating, exited, running, unscheduled, unseen, waiting};
use super::situation::Situation;

const NO_NODE: &str = "0/5 nodes are available: 5 Insufficient nvidia.com/gpu. preemption: 0/5 nodes are available";

const NO_SECRET: &str = "MountVolume.SetUp failed for volume \"real-credentials-0\" : secret \"hub\" not found";

const NO_QUOTA: &str = "couldn't assign flavors to pod set main: insufficient unused quota for nvidia.com/gpu in flavor h200, 8 more needed";

/// From the queue to a Job that may start.
pub(super) fn queues() -> Vec<Case> {
    let queued = || Situation::ready().in_queue("gpu");
    let admitted = || queued().settled().later(600).unqueued();
    let started = Situation::started;
    vec![
        ("a job in a queue is created suspended and waits", queued()),
        ("a job that still waits in its queue writes nothing", queued().settled().later(86_400)),
        ("a job that its queue lets start waits for its pods", admitted()),
        (
            "a job that its queue let start is not in its queue any more",
            admitted().settled().later(5).pods([creating(), creating()]),
        ),
        ("a Job that someone suspends by hand waits as in a queue", started().later(10).queued_again()),
        (
            "a running job whose queue takes its quota away waits again and its clock stops",
            admitted().pods([running(), running()]).settled().later(100).queued_again(),
        ),
        (
            "a job that its queue stopped runs on after it lets it start again",
            admitted()
                .pods([running(), running()])
                .settled()
                .later(100)
                .queued_again()
                .settled()
                .without_pods()
                .later(500)
                .unqueued()
                .pods([running(), running()]),
        ),
        ("a job that waits says why in Kueue's words", queued().settled().kueue_says(Some(NO_QUOTA), None, None)),
        (
            "a running job whose quota is taken back says by what, and its pods have time for a checkpoint",
            admitted()
                .pods([running(), running()])
                .settled()
                .later(100)
                .kueue_says(Some(NO_QUOTA), Some("Preempted to accommodate a workload of higher priority"), Some("2"))
                .queued_again()
                .pod_deleted(0)
                .pod_deleted(1),
        ),
        (
            "a job that its queue stopped goes on in another attempt where the first began afresh",
            queued()
                .edited(|spec| spec.checkpoint.resume_from = "none".to_owned())
                .settled()
                .unqueued()
                .pods([running(), running()])
                .settled()
                .later(100)
                .queued_again()
                .without_pods(),
        ),
        (
            "a job that its queue never let start stays the one that begins afresh",
            queued().edited(|spec| spec.checkpoint.resume_from = "none".to_owned()).settled().later(100),
        ),
        (
            "a running job with nothing to lose has no boost",
            admitted().pods([running(), running()]).settled().later(59).kueue_says(None, None, None),
        ),
        (
            "a running job that would lose half an hour is boosted",
            admitted().pods([running(), running()]).settled().later(1800).kueue_says(None, None, Some("4")),
        ),
        (
            "a job that has just written a checkpoint has nothing to lose any more",
            admitted()
                .pods([running(), running()])
                .settled()
                .later(4000)
                .kueue_says(None, None, Some("7"))
                .wrote_a_checkpoint(),
        ),
        (
            "the boost of another controller is left alone",
            admitted().pods([running(), running()]).settled().later(1800).kueue_says(None, None, Some("150")),
        ),
    ]
}

/// From the Job to pods that run.
pub(super) fn pods() -> Vec<Case> {
    let started = Situation::started;
    vec![
        ("a Job without pods is given half a minute", started().later(29)),
        ("a Job that has made no pods for half a minute says where to look", started().later(30)),
        (
            "a Job whose pods are refused says why and what can be changed",
            started().later(30).pods_refused("Error creating: pods \"ppo-1-0-\" is forbidden: exceeded quota: few"),
        ),
        (
            "a Job whose pods come late after all waits for them",
            started().later(30).settled().later(5).pods([creating(), creating()]),
        ),
        (
            "a pod that no node can take is unschedulable with the scheduler's words",
            started().later(40).pods([running(), unscheduled("Unschedulable", NO_NODE)]),
        ),
        (
            "a young gang with a pod that no node can take is counted later",
            started().later(10).pods([running(), unscheduled("Unschedulable", NO_NODE)]),
        ),
        (
            "a pod whose scheduling is gated is no cause for alarm",
            started().later(5).pods([
                unscheduled("SchedulingGated", "Scheduling is blocked due to non-empty scheduling gates"),
                unscheduled("SchedulingGated", "Scheduling is blocked due to non-empty scheduling gates"),
            ]),
        ),
        (
            "a pod that the scheduler has not looked at yet just starts",
            started().later(5).pods([unscheduled("", ""), creating()]),
        ),
        (
            "an image that cannot be pulled is named",
            started()
                .later(20)
                .pods([creating(), waiting("ErrImagePull", "failed to pull image \"real-trainer:9\": not found")]),
        ),
        (
            "an image that is tried again later is named",
            started()
                .later(40)
                .pods([waiting("ImagePullBackOff", "Back-off pulling image \"real-trainer:9\""), creating()]),
        ),
        (
            "a container that refers to a missing Secret is named",
            started().later(40).pods([
                waiting("CreateContainerConfigError", "secret \"tokens\" not found"),
                waiting("CreateContainerConfigError", "secret \"tokens\" not found"),
            ]),
        ),
        (
            "a container that cannot be made is named without a message too",
            started().later(40).pods([running(), waiting("RunContainerError", "")]),
        ),
        ("pods that are being made change nothing", started().later(5).pods([creating(), creating()])),
        ("one rank of two that is early is not worth a write", started().later(10).pods([running(), creating()])),
        ("one rank of two that is late is counted", started().later(31).pods([running(), creating()])),
        ("both ranks that run make a running job", started().later(10).pods([running(), running()])),
        (
            "a rank that failed before the others ran leaves the start as it is until its Job ends",
            started().later(10).pods([exited(1), creating()]),
        ),
    ]
}

/// What nobody says anything of, and takes long.
pub(super) fn slow() -> Vec<Case> {
    let started = Situation::started;
    vec![
        ("a Job that its controller has not come to yet is given two minutes", started().not_taken_up().later(119)),
        ("a Job that no controller looks at says so", started().not_taken_up().later(120)),
        (
            "a pod that gets no further on its node says what its last event says",
            started().later(5).pods([running(), creating()]).settled().later(120).pod_says(1, "FailedMount", NO_SECRET),
        ),
        (
            "a pod that gets no further on its node and of which there is no event just starts",
            started().later(5).pods([running(), creating()]).settled().later(120),
        ),
        (
            "a pod that no scheduler looks at says which one is asked for",
            started().later(5).pods([unseen(), unseen()]).settled().later(120),
        ),
        (
            "a pod that its scheduler has not come to yet is given two minutes",
            started().later(5).pods([unseen(), unseen()]),
        ),
    ]
}
