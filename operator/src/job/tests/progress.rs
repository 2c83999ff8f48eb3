//! How far training is, from what rank 0 says.

use real_crds::progress::{Checkpoint, Decoding, Evaluation, Progress};

use super::Case;
use super::pods::{done, done_with, exited, exited_with};
use super::situation::Situation;

fn checkpoint(step: u64) -> Checkpoint {
    Checkpoint { step, sha256: format!("{step:064}"), size_bytes: 1000, time: None }
}

fn evaluation(step: u64, suite: &str, decoding: Decoding, joint: f64) -> Evaluation {
    let suite = suite.to_owned();
    Evaluation { suite, decoding, step, n: 64, function: 0.5, quality: 0.5, joint, no_code: 0.0, dropped: 0 }
}

fn at(attempt: u64, step: u64) -> Progress {
    Progress {
        attempt,
        step,
        total_steps: 200,
        reward: Some(0.61),
        kl: Some(0.021),
        tokens_per_second: Some(1234.5),
        samples_per_second: Some(12.0),
        eta_seconds: Some(5400.4),
        ..Progress::default()
    }
}

pub(super) fn cases() -> Vec<Case> {
    let runs = || Situation::running_for(100);
    let with = |progress: Progress, checkpoints: &[u64]| {
        let checkpoints = checkpoints.iter().copied().map(checkpoint).collect();
        Progress { checkpoints, ..progress }
    };
    let judged = Progress {
        evaluations: vec![
            evaluation(40, "a", Decoding::Greedy, 0.2),
            evaluation(40, "b", Decoding::Greedy, 0.6),
            evaluation(80, "a", Decoding::Greedy, 0.7),
            evaluation(80, "b", Decoding::Greedy, 0.1),
            evaluation(80, "b", Decoding::Sampled, 0.1),
            evaluation(120, "a", Decoding::Greedy, 0.9),
        ],
        ..with(at(1, 130), &[40, 80])
    };
    let many = Progress {
        evaluations: (0..30).map(|step| evaluation(step, "a", Decoding::Greedy, 0.5)).collect(),
        ..with(at(1, 190), &(0..30).collect::<Vec<_>>())
    };
    let second = || runs().says(with(at(1, 55), &[40])).failed_once_more().started_again().runs();
    let mut in_the_pod = Situation::ready();
    in_the_pod.job.spec.checkpoint.storage = None;
    let diverged = Progress { reward: Some(f64::NAN), kl: Some(1e300), eta_seconds: Some(1e300), ..at(1, 3) };
    vec![
        ("a running job tells what rank 0 says", runs().says(with(at(1, 55), &[40]))),
        ("what was told already is not told again", runs().says(at(1, 55)).settled().later(10)),
        ("the same words heard again are no news", runs().says(at(1, 55)).settled().later(10).says(at(1, 55))),
        ("a step more is told", runs().says(at(1, 55)).settled().later(10).says(at(1, 56))),
        ("fine-tuning tells its loss", runs().says(Progress { loss: Some(1.25), reward: None, kl: None, ..at(1, 7) })),
        (
            "a trainer that knows nothing yet is not listened to",
            runs().says(Progress { attempt: 1, ..Progress::default() }),
        ),
        (
            "a later attempt that knows nothing yet does not take away what is known",
            second().says(Progress { attempt: 2, ..Progress::default() }),
        ),
        ("what an earlier attempt said is not told of a later one", second().says(at(1, 56))),
        ("a later attempt that begins at its checkpoint says so", second().says(with(at(2, 40), &[40]))),
        (
            "checkpoints that the trainer removed are not listed",
            runs().says(with(at(1, 130), &[40, 80, 120])).settled().says(with(at(1, 161), &[80, 120, 160])),
        ),
        (
            "last words that name only the newest checkpoint leave the others listed",
            runs()
                .says(with(at(1, 130), &[40, 80]))
                .settled()
                .pods([exited_with(75, "asked to stop", &with(at(1, 133), &[133])), exited(75)])
                .job_failed(),
        ),
        (
            "last words that name as many checkpoints as are kept leave no others listed",
            runs()
                .says(with(at(1, 130), &[40, 80, 120]))
                .settled()
                .pods([done_with(&with(at(1, 200), &[120, 160, 200])), done()])
                .job_complete(),
        ),
        ("the best checkpoint is the one with the highest mean joint rate of those that are kept", runs().says(judged)),
        ("lists are bounded and keep what is newest", runs().says(many)),
        ("numbers of a run that diverges stay short", runs().says(diverged)),
        ("checkpoints that live in the pod are no claim's", in_the_pod.settled().runs().says(with(at(1, 55), &[40]))),
        (
            "last words that are seen after the failure was counted are told",
            runs()
                .says(at(1, 55))
                .failed_once_more()
                .later(2)
                .pods([exited_with(1, "loss is NaN", &at(1, 57)), exited(143)]),
        ),
        (
            "last words of an earlier attempt do not replace what a later one said",
            runs()
                .pods([exited_with(1, "loss is NaN", &at(1, 57)), exited(143)])
                .job_failed()
                .settled()
                .started_again()
                .runs()
                .says(at(2, 90))
                .settled()
                .forgotten(),
        ),
        (
            "words that are no words are the end of a log",
            runs().pods([super::pods::exited_with_log(1, "{\"outcome\":\"failed\"}"), exited(143)]).job_failed(),
        ),
    ]
}
