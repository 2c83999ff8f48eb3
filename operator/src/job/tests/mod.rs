//! What is planned, situation by situation.
//!
//! A situation is a job, what the cluster holds and the time, reached step by step as it would be: plans are carried out
//! by [`act`], what the cluster does is in [`cluster`]. Each theme is a file with its situations and a snapshot of what is
//! planned in each.

mod act;
mod children;
mod cluster;
mod deadlines;
mod definition;
mod endings;
mod finished;
mod in_place;
mod job_rules;
mod manifests;
mod pods;
mod progress;
mod properties;
mod restarts;
mod running;
mod scheduling;
mod situation;
mod start;
mod suspension;
mod view;
mod walks;

use act::carry_out;
use situation::Situation;
use view::{explanation, view};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::status::{IN_PLACE, WARNED};
use crate::conditions::find;

/// A sentence that says what is the case and what follows, and the case.
type Case = (&'static str, Situation);

/// All situations, by theme.
fn table() -> Vec<(&'static str, Vec<Case>)> {
    vec![
        ("start", start::cases()),
        ("scheduling", [scheduling::queues(), scheduling::pods()].concat()),
        ("slow_starts", scheduling::slow()),
        ("running", running::cases()),
        ("endings", endings::cases()),
        ("restarts", restarts::cases()),
        ("in_place", in_place::cases()),
        ("suspension", suspension::cases()),
        ("deadlines", deadlines::cases()),
        ("finished", finished::cases()),
        ("children", children::cases()),
        ("progress", progress::cases()),
    ]
}

#[test]
fn what_is_planned_in_each_situation() {
    for (theme, cases) in table() {
        let plans: view::Ordered<_> =
            cases.iter().map(|(sentence, case)| (*sentence, view(case, &case.plan()))).collect();
        insta::assert_yaml_snapshot!(theme, plans);
    }
}

#[test]
fn every_sentence_is_there_once() {
    let mut sentences: Vec<_> =
        table().into_iter().flat_map(|(_, cases)| cases).map(|(sentence, _)| sentence).collect();
    let count = sentences.len();
    sentences.sort_unstable();
    sentences.dedup();
    assert_eq!(sentences.len(), count);
}

/// A plan that is carried out leaves nothing to do: otherwise the operator would write for ever.
#[test]
fn a_plan_that_was_carried_out_is_not_made_again() {
    for (theme, cases) in table() {
        for (sentence, mut case) in cases {
            let first = case.plan();
            carry_out(&mut case, &first);
            // A failure is on record before what follows it: a wait that is over already, or a suspension.
            let next = case.job.status.as_ref().and_then(|status| status.next_attempt_time.clone());
            if next.is_some_and(|time| first.counted.is_some() && (time.0 <= case.now || case.job.spec.suspend)) {
                case = case.settled();
                assert!(case.plan().status.is_none(), "{theme}: {sentence}");
                continue;
            }
            let second = case.plan();
            let again = view(&case, &second);
            let what = format!("{theme}: {sentence}:\n{again:#?}");
            assert!(second.status.is_none() && second.progress.is_none() && second.events.is_empty(), "{what}");
            if case.observed.refused.is_some() {
                continue; // what was refused is tried again
            }
            assert!(second.apply.is_empty() && second.create.is_none(), "{what}");
            // An attempt's Job is deleted once its end is on record.
            carry_out(&mut case, &second);
            assert!(case.plan().delete.is_empty(), "{what}");
        }
    }
}

/// Events and conditions say the same: an event tells of the state that the status is in.
#[test]
fn an_event_says_what_the_status_says() {
    let mut events = 0;
    for (_, cases) in table() {
        for (sentence, case) in cases {
            let plan = case.plan();
            for event in &plan.events {
                events += 1;
                let status = plan.status.as_ref().expect(sentence);
                // What the trainer warns of, and that it was started again, are conditions beside the state.
                let warned =
                    |condition: &Condition| (&condition.reason, &condition.message) == (&event.reason, &event.note);
                if [WARNED, IN_PLACE].iter().any(|type_| find(&status.conditions, type_).is_some_and(warned)) {
                    continue;
                }
                assert_eq!(status.reason.as_ref(), Some(&event.reason), "{sentence}");
                assert_eq!(explanation(status), event.note, "{sentence}");
            }
        }
    }
    assert!(events > 0);
}

#[test]
fn every_status_fits_its_definition() {
    for (_, cases) in table() {
        for (sentence, case) in cases {
            let plan = case.plan();
            for status in plan.status.iter().chain(&plan.progress) {
                assert_eq!(definition::misfits(status), Vec::<String>::new(), "{sentence}");
            }
        }
    }
}

/// A log's last line may be long; the API server takes no more than 1024 bytes in an event.
#[test]
fn long_messages_are_cut_for_events() {
    let line = "é".repeat(2000);
    let case = Situation::running_for(100);
    let plan = case.pods([pods::exited_with_log(1, &line), pods::exited(143)]).job_failed().plan();
    let note = &plan.events[0].note;
    assert!((1000..=1024).contains(&note.len()), "{} bytes", note.len());
    assert!(explanation(plan.status.as_ref().unwrap()).starts_with(note));
}
