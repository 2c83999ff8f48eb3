//! Which services judge answers: running ones, or ones started for the time of a command.

use std::path::Path;
use std::time::Duration;

use anyhow::bail;
use real_reward::ScorerConfig;
use real_terminal::causes;
use url::Url;

use super::{Kind, Services};
use real_terminal::arguments::at_least_one;

/// Longest time for a service that was given to say that it is there.
const PATIENCE: Duration = Duration::from_secs(10);

/// Arguments about the services that judge answers.
#[derive(Debug, clap::Args)]
pub(crate) struct ServiceArgs {
    /// Base URL of a running detector, may be repeated; started here where absent
    #[arg(long, value_name = "URL", value_parser = service_url)]
    detector: Vec<Url>,
    /// Base URL of a running sandbox, may be repeated; started here where absent
    #[arg(long, value_name = "URL", value_parser = service_url)]
    sandbox: Vec<Url>,
    /// Seconds for one answer, retries included; then it is dropped and counted
    #[arg(long, value_name = "SECONDS", default_value_t = 900, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: u64,
    /// Answers scored at once
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = at_least_one)]
    concurrency: usize,
}

impl ServiceArgs {
    /// Answers scored at once.
    pub(crate) fn concurrency(&self) -> usize {
        self.concurrency
    }

    /// The usual configuration of a scorer with these services.
    pub(crate) fn config(&self) -> ScorerConfig {
        ScorerConfig {
            detectors: self.detector.clone(),
            sandboxes: self.sandbox.clone(),
            timeout: Duration::from_secs(self.timeout),
            concurrency: self.concurrency,
            ..ScorerConfig::default()
        }
    }

    /// Starts the services that were not given, and puts their addresses into the configuration; those that were given are
    /// asked whether they are there.
    pub(crate) async fn start_missing(
        &self,
        config: &mut ScorerConfig,
        logs: &Path,
    ) -> anyhow::Result<Option<Services>> {
        ask("--detector", &self.detector).await?;
        ask("--sandbox", &self.sandbox).await?;
        let mut kinds = Vec::new();
        kinds.extend(self.detector.is_empty().then_some(Kind::Detector));
        kinds.extend(self.sandbox.is_empty().then_some(Kind::Sandbox));
        if kinds.is_empty() {
            return Ok(None);
        }
        let services = Services::start(&kinds, logs).await?;
        let urls = |kind| services.urls(kind).iter().map(|url| Url::parse(url)).collect::<Result<Vec<_>, _>>();
        config.detectors.extend(urls(Kind::Detector)?);
        config.sandboxes.extend(urls(Kind::Sandbox)?);
        Ok(Some(services))
    }
}

/// Where a service may be.
pub(crate) fn service_url(text: &str) -> Result<Url, String> {
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
        _ => Err("it has to be like http://HOST:PORT".to_owned()),
    }
}

/// Asks services whether they are there. One of several may be away for a while; where none answers the work would wait for
/// its time-outs in silence.
///
/// # Errors
/// None of them answers.
pub(crate) async fn ask(flag: &str, urls: &[Url]) -> anyhow::Result<()> {
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?;
    let mut reasons = Vec::new();
    for url in urls {
        let health = format!("{}/healthz", url.as_str().trim_end_matches('/'));
        match client.get(&health).send().await.and_then(reqwest::Response::error_for_status) {
            Ok(_) => return Ok(()),
            Err(error) => reasons.push(format!("{flag} {url}: it does not answer: {}", causes(&error.without_url()))),
        }
    }
    if reasons.is_empty() { Ok(()) } else { bail!("{}", reasons.join("; ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_http_and_has_a_host() {
        assert!(service_url("http://127.0.0.1:8080").is_ok() && service_url("https://a.b/c").is_ok());
        for text in ["", "127.0.0.1:8080", "ftp://a", "http://", "a", "file:///x"] {
            assert!(service_url(text).unwrap_err().contains("http://HOST:PORT"), "{text}");
        }
    }

    #[tokio::test]
    async fn services_of_which_none_answers_are_named_at_once() {
        let closed = |_| {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap()
        };
        let urls = [0, 1].map(closed);
        let said = ask("--sandbox", &urls).await.unwrap_err().to_string();
        assert!(urls.iter().all(|url| said.contains(url.as_str())) && said.contains("refused"), "{said}");
        assert!(ask("--sandbox", &[]).await.is_ok());
    }
}
