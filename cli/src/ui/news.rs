//! News of a run in one line each.

use std::time::Duration;

use indicatif::HumanDuration;
use real_crds::progress::{Evaluation, Progress, Warning};
use real_terminal::text_width;

use super::number::fixed;
use crate::record::Step;

/// What stands behind the bar.
///
/// At most `room` columns of it: what matters least is left out first.
pub(crate) fn message(progress: &Progress, room: usize) -> String {
    let Progress { reward, loss, kl, tokens_per_second, samples_per_second, .. } = *progress;
    let eta = progress.eta_seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let eta = eta.map(|left| format!("ETA {}", HumanDuration(left)));
    let numbers = numbers(reward, loss, kl, tokens_per_second, samples_per_second);
    let mut message = String::new();
    for part in eta.into_iter().chain(numbers) {
        let gap = if message.is_empty() { "" } else { "  " };
        if text_width(&message) + gap.len() + text_width(&part) > room {
            break;
        }
        message = message + gap + &part;
    }
    message
}

fn numbers(
    reward: Option<f64>,
    loss: Option<f64>,
    kl: Option<f64>,
    tokens: Option<f64>,
    samples: Option<f64>,
) -> impl Iterator<Item = String> {
    let named = [
        reward.map(|x| format!("reward {}", fixed(x, 3))),
        loss.map(|x| format!("loss {}", fixed(x, 4))),
        kl.map(|x| format!("KL {}", fixed(x, 4))),
        tokens.map(|x| format!("{x:.0} tokens/s")),
        samples.map(|x| format!("{x:.0} scored/s")),
    ];
    named.into_iter().flatten()
}

/// A step in one line.
pub(crate) fn step_line(step: &Step, total: u64) -> String {
    let mut parts = vec![format!("step {}/{total}", step.step)];
    parts.extend(step.function.map(|x| format!("function {}", fixed(x, 3))));
    parts.extend(step.quality.map(|x| format!("quality {}", fixed(x, 3))));
    parts.extend(numbers(step.reward, step.loss, step.kl, step.tokens_per_second, step.samples_per_second));
    parts.extend(step.seconds.map(|x| format!("{x:.1} s")));
    parts.join("  ")
}

/// An evaluation in one line.
pub(crate) fn evaluation_line(e: &Evaluation) -> String {
    format!(
        "evaluation after step {}: {}, {}, {} answers: function {}  quality {}  func.-qual. {}{}{}",
        e.step,
        e.suite,
        e.decoding.name(),
        e.n,
        rate(e.function),
        rate(e.quality),
        rate(e.joint),
        e.intervals.map_or_else(String::new, |of| format!(" ({} to {})", fixed(of.joint[0], 3), fixed(of.joint[1], 3))),
        if e.dropped > 0 { format!("  ({} could not be judged)", e.dropped) } else { String::new() }
    )
}

/// A warning of the trainer's in one line.
pub(crate) fn warning_line(warning: &Warning) -> String {
    format!("warning: {}", warning.message.replace(['\n', '\r'], " "))
}

/// A rate of an evaluation; a mean of nothing is no number.
pub(crate) fn rate(rate: Option<f64>) -> String {
    rate.map_or_else(|| "no result".to_owned(), |rate| fixed(rate, 3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_one_line_of_what_it_has() {
        let step = Step { step: 3, reward: Some(0.25), kl: Some(0.001), seconds: Some(2.0), ..Step::default() };
        assert_eq!(step_line(&step, 20), "step 3/20  reward 0.250  KL 0.0010  2.0 s");
    }

    #[test]
    fn a_warning_is_one_line() {
        let warning = Warning { step: 3, reason: "DataLeftOut".into(), message: "data set a:\n3 of 5".into() };
        assert_eq!(warning_line(&warning), "warning: data set a: 3 of 5");
    }

    #[test]
    fn an_evaluation_of_nothing_is_no_result_and_what_was_dropped_is_said() {
        let evaluation = Evaluation {
            suite: "s".into(),
            decoding: real_crds::progress::Decoding::Greedy,
            step: 4,
            n: 0,
            function: None,
            quality: None,
            joint: None,
            no_code: None,
            dropped: 6,
            intervals: None,
        };
        let line = evaluation_line(&evaluation);
        assert!(line.contains("0 answers: function no result") && line.ends_with("(6 could not be judged)"), "{line}");
        let some = evaluation_line(&Evaluation { n: 5, joint: Some(0.0), dropped: 0, ..evaluation });
        assert!(some.ends_with("func.-qual. 0.000"), "{some}");
    }

    #[test]
    fn the_bar_says_what_is_known_so_far() {
        assert_eq!(message(&Progress::default(), 80), "");
        let progress = Progress { step: 1, eta_seconds: Some(90.0), kl: Some(0.5), ..Progress::default() };
        assert_eq!(message(&progress, 80), "ETA 2 minutes  KL 0.5000");
        assert_eq!(message(&progress, 23), "ETA 2 minutes");
    }
}
