//! How an attempt ended, and what it counts as.

use real_crds::progress::Progress;

use super::Case;
use super::pods::{
    disrupted, done, done_with, exited, exited_with, exited_with_log, killed, lost, out_of_memory, running,
};
use super::situation::Situation;

const MATCHES_EXIT_2: &str =
    "Container trainer for pod research/ppo-1-0-x failed with exit code 2 matching FailJob rule at index 0";
const MATCHES_DISRUPTION: &str =
    "Pod research/ppo-1-1-x has condition DisruptionTarget matching FailJob rule at index 1";
const MATCHES_EXIT_75: &str =
    "Container trainer for pod research/ppo-1-0-x failed with exit code 75 matching FailJob rule at index 2";

pub(super) fn cases() -> Vec<Case> {
    let runs = || Situation::running_for(100);
    let at_step = |step| Progress { attempt: 1, step, total_steps: 100, ..Progress::default() };
    let preempted =
        |end| disrupted("PreemptionByScheduler", "preempting to accommodate a higher priority pod", 30, end);
    let mut without_message = runs().without_pods().job_failed();
    for condition in without_message.attempt().status.iter_mut().flat_map(|status| &mut status.conditions).flatten() {
        condition.message = None;
    }
    vec![
        ("all steps done ends the job", runs().pods([done_with(&at_step(100)), done()]).job_complete()),
        ("a pod that is not seen to end yet has the last step to tell", runs().job_complete()),
        ("all steps done is known from the Job alone", runs().without_pods().job_complete()),
        (
            "a rank that was preempted ends the attempt, which is no failure",
            runs().pods([exited(143), preempted(exited(143))]).job_failed_by_policy(MATCHES_DISRUPTION),
        ),
        (
            "a rank that was drained ends the attempt, which is no failure",
            runs()
                .pods([disrupted("EvictionByEvictionAPI", "Eviction API: evicting", 5, exited(143)), exited(143)])
                .job_failed_by_policy(MATCHES_DISRUPTION),
        ),
        (
            "a rank whose node is gone ends the attempt, which is no failure",
            runs()
                .pods([running(), disrupted("DeletionByPodGC", "PodGC: node no longer exists", 5, lost("", ""))])
                .job_failed_by_policy(MATCHES_DISRUPTION),
        ),
        (
            "a rank on a node with a new taint ends the attempt, which is no failure",
            runs()
                .pods([
                    exited(143),
                    disrupted(
                        "DeletionByTaintManager",
                        "Taint manager: deleting due to NoExecute taint",
                        9,
                        exited(143),
                    ),
                ])
                .job_failed_by_policy(MATCHES_DISRUPTION),
        ),
        (
            "a rank on a node that shuts down ends the attempt, which is no failure",
            runs()
                .pods([
                    exited(143),
                    disrupted(
                        "TerminationByKubelet",
                        "Pod was terminated in response to imminent node shutdown.",
                        9,
                        exited(143),
                    ),
                ])
                .job_failed_by_policy(MATCHES_DISRUPTION),
        ),
        (
            "a rank that a controller gave up as lost with its node is no failure",
            runs().pods([running(), lost("NodeLost", "Node gpu-3 which was running pod is unresponsive")]).job_failed(),
        ),
        (
            "peers that fail while a preempted rank writes its checkpoint are not the cause",
            runs()
                .pods([exited_with(1, "rank 1 hung up", &at_step(9)).ago(20), preempted(exited(75))])
                .job_failed_by_policy(MATCHES_DISRUPTION),
        ),
        (
            "a rank that failed before another was preempted is the cause",
            runs().pods([exited_with(1, "loss is NaN", &at_step(9)).ago(60), preempted(exited(143))]).job_failed(),
        ),
        (
            "a preempted rank that is gone already is still the cause",
            runs().pods([exited_with(1, "rank 1 hung up", &at_step(9))]).job_failed_by_policy(MATCHES_DISRUPTION),
        ),
        ("a rank that needs too much memory is a failure", runs().pods([running(), out_of_memory()]).job_failed()),
        (
            "a rank that needs too much memory is the cause, not those that were stopped",
            runs().pods([exited(143), out_of_memory(), exited(75)]).job_failed_by_policy(MATCHES_EXIT_75),
        ),
        (
            "exit code 1 is a failure with the trainer's last words",
            runs().pods([exited_with(1, "loss is NaN in step 41", &at_step(41)), exited(143)]).job_failed(),
        ),
        (
            "exit code 1 is a failure with the end of the log",
            runs().pods([exited_with_log(101, "thread main panicked\nout of patience\n"), exited(143)]).job_failed(),
        ),
        (
            "of two ranks that failed the earlier one is told",
            runs().pods([exited_with_log(1, "peer is gone"), exited_with_log(1, "loss is NaN").ago(2)]).job_failed(),
        ),
        ("a rank that someone killed is a failure", runs().pods([exited(137), exited(143)]).job_failed()),
        (
            "a rank that filled its disk is a failure with the kubelet's words",
            runs()
                .pods([
                    killed("Evicted", "Usage of EmptyDir volume \"real-run\" exceeds the limit \"1Gi\"."),
                    exited(143),
                ])
                .job_failed(),
        ),
        (
            "a rank that its node did not take is a failure with the kubelet's words",
            Situation::started()
                .later(10)
                .pods([lost("OutOfnvidia.com/gpu", "Pod was rejected: Node didn't have enough resource"), running()])
                .job_failed(),
        ),
        ("a rank that failed without a word is a failure", runs().pods([lost("", "").ago(1), running()]).job_failed()),
        (
            "exit code 2 ends the job: trying again would not help",
            runs()
                .pods([exited_with(2, "processesPerNode is 2: only 1 is supported", &Progress::default()), exited(143)])
                .job_failed_by_policy(MATCHES_EXIT_2),
        ),
        (
            "exit code 2 of any rank ends the job, whatever other ranks did before",
            runs().pods([exited(1).ago(5), exited(2)]).job_failed(),
        ),
        (
            "exit code 75 of a rank that nobody disrupted is tried again for free",
            runs()
                .pods([exited_with(75, "asked to stop", &at_step(55)), exited(75)])
                .job_failed_by_policy(MATCHES_EXIT_75),
        ),
        (
            "exit code 75 of a rank that was preempted counts as a preemption",
            runs().pods([exited(75), preempted(exited(75))]).job_failed_by_policy(MATCHES_DISRUPTION),
        ),
        (
            "exit code 75 of a rank that is gone already explains why the others were stopped",
            runs().pods([exited(143)]).job_failed_by_policy(MATCHES_EXIT_75),
        ),
        (
            "ranks that end because their queue took its quota away are preempted",
            runs().queued_again().pods([exited(143), exited(143)]).job_failed(),
        ),
        (
            "ranks that write a checkpoint because their queue took its quota away are tried again for free",
            runs().queued_again().pods([exited(75), exited(75)]).job_failed_by_policy(MATCHES_EXIT_75),
        ),
        (
            "a failure while the quota is taken away is a failure",
            runs().queued_again().pods([exited_with_log(1, "cannot write the checkpoint"), exited(143)]).job_failed(),
        ),
        ("exit code 2 is known from the Job alone", runs().without_pods().job_failed_by_policy(MATCHES_EXIT_2)),
        ("a disruption is known from the Job alone", runs().without_pods().job_failed_by_policy(MATCHES_DISRUPTION)),
        ("exit code 75 is known from the Job alone", runs().without_pods().job_failed_by_policy(MATCHES_EXIT_75)),
        ("any other failure is told in the Job's words where the pods are gone", runs().without_pods().job_failed()),
        ("a failure that nobody says anything about is a failure", without_message),
        (
            "an attempt that failed before it ran is a failure",
            Situation::started()
                .later(10)
                .pods([exited_with_log(1, "cannot load the model"), exited(143)])
                .job_failed(),
        ),
    ]
}
