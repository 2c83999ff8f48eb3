//! What a run says about itself: a JSON line a step and TensorBoard event files, names as in verl.

mod json_lines;
mod stopwatch;
mod tensorboard;

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value};

pub use json_lines::JsonLines;
pub use stopwatch::Stopwatch;
pub use tensorboard::EventFile;

/// Named numbers of one step.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Metrics(BTreeMap<String, f64>);

impl Metrics {
    /// Sets a number.
    pub fn set(&mut self, name: impl Into<String>, value: f64) {
        self.0.insert(name.into(), value);
    }

    /// The number of that name.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.0.get(name).copied()
    }

    /// Takes all numbers of another set over.
    pub fn extend(&mut self, other: Metrics) {
        self.0.extend(other.0);
    }

    /// Mean, largest and smallest of some values as `name/mean`, `name/max`, `name/min`; nothing where there are none.
    pub fn set_summary(&mut self, name: &str, values: impl IntoIterator<Item = f64>) {
        let (mut count, mut sum, mut min, mut max) = (0.0, 0.0, f64::INFINITY, f64::NEG_INFINITY);
        for value in values {
            count += 1.0;
            sum += value;
            min = f64::min(min, value);
            max = f64::max(max, value);
        }
        if count > 0.0 {
            self.set(format!("{name}/mean"), sum / count);
            self.set(format!("{name}/max"), max);
            self.set(format!("{name}/min"), min);
        }
    }

    /// The mean of some values; nothing where there are none.
    pub fn set_mean(&mut self, name: &str, values: impl IntoIterator<Item = f64>) {
        let (count, sum) = values.into_iter().fold((0.0, 0.0), |(count, sum), value| (count + 1.0, sum + value));
        if count > 0.0 {
            self.set(name, sum / count);
        }
    }

    /// Names and numbers, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().map(|(name, value)| (name.as_str(), *value))
    }
}

/// `metrics.jsonl` and `tensorboard/` of a run directory.
pub struct MetricsLog {
    lines: JsonLines,
    events: EventFile,
}

impl MetricsLog {
    /// Opens both below `run_dir`. Lines of steps after `last_step` are dropped, and TensorBoard is told to pass over its
    /// events of them: they will be made again.
    pub fn open(run_dir: &Path, last_step: u64) -> std::io::Result<Self> {
        let lines = JsonLines::open(&run_dir.join("metrics.jsonl"), |line| {
            line.get("step").and_then(Value::as_u64).is_some_and(|step| step <= last_step)
        })?;
        Ok(Self { lines, events: EventFile::create(&run_dir.join("tensorboard"), last_step + 1)? })
    }

    /// Writes the line of a step.
    pub fn append(&mut self, step: u64, metrics: &Metrics) -> std::io::Result<()> {
        let mut line = Map::new();
        line.insert("step".into(), step.into());
        line.extend(metrics.iter().map(|(name, value)| (name.to_owned(), value.into())));
        self.lines.append(&Value::Object(line))?;
        self.append_events(step, metrics)
    }

    /// Writes to TensorBoard only, for numbers that belong to no step of training.
    pub fn append_events(&mut self, step: u64, metrics: &Metrics) -> std::io::Result<()> {
        self.events.scalars(step, metrics.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reopening_drops_the_steps_that_will_be_made_again() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut metrics = Metrics::default();
        metrics.set("critic/score/mean", 0.5);
        metrics.set("actor/lr", f64::NAN);
        let mut log = MetricsLog::open(folder.path(), 0).expect("writable");
        for step in 1..=3 {
            log.append(step, &metrics).expect("writable");
        }
        drop(log);
        let mut log = MetricsLog::open(folder.path(), 2).expect("writable");
        log.append(3, &metrics).expect("writable");
        let text = std::fs::read_to_string(folder.path().join("metrics.jsonl")).expect("readable");
        let steps: Vec<u64> = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("a JSON line")["step"].as_u64().expect("a step"))
            .collect();
        assert_eq!(steps, [1, 2, 3]);
        assert!(text.contains(r#""actor/lr":null,"critic/score/mean":0.5"#), "{text}");
    }

    #[test]
    fn a_summary_of_nothing_says_nothing() {
        let mut metrics = Metrics::default();
        metrics.set_summary("empty", []);
        metrics.set_mean("empty", []);
        metrics.set_mean("two", [1.0, 2.0]);
        metrics.set_summary("some", [1.0, 4.0]);
        let names: Vec<_> = metrics.iter().collect();
        assert_eq!(names, [("some/max", 4.0), ("some/mean", 2.5), ("some/min", 1.0), ("two", 1.5)]);
    }
}
