//! What is planned, situation by situation.
//!
//! A situation is a sweep, what the cluster holds and the time, reached step by step as it would be: plans are carried out as a
//! controller and an API server would, what the cluster does is in [`situation`].

mod cells;
mod manifests;
mod recurring;
mod situation;
mod situations;
mod view;

use real_crds::v1alpha1::{RealEvalSweep, RealEvalSweepStatus};
use serde_json::Value;
use situation::Situation;
use view::view;

/// A sentence that says what is the case and what follows, and the case.
type Case = (&'static str, Situation);

fn table() -> Vec<(&'static str, Vec<Case>)> {
    vec![
        ("start", situations::start()),
        ("targets", situations::targets()),
        ("running", situations::running()),
        ("endings", situations::endings()),
        ("suspension", situations::suspension()),
        ("finished", situations::finished()),
        ("recurring", recurring::cases()),
    ]
}

#[test]
fn what_is_planned_in_each_situation() {
    for (theme, cases) in table() {
        let plans: serde_json::Map<String, Value> = cases
            .iter()
            .map(|(sentence, case)| ((*sentence).to_owned(), serde_json::to_value(view(case, &case.plan())).unwrap()))
            .collect();
        assert_eq!(plans.len(), cases.len(), "{theme}: a sentence is there twice");
        insta::assert_yaml_snapshot!(theme, plans);
    }
}

/// A plan that is carried out leaves nothing to do: otherwise the operator would write for ever.
#[test]
fn a_plan_that_was_carried_out_is_not_made_again() {
    for (theme, cases) in table() {
        for (sentence, mut case) in cases {
            let first = case.plan();
            case.carry_out(&first);
            let second = case.plan();
            let what = format!("{theme}: {sentence}:\n{:#?}", view(&case, &second));
            assert!(second.status.is_none() && second.events.is_empty() && second.record.is_empty(), "{what}");
            assert!(second.delete.is_empty(), "{what}");
            if case.observed.refused.is_none() {
                assert!(second.apply.is_empty() && second.create.is_empty(), "{what}");
            }
        }
    }
}

/// Names, lists and texts stay within what the API server takes.
#[test]
fn every_status_fits_its_definition() {
    let definition = serde_json::to_value(<RealEvalSweep as kube::CustomResourceExt>::crd()).unwrap();
    let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"];
    for (_, cases) in table() {
        for (sentence, case) in cases {
            if let Some(status) = case.plan().status {
                assert_eq!(misfits(schema, &status), Vec::<String>::new(), "{sentence}");
            }
        }
    }
}

fn misfits(schema: &Value, status: &RealEvalSweepStatus) -> Vec<String> {
    crate::schema_check::misfits(schema, &serde_json::to_value(status).unwrap())
}
