//! What of a `RealTrainingJob` may be changed, and when.
//!
//! As Kueue has it: what only says where things run and where data lies may be changed while the job is suspended, or before its
//! first attempt has started. What the numbers of the run depend on may not: a run that goes on from a checkpoint would be
//! another one.
//!
//! The API server evaluates every rule with each write of the status too, and each step of a path costs it as much as the object
//! there has fields: compared one by one, the fields here were most of what such a write cost it. So a field of one value has its rule
//! at itself, which takes no path. The others, and those whose rule asks the status, share one rule for each time at which they may
//! be changed, and it asks first whether this is a write of the status.

use kube::core::{Message, Rule};

/// Whether the write is one of the status, which changes nothing else; a write of anything else leaves the status as it is. The
/// operator's writes change the phase or the step, but for few.
const OF_THE_STATUS: &str = "has(self.status) && (!has(oldSelf.status) || self.status.phase != oldSelf.status.phase \
    || has(self.status.progress) && has(oldSelf.status.progress) && self.status.progress.step != oldSelf.status.progress.step)";
/// No attempt was ever created.
const UNSTARTED: &str = "(!has(oldSelf.status) || !has(oldSelf.status.jobName) \
    && (!has(oldSelf.status.attempt) || oldSelf.status.attempt <= 1))";
const SUSPENDED: &str = "(oldSelf.spec.suspend || self.spec.suspend)";

/// Says of a field that never changes that it does not. It stands at the field, which is always there.
pub(super) fn never(field: &str) -> Rule {
    Rule::new("self == oldSelf").message(Message::Message(format!("{field} {NEVER}")))
}

const NEVER: &str = "cannot be changed after creation";
const UNTIL_STARTED: &str = "cannot be changed once the first attempt has started";
const UNLESS_RUNNING: &str = "can be changed only while spec.suspend is true or before the first attempt has started";

/// A field, and whether it is always there: required, or filled in by a default.
type Field = (&'static str, bool);

/// Decides the numbers of the run; besides the fields that have [`never`].
const NUMBERS: [Field; 5] =
    [("model.lora", false), ("algorithm", true), ("rollout", true), ("reward", true), ("managedBy", false)];
/// Decides them too, or where they are kept, but nobody has computed anything before the first attempt.
const KEPT: [Field; 2] = [("trainer.device", true), ("checkpoint.storage", false)];
/// Where a run happens and where it reads from.
const PLACES: [Field; 6] = [
    ("model.storageUri", true),
    ("model.secretRef", false),
    ("trainer.image", false),
    ("trainer.nodes", true),
    ("trainer.processesPerNode", true),
    ("trainer.resourcesPerNode", false),
];

/// The rules on fields that are compared from the whole object. Each names the fields that were changed.
pub(crate) fn rules() -> Vec<Rule> {
    let named = |field: Field| (field.0, same(field));
    let train = same(("datasets.train", true));
    let names_and_weights = ["name", "weight"].map(same_of_train).join(" && ");
    let mut numbers = NUMBERS.map(named).to_vec();
    numbers.push(("datasets.train (but for where a data set lies)", format!("({train} || {names_and_weights})")));
    // Of sets that are others altogether, the rule above speaks.
    let elsewhere = format!("({train} || !({}) || {})", same_of_train("name"), same_of_train("storageUri"));
    let mut places = PLACES.map(named).to_vec();
    places.push(("datasets.train", elsewhere));
    vec![
        rule("", &numbers, NEVER),
        rule(&format!("{UNSTARTED} || "), &KEPT.map(named), UNTIL_STARTED),
        rule(&format!("{SUSPENDED} || {UNSTARTED} || "), &places, UNLESS_RUNNING),
    ]
}

/// That fields are as they were, except where it may be otherwise.
fn rule(except: &str, fields: &[(&str, String)], says: &str) -> Rule {
    let all = fields.iter().map(|(_, same)| same.as_str()).collect::<Vec<_>>().join(" && ");
    // A list that is filtered and joined would read better, but to the API server's estimate it costs too much.
    let changed =
        fields.iter().map(|(field, same)| format!("({same} ? '' : '{field} ')")).collect::<Vec<_>>().join(" + ");
    Rule::new(format!("{OF_THE_STATUS} || {except}{all}"))
        .message(Message::Expression(format!("{changed} + '{says}'")))
        .field_path(".spec")
}

/// That a field is as it was.
fn same((field, always): Field) -> String {
    let (new, old) = (format!("self.spec.{field}"), format!("oldSelf.spec.{field}"));
    if always {
        format!("{new} == {old}")
    } else {
        format!("(has({new}) ? has({old}) && {new} == {old} : !has({old}))")
    }
}

/// That the training sets have the same values of a field, in the same order.
fn same_of_train(field: &str) -> String {
    let of = |object: &str| format!("{object}.spec.datasets.train.map(set, set.{field})");
    format!("{} == {}", of("self"), of("oldSelf"))
}
