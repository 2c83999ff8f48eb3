//! Observations that make no sense: a status may have been edited by hand, a cache may lag. No plan does harm then.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use proptest::option;
use proptest::prelude::*;
use real_crds::progress::{Checkpoint, Progress};
use real_crds::v1alpha1::{RealTrainingJobStatus, RestartCounts};

use super::definition::misfits;
use super::pods::{
    again, creating, disrupted, done, exited, held_back, lost, out_of_memory, running, unscheduled, waiting,
};
use super::situation::{Pool, Situation};
use crate::job::ending::ending;
use crate::job::gang::is_over;
use crate::job::observed::number;
use crate::job::status::is_finished;
use crate::job::{Plan, attempt};

/// Numbers as they are, and as nobody expects them.
fn count() -> impl Strategy<Value = u32> {
    prop_oneof![8 => 0..5_u32, 1 => Just(u32::MAX), 1 => any::<u32>()]
}

fn seconds() -> impl Strategy<Value = i64> {
    prop_oneof![8 => -2000..2000_i64, 1 => -2_000_000_000..2_000_000_000_i64]
}

prop_compose! {
    fn status()(
        attempt in option::of(count()),
        job_name in option::of((1..5_u32).prop_map(|attempt| format!("ppo-{attempt}"))),
        failures in count(),
        preemptions in count(),
        in_place in count(),
        running in option::of(seconds()),
        active_seconds in option::of(prop_oneof![4 => 0..3000_u64, 1 => any::<u64>()]),
        next in option::of(seconds()),
        finished in prop_oneof![4 => Just(None), 1 => Just(Some("Complete")), 1 => Just(Some("Failed"))],
        completed in option::of(seconds()),
    ) -> RealTrainingJobStatus {
        let time = |seconds: i64| Time(beginning() + SignedDuration::from_secs(seconds));
        let conditions = finished.into_iter().map(|type_| Condition {
            type_: type_.to_owned(),
            status: "True".to_owned(),
            reason: "Told".to_owned(),
            message: String::new(),
            observed_generation: Some(1),
            last_transition_time: time(0),
        });
        RealTrainingJobStatus {
            observed_generation: Some(1),
            attempt,
            job_name,
            restarts: Some(RestartCounts { failures, preemptions, in_place }),
            running_time: running.map(time),
            active_seconds,
            next_attempt_time: next.map(time),
            completion_time: completed.map(time),
            conditions: conditions.collect(),
            ..RealTrainingJobStatus::default()
        }
    }
}

prop_compose! {
    /// A Job of an attempt and its two pods.
    fn gang()(
        attempt in prop_oneof![8 => 1..5_u32, 1 => any::<u32>()],
        end in 0..6,
        deleting: bool,
        suspended: bool,
        pods in prop::array::uniform2(0..12),
        age in seconds(),
    ) -> (u32, i32, bool, bool, [i32; 2], i64) {
        (attempt, end, deleting, suspended, pods, age)
    }
}

prop_compose! {
    fn situation()(
        status in option::of(status()),
        gangs in prop::collection::vec(gang(), 0..4),
        suspend: bool,
        deadlines in prop::array::uniform4(option::of(0..5000_u64)),
        limits in (0..4_u32, 0..4_u32),
        pool in 0..4,
        refused: bool,
        queued: bool,
        deleted in prop::bool::weighted(0.1),
        report in option::of((0..5_u64, any::<u64>(), any::<u64>(), any::<f64>(), seconds())),
    ) -> Situation {
        let mut situation = Situation::ppo();
        for (attempt, end, deleting, suspended, pods, age) in gangs {
            situation = with_gang(situation, attempt, end, deleting, suspended, pods, age);
        }
        situation.job.status = status;
        situation = situation.edited(|spec| {
            spec.suspend = suspend;
            spec.active_deadline_seconds = deadlines[0];
            spec.start_deadline_seconds = deadlines[1];
            spec.progress_deadline_seconds = deadlines[2].unwrap_or(0);
            spec.ttl_seconds_after_finished = deadlines[3];
            (spec.restart_policy.backoff_limit, spec.restart_policy.max_preemptions) = limits;
        });
        situation = match pool {
            0 => situation,
            1 => situation.pool(Pool::New),
            2 => situation.pool(Pool::NotReady("")),
            _ => situation.pool(Pool::Ready { detectors: 1, sandboxes: 1 }),
        };
        if let Some((attempt, step, total_steps, number, ago)) = report {
            let checkpoints = (0..12).map(|step| Checkpoint { step, sha256: "é".repeat(99), size_bytes: 1, time: None });
            let [reward, eta_seconds] = [Some(number), Some(number)];
            let checkpoints = checkpoints.collect();
            let said = Progress { attempt, step, total_steps, reward, eta_seconds, checkpoints, ..Progress::default() };
            situation = situation.later(-ago).says(said).later(ago);
        }
        if refused {
            situation = situation.refused("Forbidden", "no");
        }
        if queued {
            situation = situation.in_queue("gpu");
        }
        if deleted { situation.deleted() } else { situation }
    }
}

fn beginning() -> Timestamp {
    super::situation::BEGINNING.parse().unwrap()
}

fn with_gang(
    mut situation: Situation,
    attempt: u32,
    end: i32,
    deleting: bool,
    suspended: bool,
    pods: [i32; 2],
    age: i64,
) -> Situation {
    let job = attempt::job(&situation.job, attempt, &situation.settings, true);
    if situation.observed.jobs.iter().any(|other| other.metadata.name == job.metadata.name) {
        return situation;
    }
    let deleted = std::mem::take(&mut situation.observed.jobs);
    situation.observed.jobs.push(job);
    situation.attempt().metadata.creation_timestamp = Some(Time(situation.now));
    situation = situation.later(-age);
    if suspended {
        situation = situation.queued_again();
    }
    let pod = |state| match state {
        0 => creating(),
        1 => waiting("ErrImagePull", ""),
        2 => unscheduled("Unschedulable", ""),
        3 => done(),
        4 => exited(1),
        5 => exited(2),
        6 => disrupted("PreemptionByScheduler", "", 3, exited(75)),
        7 => out_of_memory(),
        8 => lost("", ""),
        9 => again(3),
        10 => held_back(1),
        _ => running(),
    };
    if pods != [0, 0] {
        situation = situation.pods(pods.map(pod));
    }
    situation = match end {
        0 => situation.job_complete(),
        1 => situation.job_failed(),
        2 => situation.job_failed_by_policy("Pod research/x has condition DisruptionTarget matching FailJob rule"),
        3 => situation.job_failing(),
        _ => situation,
    };
    if deleting {
        situation = situation.attempt_deleted();
    }
    situation.observed.jobs.extend(deleted);
    situation.later(age)
}

fn is_empty(plan: &Plan) -> bool {
    serde_json::to_value(plan).unwrap() == serde_json::json!({})
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn no_plan_does_harm(situation in situation()) {
        let plan = situation.plan();
        let before = situation.job.status.clone().unwrap_or_default();

        if situation.job.metadata.deletion_timestamp.is_some() {
            prop_assert!(is_empty(&plan));
            return Ok(());
        }
        if is_finished(&before) {
            prop_assert!(plan.create.is_none() && plan.apply.is_empty() && plan.events.is_empty());
            prop_assert!(plan.counted.is_none() && plan.poll.is_none());
        } else {
            prop_assert!(!plan.delete_object);
        }
        if let Some(create) = &plan.create {
            prop_assert!(!situation.job.spec.suspend);
            let jobs = &situation.observed.jobs;
            prop_assert!(jobs.iter().all(|job| ending(job, &[]).is_some()), "a second gang");
            prop_assert!(situation.observed.pods.iter().all(is_over), "pods of an earlier gang");
            prop_assert!(jobs.iter().all(|job| job.metadata.name.as_ref() != Some(&create.name)));
            prop_assert_eq!(&plan.delete.iter().find(|deletion| deletion.name == create.name), &None);
        }
        if let Some(after) = &plan.status {
            prop_assert!(after.attempt >= before.attempt);
            let (old, new) = (before.restarts.unwrap_or_default(), after.restarts.clone().unwrap_or_default());
            prop_assert!(new.failures >= old.failures && new.preemptions >= old.preemptions);
            prop_assert!(new.failures == old.failures || plan.counted.is_some() || plan.restarted > 0);
            prop_assert!(new.preemptions == old.preemptions || plan.counted.is_some());
            prop_assert!(plan.counted.is_none() || !situation.job.spec.suspend || failed_by_itself(&situation));
        }
        if let Some(told) = &plan.progress {
            let progress = told.progress.clone().unwrap();
            prop_assert!(progress.step <= progress.total_steps || progress.percentage == 100);
        }
        for status in plan.status.iter().chain(&plan.progress) {
            prop_assert_eq!(misfits(status), Vec::<String>::new());
        }
        prop_assert!(plan.requeue.is_none_or(|wait| wait.as_secs() >= 1), "a hot loop");
    }
}

fn failed_by_itself(situation: &Situation) -> bool {
    let jobs = situation.observed.jobs.iter().filter(|job| job.metadata.deletion_timestamp.is_none());
    jobs.max_by_key(|job| number(job)).is_some_and(|job| ending(job, &[]).is_some())
}
