//! Autoscalers of others, with the rules of the built-in one.

use std::collections::BTreeMap;

use k8s_openapi::api::autoscaling::v2::{
    CrossVersionObjectReference, ExternalMetricSource, HPAScalingPolicy, HPAScalingRules, HorizontalPodAutoscaler,
    HorizontalPodAutoscalerBehavior, HorizontalPodAutoscalerSpec, MetricIdentifier, MetricSpec, MetricTarget,
};
use k8s_openapi::apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::LabelSelector};
use kube::ResourceExt;
use kube::api::DynamicObject;
use real_crds::v1alpha1::RewardPool;
use serde_json::{Value, json};

use super::super::scaling::{DOWN_SECONDS, UP_SECONDS};
use super::{Fleet, Settings, metadata};
use crate::pool::Kind;

/// Metric of the operator: requests waiting and worked on, with the labels `namespace`, `pool` and `fleet`.
pub const DEMAND_METRIC: &str = "real_rewardpool_demand";

/// Seconds between two looks of KEDA.
const POLLING_SECONDS: u64 = 15;

pub(super) fn horizontal(pool: &RewardPool, fleet: Fleet, in_use: bool) -> HorizontalPodAutoscaler {
    let name = fleet.name_in(&pool.name_any());
    let labels = [("pool", pool.name_any()), ("fleet", fleet.component().to_owned())];
    let labels: BTreeMap<_, _> = labels.map(|(key, value)| (key.to_owned(), value)).into();
    HorizontalPodAutoscaler {
        metadata: metadata(pool, name.clone(), Some(fleet)),
        spec: Some(HorizontalPodAutoscalerSpec {
            scale_target_ref: CrossVersionObjectReference {
                api_version: Some("apps/v1".into()),
                kind: "Deployment".into(),
                name,
            },
            // Without the feature gate `HPAScaleToZero` the API server takes no 0.
            min_replicas: Some(fewest(pool, fleet, in_use).max(1)),
            max_replicas: most(pool, fleet),
            metrics: Some(vec![MetricSpec {
                type_: "External".into(),
                external: Some(ExternalMetricSource {
                    metric: MetricIdentifier {
                        name: DEMAND_METRIC.into(),
                        selector: Some(LabelSelector { match_labels: Some(labels), ..LabelSelector::default() }),
                    },
                    target: MetricTarget {
                        type_: "AverageValue".into(),
                        average_value: Some(Quantity(pool.spec.scaling.target_queue_depth_per_replica.to_string())),
                        ..MetricTarget::default()
                    },
                }),
                ..MetricSpec::default()
            }]),
            behavior: Some(behavior(pool)),
        }),
        ..HorizontalPodAutoscaler::default()
    }
}

pub(super) fn scaled_object(pool: &RewardPool, fleet: Fleet, in_use: bool, settings: &Settings) -> DynamicObject {
    let name = fleet.name_in(&pool.name_any());
    let mut object = DynamicObject::new(&name, &Kind::ScaledObject.api_resource());
    object.metadata = metadata(pool, name.clone(), Some(fleet));
    object.data = json!({"spec": {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
        "pollingInterval": POLLING_SECONDS,
        // From one to none KEDA asks nobody else, so this is the time of idleness.
        "cooldownPeriod": pool.spec.scaling.idle_seconds,
        "minReplicaCount": fewest(pool, fleet, in_use),
        "maxReplicaCount": most(pool, fleet),
        "advanced": {
            "restoreToOriginalReplicaCount": false,
            "horizontalPodAutoscalerConfig": {"behavior": behavior(pool)},
        },
        "triggers": [trigger(pool, fleet, settings)],
    }});
    object
}

fn trigger(pool: &RewardPool, fleet: Fleet, settings: &Settings) -> Value {
    let target = pool.spec.scaling.target_queue_depth_per_replica.to_string();
    let (namespace, pool, fleet) = (pool.namespace().unwrap_or_default(), pool.name_any(), fleet.component());
    match &settings.prometheus {
        Some(address) => json!({"type": "prometheus", "metricType": "AverageValue", "metadata": {
            "serverAddress": address,
            // Of several operators only the leader has a value.
            "query": format!(r#"max({DEMAND_METRIC}{{namespace="{namespace}",pool="{pool}",fleet="{fleet}"}})"#),
            "threshold": target,
            "ignoreNullValues": "false",
        }}),
        None => json!({"type": "metrics-api", "metricType": "AverageValue", "metadata": {
            "url": format!("{}/v1/pools/{namespace}/{pool}/{fleet}", settings.url.trim_end_matches('/')),
            "valueLocation": "demand",
            "targetValue": target,
        }}),
    }
}

/// With a consumer at least the warm replicas, as the built-in autoscaler has it.
fn fewest(pool: &RewardPool, fleet: Fleet, in_use: bool) -> i32 {
    let bounds = fleet.bounds(&pool.spec);
    let fewest = crate::pool::scaling::floor(bounds, 0, in_use, true);
    i32::try_from(fewest.min(bounds.max_replicas)).unwrap_or(i32::MAX)
}

fn most(pool: &RewardPool, fleet: Fleet) -> i32 {
    i32::try_from(fleet.bounds(&pool.spec).max_replicas).unwrap_or(i32::MAX)
}

fn behavior(pool: &RewardPool) -> HorizontalPodAutoscalerBehavior {
    let policy = |type_: &str, value, period: i64| HPAScalingPolicy {
        type_: type_.to_owned(),
        value,
        period_seconds: period as i32,
    };
    let window = i32::try_from(pool.spec.scaling.scale_down_stabilization_seconds).unwrap_or(i32::MAX);
    HorizontalPodAutoscalerBehavior {
        scale_up: Some(HPAScalingRules {
            policies: Some(vec![policy("Percent", 100, UP_SECONDS), policy("Pods", 4, UP_SECONDS)]),
            select_policy: Some("Max".into()),
            stabilization_window_seconds: Some(0),
            ..HPAScalingRules::default()
        }),
        scale_down: Some(HPAScalingRules {
            policies: Some(vec![policy("Percent", 10, DOWN_SECONDS), policy("Pods", 1, DOWN_SECONDS)]),
            select_policy: Some("Max".into()),
            stabilization_window_seconds: Some(window),
            ..HPAScalingRules::default()
        }),
    }
}
