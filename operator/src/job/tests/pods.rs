//! States of a trainer's pod, as a kubelet and the control plane report them.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::PodStatus;
use real_crds::progress::{LastWords, Outcome, Progress};
use serde_json::{Value, json};

/// Makes the status of a pod at a time.
pub(super) struct State(Box<dyn Fn(Timestamp) -> Value>);

impl State {
    fn new(status: impl Fn(Timestamp) -> Value + 'static) -> Self {
        Self(Box::new(status))
    }

    pub(super) fn at(&self, now: Timestamp) -> PodStatus {
        serde_json::from_value((self.0)(now)).unwrap()
    }

    /// The state it was in some seconds ago and has been in since.
    pub(super) fn ago(self, seconds: i64) -> Self {
        Self::new(move |now| (self.0)(now - jiff::SignedDuration::from_secs(seconds)))
    }
}

fn trainer(state: &Value) -> Value {
    json!([{ "name": "trainer", "state": state, "ready": false, "restartCount": 0, "image": "", "imageID": "" }])
}

/// Has a node; its container is being made.
pub(super) fn creating() -> State {
    waiting("ContainerCreating", "")
}

/// Its container waits for a reason.
pub(super) fn waiting(reason: &'static str, message: &'static str) -> State {
    State::new(move |now| {
        json!({
            "phase": "Pending",
            "conditions": [{ "type": "PodScheduled", "status": "True", "lastTransitionTime": now }],
            "containerStatuses": trainer(&json!({ "waiting": { "reason": reason, "message": message } })),
        })
    })
}

/// No scheduler has looked at it.
pub(super) fn unseen() -> State {
    State::new(|_| json!({ "phase": "Pending" }))
}

/// Has no node, with the scheduler's reason and message.
pub(super) fn unscheduled(reason: &'static str, message: &'static str) -> State {
    State::new(move |_| {
        let condition = json!({ "type": "PodScheduled", "status": "False", "reason": reason, "message": message });
        json!({ "phase": "Pending", "conditions": [condition] })
    })
}

/// Trains.
pub(super) fn running() -> State {
    running_at("10.1.0.7")
}

/// Trained when its node was last heard of.
pub(super) fn cut_off() -> State {
    State::new(|now| {
        let mut status = (running().0)(now);
        let condition = |type_: &str, status: &str| json!({"type": type_, "status": status, "lastTransitionTime": now});
        status["conditions"] = json!([condition("Ready", "False"), condition("ContainersReady", "True")]);
        status
    })
}

/// Trains, with an address.
pub(super) fn running_at(address: &'static str) -> State {
    State::new(move |now| {
        json!({
            "phase": "Running",
            "podIP": address,
            "containerStatuses": trainer(&json!({ "running": { "startedAt": now } })),
        })
    })
}

/// All steps are done.
pub(super) fn done() -> State {
    ended("Succeeded", 0, "Completed", String::new())
}

/// All steps are done, with last words.
pub(super) fn done_with(progress: &Progress) -> State {
    ended("Succeeded", 0, "Completed", LastWords::compose(Outcome::Done, None, "", progress))
}

/// Ended with an exit code and nothing to say.
pub(super) fn exited(code: i32) -> State {
    ended("Failed", code, "Error", String::new())
}

/// Ended with an exit code; `log` is the end of its log.
pub(super) fn exited_with_log(code: i32, log: &str) -> State {
    ended("Failed", code, "Error", log.to_owned())
}

/// Ended with an exit code and last words.
pub(super) fn exited_with(code: i32, message: &str, progress: &Progress) -> State {
    let outcome = if code == 75 { Outcome::Stopped } else { Outcome::Failed };
    ended("Failed", code, "Error", LastWords::compose(outcome, None, message, progress))
}

/// Ended because its losses or gradients stopped being finite.
pub(super) fn diverged(message: &str, progress: &Progress) -> State {
    ended("Failed", 2, "Error", LastWords::compose(Outcome::Failed, Some("Diverged"), message, progress))
}

/// Killed for memory.
pub(super) fn out_of_memory() -> State {
    ended("Failed", 137, "OOMKilled", String::new())
}

fn ended(phase: &'static str, code: i32, reason: &'static str, message: String) -> State {
    State::new(move |now| {
        let state = json!({ "exitCode": code, "reason": reason, "message": message, "finishedAt": now });
        json!({ "phase": phase, "containerStatuses": trainer(&json!({ "terminated": state })) })
    })
}

/// As `now`, in a pod where it was started again `count` times, before which it had `ended`.
pub(super) fn restarted(ended: State, count: u32, now: State) -> State {
    State::new(move |time| {
        let before = (ended.0)(time - jiff::SignedDuration::from_secs(2));
        let mut status = (now.0)(time);
        let trainer = &mut status["containerStatuses"][0];
        trainer["lastState"] = before["containerStatuses"][0]["state"].clone();
        trainer["restartCount"] = json!(count);
        status
    })
}

/// Trains again in its pod, where it was started again `count` times.
pub(super) fn again(count: u32) -> State {
    restarted(exited_with_log(1, "out of luck"), count, running())
}

/// The same, and it has failed once more before long: the kubelet waits before it starts it again.
pub(super) fn held_back(count: u32) -> State {
    let waiting = waiting("CrashLoopBackOff", "back-off 10s restarting failed container");
    let waiting = State::new(move |now| {
        let mut status = (waiting.0)(now);
        status["phase"] = json!("Running");
        status
    });
    restarted(exited_with_log(1, "out of luck"), count, waiting)
}

/// Was taken away: a disruption of some seconds ago, and how it ended.
pub(super) fn disrupted(reason: &'static str, message: &'static str, seconds_ago: i64, end: State) -> State {
    State::new(move |now| {
        let mut status = (end.0)(now);
        status["conditions"] = json!([{
            "type": "DisruptionTarget",
            "status": "True",
            "reason": reason,
            "message": message,
            "lastTransitionTime": now - jiff::SignedDuration::from_secs(seconds_ago),
        }]);
        status
    })
}

/// Failed without its container having said anything, with what the kubelet or a controller wrote.
pub(super) fn lost(reason: &'static str, message: &'static str) -> State {
    State::new(move |_| json!({ "phase": "Failed", "reason": reason, "message": message }))
}

/// Killed by the kubelet, with its reason.
pub(super) fn killed(reason: &'static str, message: &'static str) -> State {
    let end = ended("Failed", 137, "Error", String::new());
    State::new(move |now| {
        let mut status = (end.0)(now);
        status["reason"] = json!(reason);
        status["message"] = json!(message);
        status
    })
}
