//! A trainer that is started again in its pod.

use k8s_openapi::api::batch::v1::Job;
use real_crds::v1alpha1::RestartCounts;
use serde_json::{Value, json};

use super::Case;
use super::pods::{again, done, exited, held_back, out_of_memory, restarted, running};
use super::situation::Situation;

/// One pod that has been running for 100 s.
fn runs() -> Situation {
    Situation::sft().settled().later(60).pods([running()]).settled().later(100)
}

pub(super) fn cases() -> Vec<Case> {
    let limit = |limit: u32| runs().edited(|spec| spec.restart_policy.backoff_limit = limit).settled();
    vec![
        (
            "a trainer that was started again in its pod has failed once, and its attempt goes on",
            runs().pods([again(1)]),
        ),
        (
            "an attempt whose trainer was started again and goes on writes nothing more",
            runs().pods([again(1)]).settled().later(60),
        ),
        (
            "a trainer out of memory that was started again says what can be done about it",
            runs().pods([restarted(out_of_memory(), 1, running())]),
        ),
        (
            "restarts in its pod that nobody saw count each",
            runs().pods([again(1)]).settled().later(2000).pods([again(3)]),
        ),
        (
            "a trainer that fails again soon after it was started again gets another attempt",
            runs().pods([again(1)]).settled().later(5).pods([held_back(1)]),
        ),
        (
            "the next attempt begins its count anew",
            runs().pods([again(1)]).settled().later(5).pods([held_back(1)]).settled().gone().later(3600),
        ),
        ("two failures within a moment are counted both, and another attempt follows", runs().pods([held_back(1)])),
        ("a trainer that was started again once too often has failed the job", limit(1).pods([again(2)])),
        (
            "a failure that would be one too many is not waited for while the kubelet holds the next start back",
            limit(1).pods([again(1)]).settled().later(5).pods([held_back(1)]),
        ),
        (
            "an attempt that ends for good after a restart that nobody saw counts both",
            runs().pods([restarted(exited(1), 1, exited(1))]).job_failed(),
        ),
        (
            "a trainer whose pod is gone keeps what is said of its restart",
            runs().pods([again(1)]).settled().later(60).pods([]),
        ),
        (
            "a trainer that was started again has its whole progress deadline",
            runs().later(7000).pods([again(1)]).settled().later(7100),
        ),
        (
            "a job whose trainer was started again completes",
            runs().pods([again(1)]).settled().later(60).pods([restarted(exited(1), 1, done())]).job_complete(),
        ),
    ]
}

fn container(situation: &Situation) -> Value {
    let create = situation.plan().create.expect("an attempt starts");
    let job: Job = serde_json::from_value(create.body).unwrap();
    serde_json::to_value(&job.spec.unwrap().template.spec.unwrap().containers[0]).unwrap()
}

#[test]
fn a_trainer_alone_is_started_again_for_what_another_start_may_mend() {
    let container = container(&Situation::sft());
    let exit_codes = json!({"operator": "NotIn", "values": [0, 2, 75]});
    assert_eq!(container["restartPolicyRules"], json!([{"action": "Restart", "exitCodes": exit_codes}]));
    assert_eq!(container["restartPolicy"], "Never");
}

/// Whatever is told to one start of the trainer is told to the next one in the same pod.
#[test]
fn a_failure_ends_the_attempt_where_a_start_in_the_same_pod_would_not_do() {
    let mut old = Situation::sft();
    old.observed.restarts_containers = false;
    let mut used_up = Situation::sft();
    let restarts = RestartCounts { failures: 3, ..RestartCounts::default() };
    used_up.job.status.get_or_insert_default().restarts = Some(restarts);
    let cases = vec![
        ("the cluster cannot", old),
        ("ranks of a gang would not begin anew with it", Situation::ready()),
        ("it would begin afresh", Situation::sft().edited(|spec| spec.checkpoint.resume_from = "none".into())),
        ("it would go back once more", Situation::sft().edited(|spec| spec.checkpoint.resume_from = "step-7".into())),
        ("it may not fail", Situation::sft().edited(|spec| spec.restart_policy.backoff_limit = 0)),
        ("it may not fail any more", used_up),
    ];
    for (why, situation) in cases {
        let container = container(&situation);
        assert!(container["restartPolicy"].is_null() && container["restartPolicyRules"].is_null(), "{why}");
    }
}
