//! After the end, and deletion at each phase.

use real_crds::progress::Progress;

use super::Case;
use super::pods::{done, done_with, exited, running};
use super::situation::Situation;

pub(super) fn cases() -> Vec<Case> {
    let runs = || Situation::running_for(100);
    let complete = || runs().pods([done(), done()]).job_complete().settled();
    let failed = || runs().pods([exited(2), exited(143)]).job_failed().settled();
    let kept = |seconds| complete().edited(|spec| spec.ttl_seconds_after_finished = Some(seconds)).settled();
    let words = Progress { attempt: 1, step: 100, total_steps: 100, ..Progress::default() };
    vec![
        ("a finished job is kept where nothing says otherwise", complete().later(86_400 * 365)),
        ("a finished job is kept until its time comes", kept(3600).later(3599)),
        ("a finished job is deleted when its time has come", kept(3600).later(3600)),
        ("a finished job with no time left is deleted at once", kept(0)),
        (
            "a failed job is deleted when its time has come",
            failed().edited(|spec| spec.ttl_seconds_after_finished = Some(60)).settled().later(60),
        ),
        ("a finished job whose Job was deleted does not start again", complete().attempt_deleted().gone()),
        (
            "a finished job whose status alone is left does not start again",
            complete().attempt_deleted().gone().without_pods().without_pool(),
        ),
        ("a failed job does not start again", failed().later(3600)),
        ("what still runs of a finished job is stopped", complete().revived("ppo-1").pods([running(), running()])),
        (
            "an edit of a finished job is seen and changes nothing else",
            complete().edited(|spec| spec.evaluation.every_steps = 7),
        ),
        ("a finished job cannot be suspended", complete().suspended()),
        (
            "last words that are seen after the Job's end are told",
            runs().without_pods().job_complete().settled().pods([done_with(&words), done()]),
        ),
        (
            "last words are not replaced by what was said before",
            runs()
                .says(Progress { step: 98, ..words.clone() })
                .pods([done_with(&words), done()])
                .job_complete()
                .settled()
                .without_pods(),
        ),
        ("a fresh job that is being deleted is left alone", Situation::ready().deleted()),
        (
            "a job in a queue that is being deleted is left alone",
            Situation::ready().in_queue("gpu").settled().deleted(),
        ),
        ("a starting job that is being deleted is left alone", Situation::started().deleted()),
        ("a running job that is being deleted is left alone", runs().deleted()),
        ("a job that is being deleted after a failure is left alone", runs().failed_once_more().later(3600).deleted()),
        ("a suspending job that is being deleted is left alone", runs().suspended().settled().deleted()),
        (
            "a suspended job that is being deleted is left alone",
            runs().suspended().settled().gone().settled().deleted(),
        ),
        ("a finished job that is being deleted is left alone", kept(0).deleted()),
        (
            "a job whose attempt ends while it is being deleted is left alone",
            runs().pods([done(), done()]).job_complete().deleted(),
        ),
    ]
}
