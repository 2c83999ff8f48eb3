//! What the API server says of itself: requests it answered, events it sent to watches, and where its processor time went.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use real_test_kube::ControlPlane;

use crate::process;

/// Counters that say what the API server did, and what is shown of their labels.
const COUNTERS: [(&str, &[&str]); 4] = [
    ("apiserver_request_total", &["verb", "resource", "subresource", "code"]),
    ("apiserver_watch_events_total", &["group", "resource"]),
    ("apiserver_watch_events_sizes_sum", &["group", "resource"]),
    ("etcd_request_duration_seconds_count", &["operation", "type", "resource"]),
];

/// The API server of a run.
pub(crate) struct Server {
    process: u32,
    /// What else works beside it, by name.
    others: Vec<(&'static str, u32)>,
    client: Client,
    before: Option<(f64, Vec<f64>, Counts)>,
}

type Counts = BTreeMap<String, f64>;

impl Server {
    pub(crate) fn of(plane: &ControlPlane) -> Result<Self> {
        let of = |name: &str| process::of(&plane.folder().join(name).with_extension("pid"));
        let others =
            vec![("etcd", of("etcd")?), ("controllers", of("kube-controller-manager")?), ("nodes", std::process::id())];
        Ok(Self { process: of("kube-apiserver")?, others, client: plane.client(), before: None })
    }

    /// What it does is counted from here.
    pub(crate) async fn begin(&mut self) -> Result<()> {
        self.before = Some((process::cpu(self.process)?, self.others()?, self.counts().await?));
        Ok(())
    }

    fn others(&self) -> Result<Vec<f64>> {
        self.others.iter().map(|(_, process)| process::cpu(*process)).collect()
    }

    /// Seconds of processor time since the beginning.
    pub(crate) fn cpu(&self) -> Result<f64> {
        let (before, ..) = self.before.as_ref().context("not begun")?;
        Ok(process::cpu(self.process)? - before)
    }

    /// What it did since the beginning, an object, to standard error.
    pub(crate) async fn tell(&self, what: &str, objects: usize) -> Result<()> {
        let (_, others, before) = self.before.as_ref().context("not begun")?;
        for (((name, _), now), before) in self.others.iter().zip(self.others()?).zip(others) {
            eprintln!("{:10.1} CPU ms each: {name}", (now - before) * 1000.0 / objects as f64);
        }
        eprintln!("the API server, {objects} {what}:");
        for (counter, now) in self.counts().await? {
            let each = (now - before.get(&counter).unwrap_or(&0.0)) / objects as f64;
            if each >= 0.05 {
                eprintln!("{each:10.2} each: {counter}");
            }
        }
        Ok(())
    }

    /// Where its processor time goes for some seconds, into a file for `go tool pprof`.
    pub(crate) fn profile(&self, file: PathBuf, seconds: u64) -> tokio::task::JoinHandle<Result<()>> {
        let client = self.client.clone();
        tokio::spawn(async move {
            let request = http::Request::get(format!("/debug/pprof/profile?seconds={seconds}")).body(Body::empty())?;
            let answer = client.send(request).await?;
            let profile = answer.into_body().collect().await?.to_bytes();
            std::fs::write(&file, profile).with_context(|| format!("{} cannot be written", file.display()))
        })
    }

    async fn counts(&self) -> Result<Counts> {
        let text = self.client.request_text(http::Request::get("/metrics").body(Vec::new())?).await?;
        let mut counts = Counts::new();
        for line in text.lines() {
            let Some((name, rest)) = line.split_once('{') else { continue };
            let Some((_, shown)) = COUNTERS.iter().find(|(counter, _)| *counter == name) else { continue };
            let (labels, value) = rest.rsplit_once("} ").context("no sample")?;
            let label = |name: &str| {
                let (_, rest) = labels.split_once(&format!("{name}=\""))?;
                rest.split_once('"').map(|(value, _)| value)
            };
            let labels: Vec<&str> = shown.iter().filter_map(|name| label(name)).collect();
            *counts.entry(format!("{name} {}", labels.join(" "))).or_default() += value.parse::<f64>()?;
        }
        Ok(counts)
    }
}
