//! The custom resource definitions, made from the types. The generated YAML, the offline validation and the operator all
//! start here, so they cannot disagree.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, CustomResourceDefinitionVersion, JSON, JSONSchemaProps, JSONSchemaPropsOrArray,
    JSONSchemaPropsOrBool, ValidationRule,
};
use kube::CustomResourceExt;

use crate::v1alpha1::{RealEvalSweep, RealTrainingJob, RewardPool, changes};

/// Versions in which the API is served unless somebody asks for more (the chart's `crds.versions`); the first is the stored one.
///
/// Each further one is a copy of the whole schema, and with two a definition is too large for a plain `kubectl apply`.
pub const VERSIONS: [&str; 1] = ["v1alpha1"];

/// All definitions of the API, ready to be applied.
pub fn definitions() -> Vec<CustomResourceDefinition> {
    definitions_as(&VERSIONS)
}

/// The definitions served as each of `versions`, of which the first is stored. All have one schema, so that nothing is ever
/// converted: an object is the same in each.
pub fn definitions_as(versions: &[&str]) -> Vec<CustomResourceDefinition> {
    let mut definitions = one_version();
    for definition in &mut definitions {
        let served = &mut definition.spec.versions;
        if let Some(first) = served.pop() {
            let version = |name: &&str| CustomResourceDefinitionVersion {
                name: (*name).to_owned(),
                storage: Some(name) == versions.first(),
                ..first.clone()
            };
            *served = versions.iter().map(version).collect();
        }
    }
    definitions
}

fn one_version() -> Vec<CustomResourceDefinition> {
    let mut definitions = vec![RealTrainingJob::crd(), RewardPool::crd(), RealEvalSweep::crd()];
    for definition in &mut definitions {
        let kind = definition.spec.names.kind.clone();
        for version in &mut definition.spec.versions {
            if let Some(schema) = version.schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut()) {
                conservative(schema);
                choices(schema, "");
                if kind == "RealTrainingJob" {
                    let rules =
                        serde_json::to_value(changes::rules()).and_then(serde_json::from_value::<Vec<ValidationRule>>);
                    schema
                        .x_kubernetes_validations
                        .get_or_insert_default()
                        .extend(rules.expect("rules are plain data"));
                }
            }
        }
    }
    definitions
}

/// Words that Kubernetes takes in its own types, which are embedded without them: by the field, and by the field that it is
/// somewhere in.
const CHOICES: [(&str, &str, &[&str]); 6] = [
    ("tolerations", "operator", &["Exists", "Equal", "Lt", "Gt"]),
    ("tolerations", "effect", &["NoSchedule", "PreferNoSchedule", "NoExecute"]),
    ("nodeAffinity", "operator", &["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]),
    ("topologySpreadConstraints", "whenUnsatisfiable", &["DoNotSchedule", "ScheduleAnyway"]),
    ("labelSelector", "operator", &["In", "NotIn", "Exists", "DoesNotExist"]),
    ("namespaceSelector", "operator", &["In", "NotIn", "Exists", "DoesNotExist"]),
];

/// Lets the API server, and who validates without one, name a word that is not known.
fn choices(schema: &mut JSONSchemaProps, inside: &str) {
    for (name, property) in schema.properties.iter_mut().flatten() {
        let found = CHOICES.iter().find(|(of, field, _)| *of == inside && field == name);
        if let Some((.., words)) = found {
            property.enum_ = Some(words.iter().map(|word| JSON((*word).into())).collect());
        }
        let inside = if CHOICES.iter().any(|(of, ..)| of == name) { name.as_str() } else { inside };
        choices(property, inside);
    }
    match &mut schema.items {
        Some(JSONSchemaPropsOrArray::Schema(items)) => choices(items, inside),
        Some(JSONSchemaPropsOrArray::Schemas(items)) => items.iter_mut().for_each(|item| choices(item, inside)),
        None => {}
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        choices(values, inside);
    }
}

/// Leaves only what the API server knows: it warns of integer formats that are not `int32` or `int64`, and an optional
/// field that may also be `null` would be a second way of saying "absent".
fn conservative(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    if schema.format.as_deref().is_some_and(|format| format.starts_with("uint")) {
        schema.format = (schema.maximum.is_none_or(|maximum| maximum > f64::from(i32::MAX)))
            .then(|| "int64".to_owned())
            .or_else(|| Some("int32".to_owned()));
    }
    for property in schema.properties.iter_mut().flat_map(std::collections::BTreeMap::values_mut) {
        conservative(property);
    }
    match &mut schema.items {
        Some(JSONSchemaPropsOrArray::Schema(items)) => conservative(items),
        Some(JSONSchemaPropsOrArray::Schemas(items)) => items.iter_mut().for_each(conservative),
        None => {}
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        conservative(values);
    }
}
