//! Whether a resumed run is still the same run.

use real_crds::config::{Algorithm, TrainerConfig};
use serde_json::Value;

/// Fields of the earlier configuration that the new one changes although a run cannot change them on its way: model,
/// training data, algorithm, rollout, reward, seed. The number of steps, checkpoints, evaluations and devices may change.
pub(crate) fn broken_by(earlier: &TrainerConfig, now: &TrainerConfig) -> Vec<String> {
    let (earlier, now) = (fixed_part(earlier), fixed_part(now));
    let mut changes = Vec::new();
    compare("", &earlier, &now, &mut changes);
    changes
}

fn fixed_part(config: &TrainerConfig) -> Value {
    let mut fixed = config.clone();
    // The services of each start are new ones.
    (fixed.reward.detectors, fixed.reward.sandboxes) = (Vec::new(), Vec::new());
    match &mut fixed.algorithm {
        Algorithm::Ppo(ppo) => ppo.steps = 0,
        Algorithm::PolicyGradient(gradient) => gradient.steps = 0,
        Algorithm::Sft(sft) => sft.steps = 0,
    }
    let mut value = serde_json::to_value(fixed).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|name, _| !matches!(name.as_str(), "checkpoint" | "evaluation" | "compute" | "job"));
    }
    value
}

fn compare(path: &str, earlier: &Value, now: &Value, changes: &mut Vec<String>) {
    match (earlier, now) {
        (Value::Object(a), Value::Object(b)) => {
            let added = b.keys().filter(|key| !a.contains_key(*key));
            for key in a.keys().chain(added) {
                let at = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                compare(&at, a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null), changes);
            }
        }
        (a, b) if a == b => {}
        (a, b) => changes.push(format!("{path}: was {a}, is {b}")),
    }
}

#[cfg(test)]
mod tests {
    use real_crds::validate::parse_job;
    use real_crds::{Endpoints, render};

    use super::*;

    fn quickstart(set: &[&str]) -> TrainerConfig {
        let set: Vec<String> = set.iter().map(|&s| s.to_owned()).collect();
        let job = parse_job(include_str!("../../../examples/quickstart.yaml"), "quickstart.yaml", &set).unwrap();
        render(&job, &Endpoints::default())
    }

    #[test]
    fn a_run_may_become_longer_but_not_another_one() {
        let earlier = quickstart(&[]);
        let longer =
            quickstart(&["spec.algorithm.ppo.steps=40", "spec.checkpoint.retain=5", "spec.evaluation.limit=8"]);
        assert!(broken_by(&earlier, &longer).is_empty());
        let other = quickstart(&["spec.reward.alpha=0.8", "spec.seed=7"]);
        assert_eq!(broken_by(&earlier, &other), ["seed: was 1, is 7", "reward.alpha: was 0.5, is 0.8"]);
    }

    #[test]
    fn differences_are_named_by_path_with_both_values() {
        let (a, b) = (serde_json::json!({"x": {"y": 1, "z": 2}}), serde_json::json!({"x": {"y": 1, "w": 3}}));
        let mut changes = Vec::new();
        compare("", &a, &b, &mut changes);
        assert_eq!(changes, ["x.z: was 2, is null", "x.w: was null, is 3"]);
    }
}
