//! What Argo CD's Lua and Flux's CEL say of an object, over one table of objects: `gitops_health/cases.yaml`.

use std::{collections::BTreeMap, fs};

use mlua::{Lua, LuaOptions, LuaSerdeExt, StdLib};
use real_crds::v1alpha1::{RealEvalSweepStatus, RealTrainingJobStatus, RewardPoolStatus};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    #[serde(rename = "case")]
    name: String,
    kind: String,
    #[serde(default)]
    status: Option<Value>,
    argocd: String,
    #[serde(default)]
    message: Option<String>,
    flux: String,
}

impl Case {
    /// The object with its conditions written out.
    fn object(&self) -> Value {
        let mut object = json!({
            "apiVersion": "real-rl.dev/v1alpha1",
            "kind": self.kind,
            "metadata": {"name": "one", "generation": 2},
            "spec": {},
        });
        if let Some(mut status) = self.status.clone() {
            if let Some(conditions) = status["conditions"].as_object() {
                status["conditions"] = conditions.iter().map(|(kind, short)| condition(kind, short)).collect();
            } else if let Some(status) = status.as_object_mut() {
                status.remove("conditions");
            }
            object["status"] = status;
        }
        object
    }
}

fn condition(kind: &str, short: &Value) -> Value {
    let (status, reason, message) = match short {
        Value::String(status) => (json!(status), json!(kind), json!("")),
        long => (long["status"].clone(), long["reason"].clone(), long["message"].clone()),
    };
    json!({
        "type": kind, "status": status, "reason": reason, "message": message, "observedGeneration": 2,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    })
}

fn read(path: &str) -> String {
    let file = format!("{}/{path}", env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("cannot read {file}: {error}"))
}

fn cases() -> Vec<Case> {
    serde_saphyr::from_str(&read("tests/gitops_health/cases.yaml")).unwrap()
}

/// Fails unless `status` is what `T` would write: the table has only fields that exist.
fn exact<T: DeserializeOwned + Serialize>(status: &Value) {
    let typed: T = serde_json::from_value(status.clone()).unwrap_or_else(|error| panic!("{error}: {status:#}"));
    let again = serde_json::to_value(typed).unwrap();
    for (field, value) in status.as_object().unwrap() {
        assert_eq!(again[field], *value, "{field} of {status:#}");
    }
}

#[test]
fn the_table_has_only_fields_of_the_types() {
    for case in cases() {
        let object = case.object();
        let Some(status) = object.get("status") else { continue };
        match case.kind.as_str() {
            "RealTrainingJob" => exact::<RealTrainingJobStatus>(status),
            "RewardPool" => exact::<RewardPoolStatus>(status),
            "RealEvalSweep" => exact::<RealEvalSweepStatus>(status),
            other => panic!("unknown kind {other}"),
        }
    }
}

#[test]
fn argo_cd_says_what_the_table_says() {
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Health {
        status: String,
        #[serde(default)]
        message: Option<String>,
    }
    for case in cases() {
        let script = read(&format!("../charts/gitops/argocd/real-rl.dev/{}/health.lua", case.kind));
        // What Argo CD loads unless it is told to use the open libraries.
        let lua = Lua::new_with(StdLib::TABLE, LuaOptions::default()).unwrap();
        lua.globals().set("obj", lua.to_value(&case.object()).unwrap()).unwrap();
        let health = lua.load(script).eval().unwrap_or_else(|error| panic!("{}: {error}", case.name));
        let health: Health = lua.from_value(health).unwrap();
        assert_eq!(health.status, case.argocd, "{}: {health:?}", case.name);
        if let Some(message) = case.message {
            assert_eq!(health.message.as_deref(), Some(message.as_str()), "{}", case.name);
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct HealthCheck {
    api_version: String,
    kind: String,
    in_progress: String,
    failed: String,
    current: String,
}

impl HealthCheck {
    /// As Flux evaluates them: first generations, then `inProgress`, `failed`, `current`; what cannot be evaluated is
    /// waited for.
    fn evaluate(&self, object: &Value) -> &'static str {
        let observed = object.pointer("/status/observedGeneration");
        if observed.is_some_and(|observed| *observed != object["metadata"]["generation"]) {
            return "InProgress";
        }
        let states = [(&self.in_progress, "InProgress"), (&self.failed, "Failed"), (&self.current, "Current")];
        for (expression, state) in states {
            match boolean(expression, object) {
                Ok(true) => return state,
                Ok(false) => {}
                Err(error) => {
                    assert!(object.get("status").is_none(), "{expression}: {error}: {object:#}");
                    return "InProgress";
                }
            }
        }
        "InProgress"
    }
}

/// The object's fields are the expression's variables.
fn boolean(expression: &str, object: &Value) -> Result<bool, cel::ExecutionError> {
    let program = cel::Program::compile(expression).unwrap_or_else(|error| panic!("{expression}: {error}"));
    let mut context = cel::Context::default();
    for (name, value) in object.as_object().unwrap() {
        context.add_variable(name, cel::to_value(value).unwrap()).unwrap();
    }
    match program.execute(&context)? {
        cel::Value::Bool(value) => Ok(value),
        other => panic!("{expression} is no boolean: {other:?}"),
    }
}

fn health_checks() -> BTreeMap<String, HealthCheck> {
    let file: Value = serde_saphyr::from_str(&read("../charts/gitops/flux/kustomization.yaml")).unwrap();
    let checks: Vec<HealthCheck> = serde_json::from_value(file["spec"]["healthCheckExprs"].clone()).unwrap();
    checks.into_iter().map(|check| (check.kind.clone(), check)).collect()
}

#[test]
fn flux_says_what_the_table_says() {
    let checks = health_checks();
    for case in cases() {
        assert_eq!(checks[&case.kind].evaluate(&case.object()), case.flux, "{}", case.name);
    }
}

/// Without Flux's own comparison of generations too.
#[test]
fn fluxs_expressions_compare_generations_themselves() {
    for case in cases() {
        let check = &health_checks()[&case.kind];
        let object = case.object();
        let Some(status) = object.get("status") else { continue };
        let behind = status["observedGeneration"] != 2;
        assert_eq!(boolean(&check.in_progress, &object).unwrap(), behind, "{}", case.name);
    }
}

#[test]
fn every_kind_has_a_check_and_every_state_a_case() {
    let checks = health_checks();
    for definition in real_crds::definitions() {
        let kind = definition.spec.names.kind;
        let version = format!("{}/{}", definition.spec.group, definition.spec.versions[0].name);
        assert_eq!(checks[&kind].api_version, version);
        let states = |of: fn(&Case) -> String| -> Vec<String> {
            let mut states: Vec<String> = cases().iter().filter(|case| case.kind == kind).map(of).collect();
            states.sort();
            states.dedup();
            states
        };
        let pool = kind == "RewardPool";
        let expected = if pool {
            vec!["Degraded", "Healthy", "Progressing"]
        } else {
            vec!["Degraded", "Healthy", "Progressing", "Suspended"]
        };
        assert_eq!(states(|case| case.argocd.clone()), expected, "{kind}");
        assert_eq!(states(|case| case.flux.clone()), ["Current", "Failed", "InProgress"], "{kind}");
    }
}
