//! What keeps pods from running: by their statuses and, where those say nothing for long, by what was last said of them.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::ResourceExt;

use crate::requeue::after;

/// Seconds after which a pod that nothing seems to hinder is slow.
pub(crate) const SLOW_AFTER: u64 = 120;
/// Seconds after which it is asked again what is said of it.
pub(crate) const ASK_AGAIN_AFTER: u64 = 60;

/// Why the scheduler finds no node for a pod.
pub(crate) const UNSCHEDULABLE: &str = "Unschedulable";
/// No scheduler has looked at a pod.
pub(crate) const NO_SCHEDULER: &str = "NoScheduler";

/// What a container waits for that does not pass by itself.
const STUCK: [&str; 8] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
    "CrashLoopBackOff",
];

/// A warning about a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodEvent {
    /// Name of the pod.
    pub pod: String,
    /// A word in `CamelCase`.
    pub reason: String,
    /// The same for people.
    pub note: String,
}

/// What a pod that is on its way waits for, as far as its status says, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OnItsWay {
    /// No scheduler has said anything of it.
    Unseen(Timestamp),
    /// It has a node, and none of its containers runs.
    OnItsNode(Timestamp),
}

/// What is known of pods whose statuses name no obstacle and that do not run.
#[derive(Debug)]
pub(crate) enum Slow<'a> {
    /// Nothing is worth a word before this time.
    NotYet(Timestamp),
    /// No scheduler has looked at this one.
    Unseen(&'a Pod),
    /// The last warning about one that has a node.
    Said(&'a PodEvent),
    /// One has a node, and nothing is said of it.
    Silent,
}

/// The slowest of `pods`, where one is on its way; `told` is the last warning about one of them.
pub(crate) fn slow<'a>(
    pods: impl IntoIterator<Item = &'a Pod>,
    told: Option<&'a PodEvent>,
    now: Timestamp,
) -> Option<Slow<'a>> {
    let since = |way: OnItsWay| match way {
        OnItsWay::Unseen(since) | OnItsWay::OnItsNode(since) => since,
    };
    let on_their_way = pods.into_iter().filter_map(|pod| Some((pod, on_its_way(pod)?)));
    let (pod, way) = on_their_way.min_by_key(|(_, way)| since(*way))?;
    let late = after(since(way), SLOW_AFTER);
    Some(match (way, told) {
        _ if now < late => Slow::NotYet(late),
        (OnItsWay::Unseen(_), _) => Slow::Unseen(pod),
        (OnItsWay::OnItsNode(_), Some(event)) => Slow::Said(event),
        (OnItsWay::OnItsNode(_), None) => Slow::Silent,
    })
}

/// What keeps pods from running, its reason and message, and when to look again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hindrance {
    pub(crate) why: Option<(String, String)>,
    pub(crate) look_again: Option<Timestamp>,
}

/// What keeps `pods` from running. They ask for `scheduler`, or for the cluster's own.
pub(crate) fn hindrance(pods: &[&Pod], told: Option<&PodEvent>, scheduler: Option<&str>, now: Timestamp) -> Hindrance {
    if let Some(why) = pods.iter().find_map(|pod| obstacle(pod)) {
        return Hindrance { why: Some(why), look_again: None };
    }
    let again = Some(after(now, ASK_AGAIN_AFTER));
    match slow(pods.iter().copied(), told, now) {
        None => Hindrance::default(),
        Some(Slow::NotYet(late)) => Hindrance { why: None, look_again: Some(late) },
        Some(Slow::Silent) => Hindrance { why: None, look_again: again },
        Some(Slow::Unseen(pod)) => {
            let why = unseen(&format!("pod {}", pod.name_any()), scheduler);
            Hindrance { why: Some((NO_SCHEDULER.to_owned(), why)), look_again: again }
        }
        Some(Slow::Said(event)) => {
            let why = (event.reason.clone(), format!("{}: {}", event.pod, event.note));
            Hindrance { why: Some(why), look_again: again }
        }
    }
}

/// That no scheduler has looked at `who`.
pub(crate) fn unseen(who: &str, scheduler: Option<&str>) -> String {
    let scheduler = scheduler.unwrap_or("default-scheduler");
    format!("no scheduler has looked at {who} for {SLOW_AFTER} s: does {scheduler} run?")
}

/// Whether a pod has a node and has got no further for long, though its status says nothing of why: then its events may.
pub(crate) fn is_slow(pod: &Pod, now: Timestamp) -> bool {
    let Some(OnItsWay::OnItsNode(since)) = on_its_way(pod) else { return false };
    obstacle(pod).is_none() && now >= after(since, SLOW_AFTER)
}

/// What `pod` waits for; nothing where it runs, is over or leaves.
fn on_its_way(pod: &Pod) -> Option<OnItsWay> {
    if pod.metadata.deletion_timestamp.is_some() || phase(pod).is_some_and(|phase| phase != "Pending") {
        return None;
    }
    let status = pod.status.as_ref();
    let containers = status.into_iter().flat_map(|status| status.init_container_statuses.iter().flatten());
    let has_begun = |status: &ContainerStatus| {
        status.state.as_ref().is_some_and(|state| state.running.is_some() || state.terminated.is_some())
    };
    if containers.into_iter().any(has_begun) {
        return None;
    }
    let conditions = status.and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    match conditions.iter().find(|condition| condition.type_ == "PodScheduled") {
        None => pod.metadata.creation_timestamp.as_ref().map(|time| OnItsWay::Unseen(time.0)),
        Some(scheduled) if scheduled.status == "True" => {
            scheduled.last_transition_time.as_ref().map(|time| OnItsWay::OnItsNode(time.0))
        }
        Some(_) => None,
    }
}

/// Phase of a pod.
pub(crate) fn phase(pod: &Pod) -> Option<&str> {
    pod.status.as_ref()?.phase.as_deref()
}

/// Why a pod has no node, as its scheduler says.
pub(crate) fn unscheduled(pod: &Pod) -> Option<(&'static str, String)> {
    let conditions = pod.status.as_ref()?.conditions.as_deref()?;
    let scheduled =
        conditions.iter().find(|condition| condition.type_ == "PodScheduled" && condition.status == "False")?;
    let reason = scheduled.reason.as_deref()?;
    let reason = [UNSCHEDULABLE, "SchedulingGated"].into_iter().find(|known| *known == reason)?;
    let why = scheduled.message.as_deref().unwrap_or(reason);
    Some((reason, why.to_owned()))
}

/// Why a container of a pod cannot be started, as the kubelet says.
pub(crate) fn stuck(pod: &Pod) -> Option<(String, String)> {
    let status = pod.status.as_ref()?;
    let all = status.init_container_statuses.iter().chain(&status.container_statuses).flatten();
    all.filter_map(|status| status.state.as_ref()?.waiting.as_ref()).find_map(|waiting| {
        let reason = waiting.reason.as_deref().filter(|reason| STUCK.contains(reason))?;
        let message = waiting.message.as_deref().unwrap_or_default();
        Some((reason.to_owned(), if message.is_empty() { reason } else { message }.to_owned()))
    })
}

/// What a pod waits for that may not pass by itself: reason and message.
fn obstacle(pod: &Pod) -> Option<(String, String)> {
    let found = unscheduled(pod).map(|(reason, why)| (reason.to_owned(), why)).or_else(|| stuck(pod));
    found.map(|(reason, why)| (reason, format!("{}: {why}", pod.name_any())))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: &str = "2026-01-01T12:10:00Z";

    fn pod(name: &str, status: &Value) -> Pod {
        let pod = json!({"metadata": {"name": name, "creationTimestamp": "2026-01-01T12:00:00Z"}, "status": status});
        serde_json::from_value(pod).unwrap()
    }

    fn on_its_node(since: &str) -> Pod {
        let scheduled = json!({"type": "PodScheduled", "status": "True", "lastTransitionTime": since});
        let waiting = json!({"name": "c", "image": "i", "imageID": "", "restartCount": 0, "ready": false,
            "state": {"waiting": {"reason": "ContainerCreating"}}});
        pod("a", &json!({"phase": "Pending", "conditions": [scheduled], "containerStatuses": [waiting]}))
    }

    fn why(pods: &[Pod], told: Option<&PodEvent>, scheduler: Option<&str>) -> (Option<String>, Option<String>) {
        let pods: Vec<&Pod> = pods.iter().collect();
        let found = hindrance(&pods, told, scheduler, NOW.parse().unwrap());
        (found.why.map(|(reason, why)| format!("{reason}: {why}")), found.look_again.map(|time| time.to_string()))
    }

    #[test]
    fn a_status_that_says_why_is_believed_before_anything_else() {
        let told = PodEvent { pod: "a".into(), reason: "FailedMount".into(), note: "old".into() };
        let full = pod(
            "b",
            &json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False",
            "reason": "Unschedulable", "message": "0/3 nodes are available"}]}),
        );
        let (said, again) = why(&[on_its_node("2026-01-01T12:00:00Z"), full], Some(&told), None);
        assert_eq!(said.as_deref(), Some("Unschedulable: b: 0/3 nodes are available"));
        assert_eq!(again, None, "its watch tells");
    }

    #[test]
    fn what_no_status_says_is_said_after_two_minutes() {
        let told = PodEvent { pod: "a".into(), reason: "FailedMount".into(), note: "no such Secret".into() };
        let early = [on_its_node("2026-01-01T12:08:01Z")];
        assert_eq!(why(&early, Some(&told), None), (None, Some("2026-01-01T12:10:01Z".into())));
        let late = [on_its_node("2026-01-01T12:08:00Z")];
        let again = Some("2026-01-01T12:11:00Z".to_owned());
        assert_eq!(why(&late, Some(&told), None), (Some("FailedMount: a: no such Secret".into()), again.clone()));
        assert_eq!(why(&late, None, None), (None, again.clone()), "nothing is made up");
        let unseen = [pod("a", &json!({"phase": "Pending"}))];
        let says = |name: &str| format!("NoScheduler: no scheduler has looked at pod a for 120 s: does {name} run?");
        assert_eq!(why(&unseen, None, None), (Some(says("default-scheduler")), again.clone()));
        assert_eq!(why(&unseen, None, Some("mine")), (Some(says("mine")), again));
    }

    #[test]
    fn pods_that_run_are_over_or_leave_are_hindered_by_nothing() {
        let mut leaving = on_its_node("2026-01-01T12:00:00Z");
        leaving.metadata.deletion_timestamp =
            Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(NOW.parse().unwrap()));
        for pod in [pod("a", &json!({"phase": "Running"})), pod("a", &json!({"phase": "Failed"})), leaving] {
            assert!(!is_slow(&pod, NOW.parse().unwrap()));
            assert_eq!(why(&[pod], None, None), (None, None));
        }
    }
}
