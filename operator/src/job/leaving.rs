//! Pods that are being deleted. Until a pod has ended it may run, whatever its object says: the kubelet of a lost node says
//! nothing more.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use super::gang::is_over;
use super::observed::index;
use crate::conditions::whole_seconds;

/// Seconds that a kubelet may take beyond a pod's grace period before its node counts as lost.
const LATE: i64 = 30;
/// Pods that are named one by one.
const NAMED: usize = 3;

/// The first of `pods` that is being deleted and has not ended, and whether it should have ended long ago.
pub(super) fn first<'a>(pods: &[&'a Pod], now: Timestamp) -> Option<(&'a Pod, bool)> {
    let leaving = pods.iter().copied().filter(|pod| pod.metadata.deletion_timestamp.is_some() && !is_over(pod));
    leaving.map(|pod| (pod, end(pod).is_some_and(|end| now >= end))).max_by_key(|(_, overdue)| *overdue)
}

/// When a pod that is being deleted should have ended at the latest.
pub(super) fn end(pod: &Pod) -> Option<Timestamp> {
    let due = pod.metadata.deletion_timestamp.as_ref()?.0;
    due.checked_add(SignedDuration::from_secs(LATE)).ok()
}

/// A pod's name, rank and node.
pub(super) fn who(pod: &Pod) -> String {
    let rank = index(pod).map_or_else(String::new, |rank| format!("rank {rank}, "));
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()).unwrap_or("no node");
    format!("pod {} ({rank}{node})", pod.name_any())
}

/// A pod, since when it is being deleted, and what to do if it does not end.
pub(super) fn describe(pod: &Pod, now: Timestamp) -> String {
    let (name, who) = (pod.name_any(), who(pod));
    let Some(due) = pod.metadata.deletion_timestamp.as_ref().map(|time| time.0) else {
        return format!("{who} still runs");
    };
    let grace = SignedDuration::from_secs(pod.metadata.deletion_grace_period_seconds.unwrap_or(0));
    let since = whole_seconds(due.checked_sub(grace).unwrap_or(due));
    let due = whole_seconds(due);
    if end(pod).is_none_or(|end| now < end) {
        return format!("{who} is being deleted since {since} and has until {due}");
    }
    format!(
        "{who} is being deleted since {since} and should have ended at {due}: its node may be lost; where it is gone for good, \
         kubectl delete pod {name} --grace-period=0 --force"
    )
}

/// Some pods, the first few by name, and how far each is.
pub(super) fn list(pods: &[&Pod], now: Timestamp) -> String {
    some(pods, |pod| describe(pod, now))
}

/// Some pods, the first few by name.
pub(super) fn names(pods: &[&Pod]) -> String {
    some(pods, who)
}

fn some(pods: &[&Pod], describe: impl Fn(&Pod) -> String) -> String {
    let named: Vec<String> = pods.iter().take(NAMED).map(|pod| describe(pod)).collect();
    let named = named.join(", ");
    match pods.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named}, and {more} more"),
    }
}
