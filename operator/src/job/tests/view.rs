//! A plan as people read it.

use jiff::Timestamp;
use real_crds::v1alpha1::RealTrainingJobStatus;
use serde::{Serialize, Serializer};

use super::situation::Situation;
use crate::conditions::find;
use crate::job::Plan;

/// Entries in the order in which they were written.
pub(super) struct Ordered<T>(Vec<(&'static str, T)>);

impl<T> FromIterator<(&'static str, T)> for Ordered<T> {
    fn from_iter<I: IntoIterator<Item = (&'static str, T)>>(entries: I) -> Self {
        Self(entries.into_iter().collect())
    }
}

impl<T: Serialize> Serialize for Ordered<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

/// What a plan does, each thing in a line; what it does not do is left out.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct View {
    /// `unchanged`, or phase and reason.
    status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conditions: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    restarts: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ran: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    apply: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trial: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    create: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    delete: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    events: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    counted: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    look_again: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    poll: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    boost: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<Told>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    delete_object: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    steps: String,
    checkpoints: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    best: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    evaluations: Vec<String>,
}

pub(super) fn view(situation: &Situation, plan: &Plan) -> View {
    let now = situation.now;
    let status = plan.status.as_ref();
    View {
        status: status.map_or("unchanged".to_owned(), |status| {
            format!("{:?} {}", status.phase.unwrap(), status.reason.as_deref().unwrap())
        }),
        message: status.map(|status| explanation(status).to_owned()),
        conditions: status.map(conditions),
        attempt: status.map(|status| {
            let nodes = status.nodes.clone().unwrap();
            let job = status.job_name.as_deref().unwrap_or("no Job");
            format!("{} ({job}), {} of {} ready", status.attempt.unwrap(), nodes.ready, nodes.desired)
        }),
        restarts: status.and_then(|status| {
            let restarts = status.restarts.clone().unwrap();
            let none = restarts.failures == 0 && restarts.preemptions == 0;
            let in_place = match restarts.in_place {
                0 => String::new(),
                count => format!(", {count} in place"),
            };
            (!none).then(|| format!("{} failures, {} preemptions{in_place}", restarts.failures, restarts.preemptions))
        }),
        ran: status.and_then(|status| {
            let since = status.running_time.as_ref().map(|since| format!("since {}", relative(since.0, now)));
            let before = status.active_seconds.map(|seconds| format!("{seconds} s before"));
            let parts: Vec<String> = before.into_iter().chain(since).collect();
            (!parts.is_empty()).then(|| parts.join(", "))
        }),
        next_attempt: status.and_then(|status| Some(relative(status.next_attempt_time.as_ref()?.0, now))),
        completed: status.and_then(|status| Some(relative(status.completion_time.as_ref()?.0, now))),
        apply: plan.apply.iter().map(child).collect(),
        trial: plan.trial.as_ref().map(child),
        create: plan.create.as_ref().map(child),
        delete: plan.delete.iter().map(|deletion| format!("Job/{}: {}", deletion.name, deletion.why)).collect(),
        events: plan
            .events
            .iter()
            .map(|event| {
                let kind = if event.warning { "Warning" } else { "Normal" };
                format!("{kind} {} ({})", event.reason, event.action)
            })
            .collect(),
        counted: plan.counted.map(|cause| format!("{cause:?}")),
        look_again: plan.requeue.map(|wait| format!("in {} s", wait.as_secs())),
        poll: plan.poll.as_ref().map(|poll| format!("attempt {} at {}", poll.attempt, poll.url)),
        boost: plan.boost.as_ref().map(|boost| format!("{} of {}", boost.value, boost.workload)),
        progress: plan.progress.as_ref().map(|status| told(status, now)),
        delete_object: plan.delete_object,
    }
}

/// The message that explains the phase.
pub(super) fn explanation(status: &RealTrainingJobStatus) -> &str {
    let running = find(&status.conditions, "Running").expect("whether it runs is always said");
    assert_eq!(Some(&running.reason), status.reason.as_ref());
    &running.message
}

fn child(child: &crate::child::Child) -> String {
    let verb = if child.exists { "update" } else { "create" };
    format!("{verb} {}/{}", child.resource.kind, child.name)
}

fn conditions(status: &RealTrainingJobStatus) -> String {
    let all = status.conditions.iter();
    let all = all.map(|condition| format!("{}={}({})", condition.type_, condition.status, condition.reason));
    all.collect::<Vec<_>>().join(" ")
}

fn relative(time: Timestamp, now: Timestamp) -> String {
    match time.as_second() - now.as_second() {
        0 => "now".to_owned(),
        seconds if seconds > 0 => format!("in {seconds} s"),
        seconds => format!("{} s ago", -seconds),
    }
}

fn told(status: &RealTrainingJobStatus, now: Timestamp) -> Told {
    let steps = status.progress.as_ref().map(|progress| {
        let metrics = progress.metrics.iter().map(|metric| format!(" {}={}", metric.name, metric.value));
        format!(
            "{} of {} ({} %), {} s left, heard {}, reward={}{}",
            progress.step,
            progress.total_steps,
            progress.percentage,
            progress.estimated_remaining_seconds.map_or("?".to_owned(), |seconds| seconds.to_string()),
            relative(progress.last_update_time.as_ref().unwrap().0, now),
            progress.reward.as_deref().unwrap_or("?"),
            metrics.collect::<String>(),
        )
    });
    Told {
        steps: steps.unwrap_or_default(),
        checkpoints: status
            .checkpoints
            .iter()
            .map(|checkpoint| format!("{} {}", checkpoint.step, checkpoint.uri))
            .collect(),
        best: status.best_checkpoint.clone(),
        evaluations: status
            .evaluations
            .iter()
            .map(|one| format!("{} {} at {}: joint {}", one.suite, one.decoding, one.step, one.joint))
            .collect(),
    }
}
