//! From an answer to its reward, through the services.

use std::time::{Duration, Instant};

use real_datasets::{QualityCheck, Task};
use real_detector_api::{Analysis, Checks};
use real_sandbox_api::Group;
use tokio::sync::Semaphore;

use crate::client::{DetectorClient, Failure, Network, SandboxClient};
use crate::config::{ConfigError, QualitySource, ScorerConfig};
use crate::outcome::{Reason, Scored, Timings, Unscored};
use crate::profile::{self, Asked, Rules, TestRun};
use crate::{extract, selection, typing_prelude};

/// Scores answers. Cheap to share behind an `Arc`; needs a running tokio runtime when it scores.
pub struct Scorer {
    config: ScorerConfig,
    rules: Rules,
    detector: Option<DetectorClient>,
    sandbox: SandboxClient,
    network: Network,
    places: Semaphore,
}

/// How long a service may take to say that it is ready.
const READY_TIME: Duration = Duration::from_secs(2);

impl Scorer {
    /// Checks the configuration and prepares the clients. Asks no service yet.
    ///
    /// # Errors
    /// A [`ConfigError`] that names the field.
    pub fn new(config: ScorerConfig) -> Result<Self, ConfigError> {
        config.validate()?;
        let network = Network::new().map_err(|error| ConfigError::Client(error.to_string()))?;
        let detector = match config.quality {
            QualitySource::Analysis => Some(DetectorClient::new(&network, &config.detectors)),
            QualitySource::SafetyTests => None,
        };
        Ok(Self {
            rules: Rules::from(&config),
            detector,
            sandbox: SandboxClient::new(&network, &config.sandboxes),
            network,
            places: Semaphore::new(config.concurrency),
            config,
        })
    }

    /// The configuration.
    pub fn config(&self) -> &ScorerConfig {
        &self.config
    }

    /// Asks the services that rewards need whether they are ready: one address of each is enough.
    ///
    /// # Errors
    /// What the addresses of a service say that has none which is.
    pub async fn ready(&self) -> Result<(), String> {
        let http = self.network.direct();
        let ask = async |url: &url::Url| {
            let route = format!("{}/healthz", url.as_str().trim_end_matches('/'));
            match http.get(&route).timeout(READY_TIME).send().await {
                Ok(answer) if answer.status().is_success() => Ok(()),
                Ok(answer) => Err(format!("{route}: HTTP {}", answer.status().as_u16())),
                Err(error) => Err(format!("{route}: {}", std::error::Error::source(&error).unwrap_or(&error))),
            }
        };
        let detectors = self.detector.is_some().then_some(&self.config.detectors);
        for (service, urls) in
            detectors.map(|urls| ("detector", urls)).into_iter().chain([("sandbox", &self.config.sandboxes)])
        {
            let answers = futures::future::join_all(urls.iter().map(ask)).await;
            if !answers.iter().any(Result::is_ok) {
                let why: Vec<String> = answers.into_iter().filter_map(Result::err).collect();
                return Err(format!("no {service} is ready: {}", why.join("; ")));
            }
        }
        Ok(())
    }

    /// Scores one answer. Where `max_tests` limits the tests, the task's id decides which ones run.
    ///
    /// # Errors
    /// [`Unscored`] where the reward could not be found out because of us.
    pub async fn score(&self, task: &Task, response: &str) -> Result<Scored, Unscored> {
        self.score_with(task, response, selection::seed_of(&task.id)).await
    }

    /// Scores one answer; `test_seed` draws the tests where `max_tests` limits them. Answers to the same prompt should
    /// get the same seed, so that they are compared on the same tests.
    ///
    /// # Errors
    /// [`Unscored`] where the reward could not be found out because of us.
    pub async fn score_with(&self, task: &Task, response: &str, test_seed: u64) -> Result<Scored, Unscored> {
        if let Some(missing) = missing(task, self.config.quality) {
            return Err(Unscored { reason: Reason::Task { task: task.id.clone(), missing }, attempts: 0 });
        }
        let Some(program) = extract::program(response, task, self.config.extraction) else {
            return Ok(profile::no_code(self.rules));
        };
        let program: &str = &program;
        let safety = self.config.quality == QualitySource::SafetyTests || self.config.report_safety_tests;
        let chosen = selection::choose(task, self.config.max_tests, safety, test_seed);
        let Ok(_place) = self.places.acquire().await else { unreachable!("the semaphore is never closed") };

        let start = Instant::now();
        let deadline = start + self.config.timeout;
        let analysis = async {
            let outcome = self.analyze(task, program, deadline).await;
            (outcome, millis_since(start))
        };
        let tests = async {
            let outcome = self.sandbox.run(task, program, &chosen, deadline).await;
            (outcome, millis_since(start))
        };
        let ((analysis, analysis_ms), (tests, tests_ms)) = tokio::join!(analysis, tests);

        let (analysis, analysis_attempts) = match analysis {
            None => (None, 0),
            Some(Ok((analysis, attempts))) => (Some(Ok(analysis)), attempts),
            Some(Err(Failure { reason, attempts })) => (Some(Err(reason)), attempts),
        };
        let (run, test_attempts): (Result<TestRun, Reason>, u32) = match tests {
            Ok((run, attempts)) => (Ok(run), attempts),
            Err(Failure { reason, attempts }) => (Err(reason), attempts),
        };
        let attempts = analysis_attempts + test_attempts;
        let timings = Timings { total_ms: millis_since(start), analysis_ms, tests_ms, attempts };
        run.and_then(|run| profile::reward(self.rules, &Asked::of(task, &chosen), program, analysis, run))
            .map(|scored| Scored { timings, ..scored })
            .map_err(|reason| Unscored { reason, attempts })
    }

    async fn analyze(&self, task: &Task, program: &str, deadline: Instant) -> Option<Result<(Analysis, u32), Failure>> {
        let detector = self.detector.as_ref()?;
        let checks = Checks {
            security: task.quality.contains(&QualityCheck::Security),
            cwes: self.config.cwes.clone(),
            origins: None,
            types: task.quality.contains(&QualityCheck::Types),
        };
        if !checks.types {
            return Some(detector.analyze(program.to_owned(), checks, deadline).await);
        }
        let prepared = typing_prelude::add(program);
        let mut outcome = detector.analyze(prepared.code.clone(), checks, deadline).await;
        if let Ok((analysis, _)) = &mut outcome {
            prepared.restore_lines(analysis);
        }
        Some(outcome)
    }
}

/// What a task lacks of what a reward is made of, where `quality` decides quality: its answers cannot be scored.
pub fn missing(task: &Task, quality: QualitySource) -> Option<&'static str> {
    let has = |group| task.tests.iter().any(|test| test.group == group);
    match quality {
        _ if !has(Group::Functional) => Some("functional test"),
        QualitySource::Analysis if task.quality.is_empty() => Some("quality check"),
        QualitySource::SafetyTests if !has(Group::Safety) => Some("safety test"),
        _ => None,
    }
}

fn millis_since(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}
