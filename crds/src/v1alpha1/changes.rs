//! What of a `RealTrainingJob` may be changed, and when. The rules are about the whole object, since they ask its status.
//!
//! As Kueue has it: what only says where things run and where data lies may be changed while the job is suspended, or before its
//! first attempt has started. What the numbers of the run depend on may not: a run that goes on from a checkpoint would be
//! another one.

use kube::core::{Message, Rule};

/// No attempt was ever created.
const UNSTARTED: &str = "(!has(oldSelf.status) || !has(oldSelf.status.jobName) \
    && (!has(oldSelf.status.attempt) || oldSelf.status.attempt <= 1))";
const SUSPENDED: &str = "(oldSelf.spec.suspend || self.spec.suspend)";

/// A field, and whether it is always there: required, or filled in by a default.
type Field = (&'static str, bool);

/// Decides the numbers of the run.
const NEVER: [Field; 7] = [
    ("model.initialize", true),
    ("model.lora", false),
    ("algorithm", true),
    ("rollout", true),
    ("reward", true),
    ("seed", true),
    ("trainer.dtype", true),
];
/// Decides them too, or where they are kept, but nobody has computed anything before the first attempt.
const UNTIL_STARTED: [Field; 2] = [("trainer.device", true), ("checkpoint.storage", false)];
/// Where a run happens and where it reads from.
const UNLESS_RUNNING: [Field; 6] = [
    ("model.storageUri", true),
    ("model.secretRef", false),
    ("trainer.image", false),
    ("trainer.nodes", true),
    ("trainer.processesPerNode", true),
    ("trainer.resourcesPerNode", false),
];

const WHEN: &str = "can be changed only while spec.suspend is true or before the first attempt has started";

/// All rules on changes. The API server evaluates them with each write of the status too, which changes none of these fields, and
/// each step of a path costs it as much as the step has fields. So that a field is as it was comes first, by the fewest paths.
pub(crate) fn rules() -> Vec<Rule> {
    let unless_running = format!("{SUSPENDED} || {UNSTARTED}");
    let never = |field: Field| rule(field.0, same(field), "cannot be changed after creation");
    let mut rules: Vec<Rule> = NEVER.map(never).into();
    let train = same(("datasets.train", true));
    let never = ["name", "weight"].map(same_of_train).join(" && ");
    let never = format!("{train} || {never}");
    rules.push(rule("datasets.train", never, "cannot be changed after creation, except where a data set lies"));
    rules.extend(UNTIL_STARTED.map(|field| {
        let rule_text = format!("{} || {UNSTARTED}", same(field));
        rule(field.0, rule_text, "cannot be changed once the first attempt has started")
    }));
    rules.extend(UNLESS_RUNNING.map(|field| rule(field.0, format!("{} || {unless_running}", same(field)), WHEN)));
    // Of sets that are others altogether, the rule above speaks.
    let place =
        format!("{train} || {unless_running} || !({}) || {}", same_of_train("name"), same_of_train("storageUri"));
    rules.push(rule("datasets.train", place, WHEN));
    rules
}

fn rule(field: &str, rule: String, says: &str) -> Rule {
    let name = if field.starts_with("model.") || field.starts_with("datasets.") {
        field
    } else {
        field.rsplit('.').next().unwrap_or(field)
    };
    Rule::new(rule).message(Message::Message(format!("{name} {says}"))).field_path(format!(".spec.{field}"))
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
