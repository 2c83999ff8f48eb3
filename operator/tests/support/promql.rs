//! Evaluates the part of `PromQL` that the chart's alerts use, on what `/metrics` answered at some times.
//!
//! <https://prometheus.io/docs/prometheus/latest/querying/>, but `rate` and `delta` are not extrapolated to the ends of their range.

use std::collections::BTreeMap;
use std::time::Duration;

use promql_parser::label::Matchers;
use promql_parser::parser::{self, AggregateExpr, BinaryExpr, Call, Expr, LabelModifier, VectorSelector};

pub(crate) type Labels = BTreeMap<String, String>;

/// What one scrape brought: values by the series' labels, the name among them as `__name__`.
type Scrape = BTreeMap<Labels, f64>;

/// Scrapes, each some time after the beginning, the oldest first.
#[derive(Default)]
pub(crate) struct History(Vec<(Duration, Scrape)>);

/// A value for each set of labels.
pub(crate) type Vector = Vec<(Labels, f64)>;

enum Value {
    Scalar(f64),
    Vector(Vector),
    /// Of each series its values within a range, with their times in seconds.
    Matrix(Vec<(Labels, Vec<(f64, f64)>)>),
}

impl History {
    /// Adds what `/metrics` answers `at` some time after the beginning.
    pub(crate) fn scrape(&mut self, at: Duration, text: &str) {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let samples = lines.map(|line| {
            let (series, value) = line.rsplit_once(' ').expect("a value");
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            let labels = labels.trim_end_matches('}').split("\",").filter(|pair| !pair.is_empty()).map(|pair| {
                let (label, value) = pair.split_once("=\"").expect("a label");
                (label.to_owned(), value.trim_end_matches('"').to_owned())
            });
            let mut labels: Labels = labels.collect();
            labels.insert("__name__".to_owned(), name.to_owned());
            (labels, value.parse().expect("a number"))
        });
        self.0.push((at, samples.collect()));
    }

    /// What an alert's expression gives at the last scrape; an alert fires for each entry.
    pub(crate) fn evaluate(&self, expression: &str) -> Vector {
        let parsed = parser::parse(expression).unwrap_or_else(|error| panic!("{expression}: {error}"));
        match self.value(&parsed) {
            Value::Vector(vector) => vector,
            Value::Scalar(_) | Value::Matrix(_) => panic!("{expression} gives no vector"),
        }
    }

    fn value(&self, expression: &Expr) -> Value {
        match expression {
            Expr::NumberLiteral(number) => Value::Scalar(number.val),
            Expr::Paren(inner) => self.value(&inner.expr),
            Expr::VectorSelector(selector) => Value::Vector(self.select(selector)),
            Expr::MatrixSelector(matrix) => Value::Matrix(self.range(&matrix.vs, matrix.range)),
            Expr::Call(call) => Value::Vector(self.call(call)),
            Expr::Aggregate(aggregate) => Value::Vector(self.aggregate(aggregate)),
            Expr::Binary(binary) => Value::Vector(self.binary(binary)),
            other => panic!("{other} is not known here"),
        }
    }

    fn vector(&self, expression: &Expr) -> Vector {
        match self.value(expression) {
            Value::Vector(vector) => vector,
            Value::Scalar(_) | Value::Matrix(_) => panic!("{expression} is no vector"),
        }
    }

    fn select(&self, selector: &VectorSelector) -> Vector {
        let Some((_, last)) = self.0.last() else { return Vector::new() };
        let matching = last.iter().filter(|(labels, _)| matches(selector, labels));
        matching.map(|(labels, value)| (nameless(labels), *value)).collect()
    }

    fn range(&self, selector: &VectorSelector, range: Duration) -> Vec<(Labels, Vec<(f64, f64)>)> {
        let now = self.0.last().map_or(Duration::ZERO, |(at, _)| *at);
        let mut series: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
        for (at, scrape) in self.0.iter().filter(|(at, _)| *at + range >= now) {
            for (labels, value) in scrape.iter().filter(|(labels, _)| matches(selector, labels)) {
                series.entry(nameless(labels)).or_default().push((at.as_secs_f64(), *value));
            }
        }
        series.into_iter().collect()
    }

    fn call(&self, call: &Call) -> Vector {
        let argument = &call.args.args[0];
        if call.func.name == "absent" {
            return if self.vector(argument).is_empty() { vec![(Labels::new(), 1.0)] } else { Vector::new() };
        }
        let Value::Matrix(matrix) = self.value(argument) else { panic!("{} needs a range", call.func.name) };
        let of = |samples: &[(f64, f64)]| -> Option<f64> {
            let (first, last) = (samples.first()?, samples.last()?);
            match call.func.name {
                "min_over_time" => samples.iter().map(|(_, value)| *value).reduce(f64::min),
                "delta" if samples.len() > 1 => Some(last.1 - first.1),
                "rate" if samples.len() > 1 => Some((last.1 - first.1) / (last.0 - first.0)),
                "delta" | "rate" => None,
                other => panic!("{other} is not known here"),
            }
        };
        matrix.into_iter().filter_map(|(labels, samples)| Some((labels, of(&samples)?))).collect()
    }

    fn aggregate(&self, aggregate: &AggregateExpr) -> Vector {
        let kept = match &aggregate.modifier {
            None => Vec::new(),
            Some(LabelModifier::Include(labels)) => labels.labels.clone(),
            Some(LabelModifier::Exclude(_)) => panic!("`without` is not known here"),
        };
        let combine = match aggregate.op.to_string().as_str() {
            "sum" => |a: f64, b: f64| a + b,
            "max" => f64::max,
            other => panic!("{other} is not known here"),
        };
        let mut groups: BTreeMap<Labels, f64> = BTreeMap::new();
        for (labels, value) in self.vector(&aggregate.expr) {
            let group = labels.into_iter().filter(|(label, _)| kept.contains(label)).collect();
            groups.entry(group).and_modify(|so_far| *so_far = combine(*so_far, value)).or_insert(value);
        }
        groups.into_iter().collect()
    }

    fn binary(&self, binary: &BinaryExpr) -> Vector {
        let left = self.vector(&binary.lhs);
        let holds = |left: f64, right: f64| match binary.op.to_string().as_str() {
            "==" => left.total_cmp(&right).is_eq(),
            ">" => left > right,
            ">=" => left >= right,
            other => panic!("{other} is not known here"),
        };
        match self.value(&binary.rhs) {
            Value::Scalar(right) => left.into_iter().filter(|(_, value)| holds(*value, right)).collect(),
            Value::Vector(right) => {
                let partner =
                    |labels: &Labels| right.iter().find(|(other, _)| other == labels).map(|(_, value)| *value);
                let both = left.into_iter().filter_map(|(labels, value)| Some((partner(&labels)?, labels, value)));
                match binary.op.to_string().as_str() {
                    "and" => both.map(|(_, labels, value)| (labels, value)).collect(),
                    "/" => both.map(|(right, labels, value)| (labels, value / right)).collect(),
                    other => panic!("{other} between vectors is not known here"),
                }
            }
            Value::Matrix(_) => panic!("a range is compared with nothing"),
        }
    }
}

fn matches(selector: &VectorSelector, labels: &Labels) -> bool {
    let Matchers { matchers, .. } = &selector.matchers;
    labels.get("__name__") == selector.name.as_ref()
        && matchers.iter().all(|matcher| matcher.is_match(labels.get(&matcher.name).map_or("", String::as_str)))
}

fn nameless(labels: &Labels) -> Labels {
    labels
        .iter()
        .filter(|(label, _)| *label != "__name__")
        .map(|(label, value)| (label.clone(), value.clone()))
        .collect()
}
