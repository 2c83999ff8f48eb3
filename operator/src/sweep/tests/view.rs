//! A plan as people read it.

use serde::Serialize;

use super::situation::Situation;
use crate::sweep::Plan;

/// What a plan does; what it does not do is left out.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct View {
    status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    counts: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conditions: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    targets: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    left_out: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cells: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    troubled: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    apply: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trial: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    create: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    record: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    delete: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    events: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    look_again: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    delete_object: bool,
}

pub(super) fn view(_: &Situation, plan: &Plan) -> View {
    let status = plan.status.as_ref();
    let about = |child: &crate::child::Child| {
        let annotations = &child.body["metadata"]["annotations"];
        let text = |key: &str| annotations[key].as_str().unwrap_or_default().to_owned();
        format!("{}: {} {}", child.name, text("real-rl.dev/target"), text("real-rl.dev/settings"))
    };
    View {
        status: status.map_or("unchanged".to_owned(), |status| {
            format!("{:?} {}", status.phase.unwrap(), status.reason.as_deref().unwrap())
        }),
        message: status.map(|status| {
            let running = status.conditions.iter().find(|one| one.type_ == "Running").unwrap();
            running.message.clone()
        }),
        counts: status.and_then(|status| status.counts.as_ref()).map(|counts| {
            format!(
                "{}: {} wait, {} run, {} done, {} failed, {} skipped",
                counts.total, counts.waiting, counts.active, counts.succeeded, counts.failed, counts.skipped
            )
        }),
        conditions: status.map(|status| {
            let shown = status.conditions.iter().map(|one| match one.status.as_str() {
                "True" => one.type_.clone(),
                _ => format!("!{}", one.type_),
            });
            shown.collect::<Vec<_>>().join(" ")
        }),
        targets: status
            .map(|status| status.targets.iter().map(|target| target.name.clone()).collect())
            .unwrap_or_default(),
        left_out: status.and_then(|status| {
            let resolved = status.conditions.iter().find(|one| one.type_ == "TargetsResolved")?;
            Some(resolved.message.clone()).filter(|message| !message.is_empty())
        }),
        cells: status
            .map(|status| {
                let rows = status.cells.iter();
                rows.map(|row| {
                    format!(
                        "{} {}: joint {} of {} ({} dropped)",
                        row.target, row.settings, row.joint, row.n, row.dropped
                    )
                })
                .collect()
            })
            .unwrap_or_default(),
        troubled: status
            .map(|status| {
                let rows = status.troubled_cells.iter();
                rows.map(|row| format!("{} {} {}: {}", row.state, row.target, row.reason, row.message)).collect()
            })
            .unwrap_or_default(),
        apply: plan.apply.iter().map(|child| format!("{}/{}", child.resource.kind, child.name)).collect(),
        trial: plan.trial.as_ref().map(about),
        create: plan.create.iter().map(about).collect(),
        record: plan.record.iter().map(|record| format!("{}: {}", record.name, record.result)).collect(),
        delete: plan.delete.iter().map(|deletion| format!("{}: {}", deletion.name, deletion.why)).collect(),
        events: plan
            .events
            .iter()
            .map(|event| {
                let kind = if event.warning { "Warning" } else { "Normal" };
                format!("{kind} {} ({}): {}", event.reason, event.action, event.note)
            })
            .collect(),
        look_again: plan.requeue.map(|wait| format!("after {wait:?}")),
        delete_object: plan.delete_object,
    }
}
