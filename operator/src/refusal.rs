//! Writes that the API server refused.

use jiff::Timestamp;

/// A write that the API server refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// A word in `CamelCase`, such as `QuotaExceeded`.
    pub reason: String,
    /// The server's message, with what was refused.
    pub message: String,
    /// Set where what was to be written is at fault itself: the same will be refused again.
    pub lasting: Option<Lasting>,
}

/// A refusal that lasts until somebody changes something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lasting {
    /// Generation of the object that it was made from.
    pub generation: Option<i64>,
    /// When the server was last asked.
    pub at: Timestamp,
}

impl Refusal {
    /// Whether nothing else is said here, whenever it was.
    pub(crate) fn says_the_same(&self, other: &Self) -> bool {
        let generation = |refusal: &Self| refusal.lasting.as_ref().map(|lasting| lasting.generation);
        (&self.reason, &self.message, generation(self)) == (&other.reason, &other.message, generation(other))
    }
}

/// Fields of a trainer's pod, and those of a training job that they come from.
const FIELDS: [(&str, &str); 22] = [
    ("spec.initContainers", "spec.trainer.podPatch.initContainers or sidecars"),
    ("spec.dnsConfig", "spec.trainer.podPatch.dnsConfig"),
    ("spec.dnsPolicy", "spec.trainer.podPatch.dnsPolicy"),
    ("spec.resourceClaims", "spec.trainer.podPatch.resourceClaims"),
    ("spec.runtimeClassName", "spec.trainer.podPatch.runtimeClassName"),
    ("spec.priorityClassName", "spec.trainer.podPatch.priorityClassName"),
    ("spec.schedulerName", "spec.trainer.podPatch.schedulerName"),
    (".resources", "spec.trainer.resourcesPerNode"),
    (".volumeMounts", "spec.trainer.podPatch.volumes"),
    ("spec.volumes", "spec.trainer.podPatch.volumes"),
    ("template.labels", "spec.trainer.podPatch.labels"),
    ("template.metadata.labels", "spec.trainer.podPatch.labels"),
    ("template.annotations", "spec.trainer.podPatch.annotations"),
    ("template.metadata.annotations", "spec.trainer.podPatch.annotations"),
    (".tolerations", "spec.trainer.podPatch.tolerations"),
    (".affinity", "spec.trainer.podPatch.affinity"),
    (".nodeSelector", "spec.trainer.podPatch.nodeSelector"),
    (".topologySpreadConstraints", "spec.trainer.podPatch.topologySpreadConstraints"),
    (".securityContext", "spec.trainer.podPatch.securityContext"),
    (".envFrom", "spec.trainer.podPatch.envFrom"),
    (".env[", "spec.trainer.env"),
    (".image", "spec.trainer.image"),
];

/// What the server says of an attempt's Job, with the field that its user wrote in front.
pub(crate) fn of_an_attempt(message: &str) -> String {
    let (_, about) = message.split_once(" is invalid: ").unwrap_or(("", message));
    let field = FIELDS.iter().filter_map(|(part, field)| Some((about.find(part)?, field))).min();
    field.map_or_else(|| message.to_owned(), |(_, field)| format!("{field}: the API server refuses it: {about}"))
}

/// Words of admission that refuse a pod, and the field that decides. The Job is there by then, and only another attempt's is
/// made of a changed field.
const OF_PODS: [(&str, &str); 8] = [
    ("PriorityClass", "spec.trainer.podPatch.priorityClassName"),
    ("RuntimeClass", "spec.trainer.podPatch.runtimeClassName"),
    ("service account", "spec.trainer.podPatch.serviceAccountName"),
    ("violates PodSecurity", "spec.trainer.podPatch"),
    ("exceeded quota", "spec.trainer.resourcesPerNode"),
    ("failed quota", "spec.trainer.resourcesPerNode"),
    ("maximum ", "spec.trainer.resourcesPerNode"),
    ("minimum ", "spec.trainer.resourcesPerNode"),
];

/// Why no pod was made, by the event of a Job, with what can be changed about it and when.
pub(crate) fn of_pods(event: &str) -> String {
    let said = event.trim_start_matches("Error creating: ");
    let field = OF_PODS.iter().find(|(words, _)| said.contains(words)).map_or("spec.trainer", |(_, field)| field);
    format!("{said}; {field} can be changed while spec.suspend is true")
}

/// What the server says of a cell's Job, likewise.
pub(crate) fn of_a_cell(message: &str) -> String {
    let said = of_an_attempt(message);
    let Some(field) = said.strip_prefix("spec.trainer.") else { return said };
    match field.strip_prefix("resourcesPerNode") {
        Some(rest) => format!("spec.evaluator.resources{rest}"),
        None => format!("spec.evaluator.{field}"),
    }
}

/// What the server says of a fleet's Deployment, likewise.
pub(crate) fn of_a_fleet(message: &str) -> String {
    let said = of_an_attempt(message);
    let Some(field) = said.strip_prefix("spec.trainer.") else { return said };
    let fleet = if message.contains("-detector\" is invalid") { "detector" } else { "sandbox" };
    match field.strip_prefix("resourcesPerNode") {
        Some(rest) => format!("spec.{fleet}.resources{rest}"),
        None => format!("spec.{fleet}.{field}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_no_pod_was_made_names_the_field_that_decides() {
        let told = of_pods("Error creating: pods \"a-1-0-\" is forbidden: no PriorityClass with name urgent was found");
        assert_eq!(
            told,
            "pods \"a-1-0-\" is forbidden: no PriorityClass with name urgent was found; \
             spec.trainer.podPatch.priorityClassName can be changed while spec.suspend is true"
        );
        assert!(of_pods("denied by a policy").ends_with("; spec.trainer can be changed while spec.suspend is true"));
    }

    #[test]
    fn what_the_server_says_of_a_pod_is_said_of_the_field_that_it_comes_from() {
        let said = "Job.batch \"a-1\" is invalid: spec.template.spec.containers[0].resources.requests: Invalid value: \"32Gi\": must be \
                    less than or equal to memory limit of 16Gi";
        let told = of_an_attempt(said);
        assert!(told.starts_with("spec.trainer.resourcesPerNode: the API server refuses it: spec.template"), "{told}");
        let said = "Job.batch \"a-1\" is invalid: spec.template.spec.containers[0].volumeMounts[3].mountPath: Invalid value: \"/data\": must be unique";
        assert!(of_an_attempt(said).starts_with("spec.trainer.podPatch.volumes: "), "{said}");
        assert_eq!(of_an_attempt("no such thing"), "no such thing");
        assert!(of_a_cell(said).starts_with("spec.evaluator.podPatch.volumes: "), "{said}");
        let said =
            "Job.batch \"a-b\" is invalid: spec.template.spec.containers[0].resources.limits: Invalid value: \"x\"";
        assert!(of_a_cell(said).starts_with("spec.evaluator.resources: the API server"), "{said}");
        let said = "Deployment.apps \"p-sandbox\" is invalid: spec.template.spec.containers[0].envFrom[0].prefix: Invalid value: \"1=\"";
        assert!(of_a_fleet(said).starts_with("spec.sandbox.podPatch.envFrom: the API server"), "{said}");
        let said = "Deployment.apps \"p-detector\" is invalid: spec.template.spec.containers[0].resources.limits: Invalid value";
        assert!(of_a_fleet(said).starts_with("spec.detector.resources: the API server"), "{said}");
    }
}
