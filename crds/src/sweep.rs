//! From a matrix of settings to the cells of a sweep: the same for `real eval` and for a cluster.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::v1alpha1::{AxisName, MatrixAxis};

/// How answers of a cell are generated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// Sampling temperature; 0 takes the most probable token each time.
    pub temperature: f64,
    /// Nucleus, in (0, 1].
    pub top_p: f64,
    /// Answers a task.
    pub samples: u64,
    /// Seed of sampling.
    pub seed: u64,
    /// Longest answer in tokens; the evaluator's own where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_response_tokens: Option<u64>,
    /// Text in which `{prompt}` stands for the task's last message; the message itself where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_template: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { temperature: 0.0, top_p: 1.0, samples: 1, seed: 1, max_response_tokens: None, prompt_template: None }
    }
}

/// One model on one suite with one choice of settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cell {
    /// `TARGET/SUITE`, with `/AXIS=VALUE,…` for what is varied: the same whatever else is in the sweep.
    pub name: String,
    /// Name of the target.
    pub target: String,
    /// Name of the suite.
    pub suite: String,
    /// How answers are generated.
    pub settings: Settings,
}

/// Why there are no cells.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SweepError {
    /// A value that its axis does not allow.
    #[error("{axis} has the value \"{value}\": it must be {allowed}")]
    Value {
        /// The axis.
        axis: &'static str,
        /// The value.
        value: String,
        /// What is allowed, in words.
        allowed: &'static str,
    },
    /// An axis that does not exist.
    #[error("there is no setting \"{name}\"; it must be one of {}", AxisName::ALL.map(AxisName::name).join(", "))]
    Axis {
        /// The name as given.
        name: String,
    },
    /// Two of the same name.
    #[error("there are two {what} of the name \"{name}\": results could not be told apart")]
    Duplicate {
        /// `targets`, `suites`, `settings` or values of an axis.
        what: String,
        /// The name.
        name: String,
    },
    /// Something that is combined has nothing in it.
    #[error("there are no {0}: there is nothing to evaluate")]
    Nothing(String),
}

impl MatrixAxis {
    /// Reads `NAME=VALUE,…`. A comma that is to be part of a value cannot be written so.
    ///
    /// # Errors
    /// An axis or a value that does not exist.
    pub fn parse(text: &str) -> Result<Self, SweepError> {
        let (name, values) = text.split_once('=').unwrap_or((text, ""));
        let known = AxisName::ALL.into_iter().find(|axis| axis.name() == name);
        let axis = known.ok_or_else(|| SweepError::Axis { name: name.to_owned() })?;
        let values: Vec<String> = values.split(',').map(str::to_owned).collect();
        values.iter().try_for_each(|value| Settings::default().set(axis, value))?;
        Ok(Self { name: axis, values })
    }
}

impl Settings {
    fn set(&mut self, axis: AxisName, value: &str) -> Result<(), SweepError> {
        let refused = || SweepError::Value { axis: axis.name(), value: value.to_owned(), allowed: axis.allowed() };
        // The very rule of the definition.
        if !regex::Regex::new(axis.pattern()).is_ok_and(|pattern| pattern.is_match(value)) {
            return Err(refused());
        }
        let whole = || value.parse::<u64>().map_err(|_| refused());
        let real = || value.parse::<f64>().map_err(|_| refused());
        match axis {
            AxisName::Temperature => self.temperature = real()?,
            AxisName::TopP => self.top_p = real()?,
            AxisName::Samples => self.samples = whole()?,
            AxisName::Seed => self.seed = whole()?,
            AxisName::MaxResponseTokens => self.max_response_tokens = Some(whole()?),
            AxisName::PromptTemplate => self.prompt_template = (value != "default").then(|| value.to_owned()),
        }
        Ok(())
    }

    /// A greedy answer is the same every time: whatever else is asked for, one is enough.
    fn settled(mut self) -> Self {
        if self.temperature == 0.0 {
            let Self { top_p, samples, seed, .. } = Self::default();
            (self.top_p, self.samples, self.seed) = (top_p, samples, seed);
        }
        self
    }

    /// Equal for equal settings.
    fn key(&self) -> (u64, u64, u64, u64, Option<u64>, Option<String>) {
        let Self { temperature, top_p, samples, seed, max_response_tokens, prompt_template } = self;
        // Adding 0 makes one zero of both.
        let bits = |real: f64| (real + 0.0).to_bits();
        (bits(*temperature), bits(*top_p), *samples, *seed, *max_response_tokens, prompt_template.clone())
    }

    /// What these settings are called, of the axes that are varied.
    fn label(&self, matrix: &[MatrixAxis]) -> String {
        let greedy = self.temperature == 0.0;
        let mut axes: Vec<AxisName> = matrix.iter().map(|axis| axis.name).collect();
        axes.sort_unstable();
        axes.retain(|axis| !(greedy && matches!(axis, AxisName::TopP | AxisName::Samples | AxisName::Seed)));
        let value = |axis| match axis {
            AxisName::Temperature => self.temperature.to_string(),
            AxisName::TopP => self.top_p.to_string(),
            AxisName::Samples => self.samples.to_string(),
            AxisName::Seed => self.seed.to_string(),
            AxisName::MaxResponseTokens => self.max_response_tokens.map_or_else(String::new, |most| most.to_string()),
            AxisName::PromptTemplate => self.prompt_template.clone().unwrap_or_else(|| "default".to_owned()),
        };
        axes.into_iter().map(|axis| format!("{}={}", axis.name(), value(axis))).collect::<Vec<_>>().join(",")
    }
}

/// Every target on every suite with every combination of the matrix, in that order. Combinations that come to the same thing
/// are one cell: a greedy answer has no seed.
///
/// # Errors
/// A name or value that is there twice or not allowed, or nothing to combine.
pub fn cells(targets: &[String], suites: &[String], matrix: &[MatrixAxis]) -> Result<Vec<Cell>, SweepError> {
    unique("targets", targets)?;
    unique("suites", suites)?;
    unique("settings", &matrix.iter().map(|axis| axis.name.name().to_owned()).collect::<Vec<_>>())?;
    let mut combinations = vec![Settings::default()];
    for axis in matrix {
        if axis.values.is_empty() {
            return Err(SweepError::Nothing(format!("values of {}", axis.name.name())));
        }
        let mut next = Vec::with_capacity(combinations.len() * axis.values.len());
        let mut known = HashSet::with_capacity(next.capacity());
        for settings in &combinations {
            for value in &axis.values {
                let mut settings = settings.clone();
                settings.set(axis.name, value)?;
                // 0.7 and 0.70 are one value.
                if !known.insert(settings.key()) {
                    return Err(SweepError::Duplicate {
                        what: format!("values of {}", axis.name.name()),
                        name: value.clone(),
                    });
                }
                next.push(settings);
            }
        }
        combinations = next;
    }
    let mut known = HashSet::with_capacity(combinations.len());
    let mut settled: Vec<Settings> = combinations.into_iter().map(Settings::settled).collect();
    settled.retain(|settings| known.insert(settings.key()));
    let cell = |target: &String, suite: &String, settings: &Settings| {
        let label = settings.label(matrix);
        let varied = if label.is_empty() { String::new() } else { format!("/{label}") };
        Cell {
            name: format!("{target}/{suite}{varied}"),
            target: target.clone(),
            suite: suite.clone(),
            settings: settings.clone(),
        }
    };
    let of_target = |target| {
        let settled = &settled;
        suites.iter().flat_map(move |suite| settled.iter().map(move |settings| cell(target, suite, settings)))
    };
    Ok(targets.iter().flat_map(of_target).collect())
}

fn unique(what: &str, names: &[String]) -> Result<(), SweepError> {
    if names.is_empty() && what != "settings" {
        return Err(SweepError::Nothing(what.to_owned()));
    }
    let mut known = HashSet::with_capacity(names.len());
    let twice = names.iter().find(|name| !known.insert(name.as_str()));
    twice.map_or(Ok(()), |name| Err(SweepError::Duplicate { what: what.to_owned(), name: name.clone() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn matrix(axes: &[&str]) -> Vec<MatrixAxis> {
        axes.iter().map(|axis| MatrixAxis::parse(axis).unwrap()).collect()
    }

    fn cell_names(axes: &[&str]) -> Vec<String> {
        cells(&names(&["m"]), &names(&["s"]), &matrix(axes)).unwrap().into_iter().map(|cell| cell.name).collect()
    }

    #[test]
    fn every_target_is_combined_with_every_suite_and_setting() {
        let all =
            cells(&names(&["a", "b"]), &names(&["s", "t"]), &matrix(&["temperature=0.2,0.8", "samples=4"])).unwrap();
        assert_eq!(all.len(), 8);
        assert_eq!(all[0].name, "a/s/temperature=0.2,samples=4");
        assert_eq!((all[7].name.as_str(), all[7].settings.samples), ("b/t/temperature=0.8,samples=4", 4));
        assert_eq!(cells(&names(&["a"]), &names(&["s"]), &[]).unwrap()[0].name, "a/s");
    }

    #[test]
    fn a_cells_name_depends_on_nothing_else_in_the_sweep() {
        let one = cell_names(&["temperature=0.8", "topP=0.9"]);
        let among_others = cell_names(&["topP=0.9,1", "temperature=0.2,0.80"]);
        assert!(among_others.contains(&one[0]), "{one:?} {among_others:?}");
    }

    #[test]
    fn greedy_answers_are_asked_for_once_whatever_the_seeds_and_samples() {
        assert_eq!(
            cell_names(&["temperature=0,1", "samples=2,8", "seed=1,2"]).len(),
            1 + 4,
            "one greedy cell, and the sampled ones"
        );
        assert_eq!(cell_names(&["temperature=0", "samples=8"]), ["m/s/temperature=0"]);
        assert_eq!(cell_names(&["samples=8"]), ["m/s"], "the temperature is 0 where nobody says otherwise");
    }

    #[test]
    fn what_does_not_exist_is_refused_with_what_does() {
        let refused = |axis: &str| MatrixAxis::parse(axis).unwrap_err().to_string();
        assert!(
            refused("temprature=0.5").contains("temprature") && refused("temprature=0.5").contains("promptTemplate")
        );
        for (axis, value) in [
            ("temperature", "hot"),
            ("temperature", "-1"),
            ("temperature", "2.1"),
            ("temperature", "NaN"),
            ("temperature", "inf"),
            ("temperature", ""),
            ("topP", "0"),
            ("topP", "1.5"),
            ("topP", "0.0"),
            ("samples", "0"),
            ("samples", "1.5"),
            ("seed", "-3"),
            ("maxResponseTokens", "0"),
            ("promptTemplate", "no place for it"),
            ("promptTemplate", "{Prompt}"),
        ] {
            let error = refused(&format!("{axis}={value}"));
            assert!(
                error.contains(axis) && error.contains(&format!("\"{value}\"")) && error.contains("must be"),
                "{error}"
            );
        }
    }

    #[test]
    fn values_at_their_bounds_are_taken() {
        for axis in [
            "temperature=0,0.0001,1,2,2.0",
            "topP=0.0001,0.95,1",
            "samples=1,9999",
            "seed=0,999999999999999999",
            "maxResponseTokens=1,999999",
        ] {
            MatrixAxis::parse(axis).unwrap_or_else(|error| panic!("{axis}: {error}"));
        }
        let cell =
            cells(&names(&["m"]), &names(&["s"]), &matrix(&["promptTemplate=Be safe. {prompt}"])).unwrap().remove(0);
        assert_eq!(cell.settings.prompt_template.as_deref(), Some("Be safe. {prompt}"));
    }

    #[test]
    fn nothing_is_named_twice() {
        let error = |targets: &[&str], suites: &[&str], axes: &[&str]| {
            cells(&names(targets), &names(suites), &matrix(axes)).unwrap_err().to_string()
        };
        assert!(error(&["a", "a"], &["s"], &[]).contains("two targets of the name \"a\""));
        assert!(error(&["a"], &["s", "s"], &[]).contains("two suites of the name \"s\""));
        assert!(error(&["a"], &["s"], &["seed=1", "seed=2"]).contains("two settings of the name \"seed\""));
        assert!(error(&["a"], &["s"], &["temperature=0.7,0.70"]).contains("values of temperature"));
        assert!(error(&[], &["s"], &[]).contains("no targets"));
    }
}
