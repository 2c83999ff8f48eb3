//! The custom resource definitions, made from the types. The generated YAML, the offline validation and the operator all
//! start here, so they cannot disagree.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;

use crate::v1alpha1::{RealEvalSweep, RealTrainingJob, RewardPool};

/// All definitions of the API, ready to be applied.
pub fn definitions() -> Vec<CustomResourceDefinition> {
    let mut definitions = vec![RealTrainingJob::crd(), RewardPool::crd(), RealEvalSweep::crd()];
    for definition in &mut definitions {
        for version in &mut definition.spec.versions {
            if let Some(schema) = version.schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut()) {
                conservative(schema);
            }
        }
    }
    definitions
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
