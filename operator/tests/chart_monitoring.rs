//! The chart's alerts and dashboard ask for metrics that the operator has, in `PromQL` that parses.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    time::Duration,
};

use promql_parser::{
    label::Matchers,
    parser::{self, Expr, VectorSelector},
    util::{ExprVisitor, walk_expr},
};
use real_crds::v1alpha1::{CellCounts, Phase, SweepPhase};
use real_operator::{
    api_calls,
    metrics::{Cause, Controller, Metrics, Reason, ReplicaState, Role},
};
use serde_json::Value;

/// The operator's metrics and the labels of each, from what `/metrics` answers once every one has a value.
async fn metrics() -> BTreeMap<String, BTreeSet<String>> {
    let metrics = Metrics::new();
    metrics.reconcile(Controller::Job).finish(Err(Reason::Conflict));
    metrics.set_jobs("ml", [Phase::Running]);
    metrics.job_runs(Duration::from_secs(1));
    metrics.job_restarts(Cause::Failure);
    metrics.set_progress_ages("ml", [("ml".to_owned(), "run".to_owned(), Duration::from_secs(1))]);
    metrics.set_sweeps([("weekly".to_owned(), SweepPhase::Running, CellCounts::default())]);
    metrics.set_queue_depth("ml", "judges", 1);
    metrics.set_replicas("ml", "judges", Role::Sandbox, ReplicaState::Ready, 1);
    let nowhere = kube::Config::new("http://127.0.0.1:1".parse().unwrap());
    api_calls::client(nowhere, &metrics).unwrap().apiserver_version().await.unwrap_err();

    let mut known = BTreeMap::new();
    for line in metrics.render().lines().filter(|line| !line.starts_with('#')) {
        let series = line.split_once(' ').unwrap().0;
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let labels =
            labels.trim_end_matches('}').split(',').filter_map(|label| Some(label.split_once('=')?.0.to_owned()));
        known.entry(name.to_owned()).or_insert_with(BTreeSet::new).extend(labels);
    }
    known
}

fn read(path: &str) -> String {
    let file = format!("{}/../charts/real-operator/files/{path}", env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("cannot read {file}: {error}"))
}

fn alerts() -> Vec<Value> {
    let file: Value = serde_saphyr::from_str(&read("alerts.yaml")).unwrap();
    let groups = file["groups"].as_array().unwrap();
    groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

fn dashboard() -> Value {
    serde_json::from_str(&read("dashboards/real.json")).unwrap()
}

/// Expressions of the dashboard's panels, with Grafana's variables replaced as Grafana would.
fn panels() -> Vec<(String, String, String)> {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    panels
        .flat_map(|panel| {
            let title = panel["title"].as_str().unwrap().to_owned();
            let targets = panel["targets"].as_array().cloned().unwrap_or_default().into_iter();
            targets.map(move |target| {
                let expression = target["expr"].as_str().unwrap().replace("$__rate_interval", "1m");
                let expression = expression.replace("$namespace", ".*").replace("$pool", ".*");
                (title.clone(), expression, target["legendFormat"].as_str().unwrap().to_owned())
            })
        })
        .collect()
}

#[derive(Default)]
struct Selectors(Vec<(String, Vec<String>)>);

impl ExprVisitor for Selectors {
    type Error = String;

    fn pre_visit(&mut self, expression: &Expr) -> Result<bool, String> {
        let selector = match expression {
            Expr::VectorSelector(selector) => selector,
            Expr::MatrixSelector(matrix) => &matrix.vs,
            _ => return Ok(true),
        };
        let VectorSelector { name, matchers: Matchers { matchers, .. }, .. } = selector;
        let labels = matchers.iter().map(|matcher| matcher.name.clone()).collect();
        self.0.push((name.clone().ok_or("a selector without a name")?, labels));
        Ok(true)
    }
}

fn selectors(expression: &str) -> Vec<(String, Vec<String>)> {
    let parsed = parser::parse(expression).unwrap_or_else(|error| panic!("{expression}: {error}"));
    let mut found = Selectors::default();
    walk_expr(&mut found, &parsed).unwrap();
    found.0
}

#[tokio::test]
async fn every_expression_asks_for_metrics_and_labels_that_exist() {
    let metrics = metrics().await;
    let alerts = alerts().into_iter().map(|rule| rule["expr"].as_str().unwrap().to_owned());
    let panels = panels().into_iter().map(|(_, expression, _)| expression);
    for expression in alerts.chain(panels) {
        for (metric, labels) in selectors(&expression) {
            let known = metrics.get(&metric).unwrap_or_else(|| panic!("no metric {metric}: {expression}"));
            for label in labels {
                assert!(known.contains(&label), "{metric} has no label {label}: {expression}");
            }
        }
    }
}

#[tokio::test]
async fn the_dashboard_shows_every_metric() {
    let shown: BTreeSet<String> =
        panels().iter().flat_map(|(_, expression, _)| selectors(expression)).map(|(metric, _)| metric).collect();
    for metric in metrics().await.keys() {
        // A histogram is shown by its buckets.
        let buckets =
            ["_sum", "_count"].iter().find_map(|suffix| Some(format!("{}_bucket", metric.strip_suffix(suffix)?)));
        let found = shown.contains(metric) || buckets.is_some_and(|buckets| shown.contains(&buckets));
        assert!(found, "no panel shows {metric}");
    }
}

#[test]
fn an_expression_that_does_not_parse_is_noticed() {
    assert!(parser::parse("sum by (phase) (real_jobs").is_err());
    assert_eq!(selectors("rate(a{b=\"c\"}[1m])"), [("a".to_owned(), vec!["b".to_owned()])]);
}

#[test]
fn every_alert_has_a_severity_and_says_what_to_do() {
    let alerts = alerts();
    assert!(alerts.len() >= 5);
    for alert in alerts {
        let name = alert["alert"].as_str().unwrap();
        assert!(["critical", "warning"].contains(&alert["labels"]["severity"].as_str().unwrap()), "{name}");
        for annotation in ["summary", "description"] {
            assert!(alert["annotations"][annotation].as_str().is_some_and(|text| !text.is_empty()), "{name}");
        }
        assert!(alert["for"].is_string(), "{name} fires at the first glitch");
    }
}

#[test]
fn legends_use_labels_that_are_left_after_aggregation() {
    for (title, expression, legend) in panels() {
        for part in legend.split("{{").skip(1) {
            let label = part.split_once("}}").unwrap().0;
            let grouped = expression
                .split("by (")
                .skip(1)
                .any(|rest| rest.split_once(')').unwrap().0.split(", ").any(|one| one == label));
            assert!(grouped, "{title}: the legend has {label}, but the expression does not group by it");
        }
    }
}

#[test]
fn panels_are_numbered_described_and_do_not_overlap() {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut ids = BTreeSet::new();
    let mut cells = BTreeSet::new();
    for panel in panels {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}");
        assert!(
            panel["type"] == "row" || panel["description"].as_str().is_some_and(|text| !text.is_empty()),
            "{title}"
        );
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|key| panel["gridPos"][key].as_u64().unwrap());
        assert!(x + w <= 24, "{title} is too wide");
        for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            assert!(cells.insert(cell), "{title} overlaps another panel");
        }
    }
}
