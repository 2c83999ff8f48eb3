//! From an attempt that failed to the next one, or to the end.

use super::Case;
use super::pods::{disrupted, exited, running};
use super::situation::{Pool, Situation};

pub(super) fn cases() -> Vec<Case> {
    let runs = || Situation::running_for(100);
    let fails = |situation: Situation| situation.pods([exited(1), exited(143)]).job_failed();
    let again = |situation: Situation| situation.failed_once_more().started_again().runs();
    let preempted = |situation: Situation| {
        let pod = disrupted("PreemptionByScheduler", "preempting", 3, exited(143));
        situation.pods([pod, exited(143)]).job_failed()
    };
    let patient = || runs().edited(|spec| spec.restart_policy.backoff_limit = 100);
    vec![
        ("the first failure is followed by a wait of 10 s", fails(runs())),
        ("the second failure is followed by a wait of 20 s", fails(again(runs()))),
        ("the third failure is followed by a wait of 40 s", fails(again(again(runs())))),
        ("waits do not become longer than 6 minutes", {
            let mut situation = patient();
            for _ in 0..7 {
                situation = again(situation);
            }
            fails(situation)
        }),
        ("one failure more than allowed ends the job", fails(again(again(again(runs()))))),
        (
            "a job that may not fail at all ends with the first failure",
            fails(runs().edited(|spec| spec.restart_policy.backoff_limit = 0)),
        ),
        ("a preemption is followed by a short wait", preempted(runs())),
        ("a preemption after failures does not make the wait longer", preempted(again(again(runs())))),
        (
            "one preemption more than allowed ends the job",
            preempted(
                preempted(runs().edited(|spec| spec.restart_policy.max_preemptions = 1))
                    .settled()
                    .started_again()
                    .runs(),
            ),
        ),
        ("while it waits it says why there is another attempt", fails(runs()).settled().later(9)),
        ("after the wait the next attempt starts", fails(runs()).settled().later(10)),
        ("a failure that was seen late is not waited for again", fails(runs()).later(3600)),
        (
            "a pool that fails and mends during the wait leaves no trace",
            fails(runs())
                .settled()
                .later(3)
                .without_pool()
                .settled()
                .later(3)
                .pool(Pool::Ready { detectors: 1, sandboxes: 1 })
                .settled()
                .later(3),
        ),
        (
            "after the wait the next attempt waits for its pool",
            fails(runs()).settled().later(10).pool(Pool::NotReady("0 of 1 detectors are ready")),
        ),
        (
            "the next attempt waits until all pods of the earlier one are gone",
            runs().pods([exited(1), running()]).job_failed().settled().later(10),
        ),
        (
            "while pods of the earlier attempt remain during the wait the reason stays",
            runs().pods([exited(1), running()]).job_failed().settled().later(3),
        ),
        ("a Job that someone deletes by hand is not counted", runs().attempt_deleted()),
        ("a Job that someone deletes by hand is waited for", runs().attempt_deleted().settled().later(100)),
        ("once it is gone another attempt starts at once", runs().attempt_deleted().settled().later(100).gone()),
        (
            "a Job that someone deleted while the operator was away is not counted",
            runs().attempt_deleted().gone().later(100),
        ),
        (
            "pods that outlive the Job that someone deleted are waited for",
            runs().attempt_deleted().jobs_gone().later(5),
        ),
        (
            "pods that fail because their Job is deleted have not failed",
            runs().attempt_deleted().settled().pods_of_deleted([exited(75), exited(1)]).failed_while_deleted(),
        ),
        ("only the last attempt's Job is kept", fails(again(runs())).settled_status()),
        (
            "a Job of an earlier attempt that somehow still runs is stopped",
            fails(runs()).settled().started_again().runs().revived("ppo-1"),
        ),
        (
            "a Job without a number that belongs to the job is stopped before anything starts",
            Situation::ready().with_stray_job(),
        ),
        ("a Job whose labels someone took away is still the attempt", runs().without_labels()),
    ]
}
