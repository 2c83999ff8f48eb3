//! How far training is, from what rank 0 says.

use real_crds::progress::{Checkpoint, Decoding, Evaluation, Progress, Warning};

use super::Case;
use super::pods::{diverged, done, done_with, exited, exited_with};
use super::situation::Situation;

fn checkpoint(step: u64) -> Checkpoint {
    Checkpoint { step, sha256: format!("{step:064}"), size_bytes: 1000, time: None }
}

fn evaluation(step: u64, suite: &str, decoding: Decoding, joint: f64) -> Evaluation {
    let suite = suite.to_owned();
    let (half, joint) = (Some(0.5), Some(joint));
    Evaluation {
        suite,
        decoding,
        step,
        n: 64,
        function: half,
        quality: half,
        joint,
        no_code: Some(0.0),
        dropped: 0,
        intervals: None,
    }
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
        best_checkpoint: Some(40),
        ..with(at(1, 130), &[40, 80])
    };
    let unjudged = |dropped| {
        let nothing = Evaluation {
            n: 0,
            function: None,
            quality: None,
            joint: None,
            no_code: None,
            dropped,
            ..judged.evaluations[0].clone()
        };
        Progress { evaluations: vec![nothing], ..at(1, 41) }
    };
    let warning =
        |step, reason: &str| Warning { step, reason: reason.to_owned(), message: format!("something of {step}") };
    let warned = |warnings: &[Warning]| Progress { warnings: warnings.to_vec(), skipped_updates: 2, ..at(1, 57) };
    let (first, second_warning) = (warning(0, "DataLeftOut"), warning(55, "UpdateSkipped"));
    let suspect = |progress: Progress| Progress {
        suspicions: vec!["many answers have the program of an answer to another prompt (reward/identical)".into()],
        ..progress
    };
    let many = Progress {
        evaluations: (0..30).map(|step| evaluation(step, "a", Decoding::Greedy, 0.5)).collect(),
        best_checkpoint: Some(3),
        ..with(at(1, 190), &(0..30).collect::<Vec<_>>())
    };
    let second = || runs().says(with(at(1, 55), &[40])).failed_once_more().started_again().runs();
    let mut in_the_pod = Situation::ready();
    in_the_pod.job.spec.checkpoint.storage = None;
    let diverging = Progress { reward: Some(f64::NAN), kl: Some(1e300), eta_seconds: Some(1e300), ..at(1, 3) };
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
            "checkpoints that last words do not name are gone",
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
        ("the best checkpoint is the one that the trainer names", runs().says(judged.clone())),
        (
            "a best checkpoint that is gone is not named",
            runs()
                .says(judged.clone())
                .settled()
                .says(Progress { best_checkpoint: Some(40), ..with(at(1, 161), &[80, 160]) }),
        ),
        ("lists are bounded and keep what is newest, and the best", runs().says(many)),
        ("an evaluation of which nothing was judged is no result", runs().says(unjudged(64))),
        ("what the trainer warns of is a condition and an event", runs().says(warned(std::slice::from_ref(&first)))),
        (
            "each warning is an event once",
            runs()
                .says(warned(std::slice::from_ref(&first)))
                .settled()
                .says(warned(&[first.clone(), second_warning.clone()])),
        ),
        (
            "a warning stays a condition when the trainer says no more",
            runs().says(warned(&[first, second_warning])).settled().failed_once_more(),
        ),
        (
            "rewards that are suspect are a condition while they are",
            runs().says(suspect(at(1, 55))).settled().says(suspect(at(1, 56))),
        ),
        ("rewards that are suspect no more are told so", runs().says(suspect(at(1, 55))).settled().says(at(1, 56))),
        (
            "what was suspect stays so while nobody says otherwise",
            runs().says(suspect(at(1, 55))).settled().failed_once_more(),
        ),
        (
            "a run that diverged is not tried again",
            runs().pods([diverged("step 57: the actor's loss is NaN", &at(1, 56)), exited(143)]).job_failed(),
        ),
        ("numbers of a run that diverges stay short", runs().says(diverging)),
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
