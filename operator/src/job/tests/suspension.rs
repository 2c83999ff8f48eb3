//! `spec.suspend`, at each phase and back.

use super::Case;
use super::pods::{creating, exited, exited_with, running};
use super::situation::Situation;
use real_crds::progress::Progress;

pub(super) fn cases() -> Vec<Case> {
    let runs = || Situation::running_for(100);
    let suspending = || runs().suspended().settled();
    let done = || suspending().later(30).gone().settled();
    let failed = || runs().pods([exited(1), exited(143)]).job_failed();
    let words = || {
        exited_with(75, "asked to stop", &Progress { attempt: 1, step: 57, total_steps: 100, ..Progress::default() })
    };
    vec![
        ("a job that is created suspended has nothing made for it", Situation::ready().suspended()),
        ("a job that is suspended while it waits for its pool stops waiting", Situation::ppo().settled().suspended()),
        ("a job that is suspended in its queue leaves it", Situation::ready().in_queue("gpu").settled().suspended()),
        (
            "a job that is suspended while it starts stops",
            Situation::started().later(5).pods([running(), creating()]).suspended(),
        ),
        ("a job that is suspended while it runs has time to write a checkpoint", runs().suspended()),
        ("a job that is still writing its checkpoint is waited for", suspending().later(60)),
        ("pods that outlive their Job are waited for", suspending().later(5).jobs_gone()),
        ("a job without pods is suspended", suspending().later(30).gone()),
        ("a job that stays suspended writes nothing", done().later(86_400)),
        (
            "a job that is suspended while it waits after a failure keeps its counts",
            failed().settled().later(3).suspended(),
        ),
        (
            "a job that is suspended while pods of an earlier attempt remain waits for them",
            runs().pods([exited(1), running()]).job_failed().settled().later(3).suspended(),
        ),
        ("a failure that came before the suspension is counted", failed().suspended()),
        (
            "a job that is suspended while its Job is deleted by hand is suspending",
            runs().attempt_deleted().settled().suspended(),
        ),
        (
            "a job that completes although it is to be suspended is complete",
            runs().pods([super::pods::done(), super::pods::done()]).job_complete().suspended(),
        ),
        (
            "pods that write a checkpoint and fail because of the suspension count as nothing",
            suspending().later(20).pods_of_deleted([words(), exited(143)]).failed_while_deleted(),
        ),
        (
            "what they said last is told even if their Job is gone first",
            suspending().later(20).jobs_gone().settled().pods_of_deleted([words(), exited(143)]),
        ),
        ("a job that is resumed starts another attempt, which is no restart", done().later(600).resumed()),
        ("a job that is resumed before its pods are gone waits for them", suspending().later(5).resumed()),
        (
            "a job that is resumed once its Job but not its pods are gone waits for them",
            suspending().later(5).jobs_gone().settled().resumed(),
        ),
        (
            "a job that was created suspended starts its first attempt",
            Situation::ready().suspended().settled().later(600).resumed(),
        ),
        (
            "a job that is resumed after it was suspended in the wait after a failure starts at once",
            failed().settled().later(3).suspended().settled().later(1).resumed(),
        ),
        (
            "a suspension that cannot be carried out says why",
            runs().suspended().refused("Forbidden", "jobs.batch \"ppo-1\" is forbidden: cannot delete"),
        ),
        (
            "a job that could not run says so while it is suspended",
            Situation::ready().suspended().edited(|spec| spec.reward_pool_ref = None),
        ),
        (
            "a job that is suspended twice in a row counts each attempt once",
            done().later(60).resumed().settled().runs().suspended().settled().gone(),
        ),
    ]
}
