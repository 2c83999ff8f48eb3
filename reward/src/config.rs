//! What a scorer has to know.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

/// Configuration of a [`Scorer`](crate::Scorer). Its default has the paper's values and no services.
#[derive(Clone, Debug, PartialEq)]
pub struct ScorerConfig {
    /// Weight α ∈ [0, 1] of quality; 1-α is function's.
    pub alpha: f64,
    /// Shape of the reward.
    pub profile: Profile,
    /// Reward of an answer without a runnable program; the paper's is -1.
    pub penalty: f64,
    /// What decides quality.
    pub quality: QualitySource,
    /// Which part of an answer is the program.
    pub extraction: Extraction,
    /// Whether a test that expects no output can earn anything by itself.
    pub empty_outputs: EmptyOutputs,
    /// CWE numbers whose findings count; all that the detector has rules for where absent.
    pub cwes: Option<Vec<u32>>,
    /// Most functional tests run per answer; all where absent. Safety tests are never left out where they are run.
    pub max_tests: Option<usize>,
    /// Run the safety tests also where they do not decide quality, so that their verdicts can be reported.
    pub report_safety_tests: bool,
    /// Base URLs of detector services.
    pub detectors: Vec<Url>,
    /// Base URLs of sandbox services.
    pub sandboxes: Vec<Url>,
    /// Time for one answer, all retries included; then it is [`Unscored`](crate::Unscored).
    pub timeout: Duration,
    /// Answers scored at once; further ones wait without their time running.
    pub concurrency: usize,
}

impl Default for ScorerConfig {
    fn default() -> Self {
        Self {
            alpha: 0.5,
            profile: Profile::Paper,
            penalty: -1.0,
            quality: QualitySource::Analysis,
            extraction: Extraction::Paper,
            empty_outputs: EmptyOutputs::Count,
            cwes: None,
            max_tests: None,
            report_safety_tests: false,
            detectors: Vec::new(),
            sandboxes: Vec::new(),
            timeout: Duration::from_mins(2),
            concurrency: 64,
        }
    }
}

/// Shape of the reward.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// The paper's text: quality ∈ {0, 1}, function = share of functional tests passed, the penalty where nothing runs.
    #[default]
    Paper,
    /// The scores of the released code, which grade findings, errors and time limits, without its bugs.
    Reference,
}

/// Which part of an answer is the program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Extraction {
    /// The last match of the paper's expression `` ```python(.*?)``` ``.
    #[default]
    Paper,
    /// Markdown as people and models write it: the block of Python that defines the entry point, else the longest.
    Tolerant,
}

/// Whether a test that expects no output can earn anything by itself: a program that does nothing passes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmptyOutputs {
    /// It counts like every other, as in the paper.
    #[default]
    Count,
    /// It counts as failed unless a test that expects some output passes.
    Ignore,
}

/// What decides quality.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QualitySource {
    /// The program analyses that each task names.
    #[default]
    Analysis,
    /// The task's safety unit tests, all of which have to pass (an ablation of the paper).
    SafetyTests,
}

/// A configuration that cannot work.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ConfigError {
    /// α outside [0, 1] or not a number.
    #[error("alpha is {0}; it has to lie in [0, 1]")]
    Alpha(f64),
    /// A penalty that is not a finite number.
    #[error("penalty is {0}; it has to be a finite number, usually -1")]
    Penalty(f64),
    /// No service of a kind that is needed.
    #[error("no {0} is configured; give at least one base URL, e.g. http://127.0.0.1:8080")]
    NoService(crate::Service),
    /// A base URL of another scheme.
    #[error("{service} URL '{url}' has to start with http:// or https://")]
    Scheme {
        /// Which list it is in.
        service: crate::Service,
        /// The URL.
        url: Url,
    },
    /// A limit of zero.
    #[error("{0} is 0; it has to be at least 1")]
    Zero(&'static str),
    /// The HTTP client could not be made.
    #[error("the HTTP client could not be made: {0}")]
    Client(String),
}

impl ScorerConfig {
    /// Checks everything that can be known without asking the services.
    ///
    /// # Errors
    /// The first field that cannot work.
    pub fn validate(&self) -> Result<(), ConfigError> {
        use crate::Service::{Detector, Sandbox};
        if !(0.0..=1.0).contains(&self.alpha) {
            return Err(ConfigError::Alpha(self.alpha));
        }
        if !self.penalty.is_finite() {
            return Err(ConfigError::Penalty(self.penalty));
        }
        for (service, urls) in [(Detector, &self.detectors), (Sandbox, &self.sandboxes)] {
            // With quality from safety tests the detector is never asked.
            if urls.is_empty() && !(service == Detector && self.quality == QualitySource::SafetyTests) {
                return Err(ConfigError::NoService(service));
            }
            if let Some(url) = urls.iter().find(|url| !matches!(url.scheme(), "http" | "https")) {
                return Err(ConfigError::Scheme { service, url: url.clone() });
            }
        }
        if self.max_tests == Some(0) {
            return Err(ConfigError::Zero("max_tests"));
        }
        if self.concurrency == 0 {
            return Err(ConfigError::Zero("concurrency"));
        }
        if self.timeout.is_zero() {
            return Err(ConfigError::Zero("timeout"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn working() -> ScorerConfig {
        ScorerConfig {
            detectors: vec![Url::parse("http://127.0.0.1:1").unwrap()],
            sandboxes: vec![Url::parse("http://127.0.0.1:2").unwrap()],
            ..ScorerConfig::default()
        }
    }

    #[test]
    fn the_default_needs_only_services() {
        assert_eq!(ScorerConfig::default().validate(), Err(ConfigError::NoService(crate::Service::Detector)));
        assert_eq!(working().validate(), Ok(()));
    }

    #[test]
    fn alpha_has_to_lie_between_zero_and_one() {
        for alpha in [-0.1, 1.5, f64::INFINITY] {
            let error = ScorerConfig { alpha, ..working() }.validate().unwrap_err();
            assert!(error.to_string().contains("[0, 1]"), "{error}");
        }
        assert!(matches!(ScorerConfig { alpha: f64::NAN, ..working() }.validate(), Err(ConfigError::Alpha(_))));
    }

    #[test]
    fn safety_tests_as_quality_need_no_detector() {
        let config = ScorerConfig { detectors: Vec::new(), quality: QualitySource::SafetyTests, ..working() };
        assert_eq!(config.validate(), Ok(()));
    }

    #[test]
    fn limits_of_zero_and_other_schemes_are_refused() {
        assert_eq!(ScorerConfig { max_tests: Some(0), ..working() }.validate(), Err(ConfigError::Zero("max_tests")));
        assert_eq!(ScorerConfig { concurrency: 0, ..working() }.validate(), Err(ConfigError::Zero("concurrency")));
        assert_eq!(ScorerConfig { timeout: Duration::ZERO, ..working() }.validate(), Err(ConfigError::Zero("timeout")));
        let ftp = ScorerConfig { sandboxes: vec![Url::parse("ftp://host/").unwrap()], ..working() };
        assert!(matches!(ftp.validate(), Err(ConfigError::Scheme { .. })));
    }
}
