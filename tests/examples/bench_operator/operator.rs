//! The operator as a process, and what its metrics say.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use real_test_kube::ControlPlane;

/// The operator as a process, which ends with this.
pub(crate) struct Operator {
    child: Child,
    program: PathBuf,
    url: String,
}

impl Operator {
    pub(crate) fn start(program: &Path, plane: &ControlPlane) -> Result<Self> {
        let port = real_test_kube::ports::free()?;
        let address = format!("127.0.0.1:{port}");
        let child = Command::new(program)
            .args(["run", "--leader-elect", "false", "--listen", &address])
            .env_clear()
            .env("KUBECONFIG", plane.kubeconfig())
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()?;
        Ok(Self { child, program: program.to_owned(), url: format!("http://{address}") })
    }

    pub(crate) async fn until_ready(&self) -> Result<()> {
        let begun = Instant::now();
        while !reqwest::get(format!("{}/readyz", self.url)).await.is_ok_and(|answer| answer.status().is_success()) {
            ensure!(begun.elapsed() < Duration::from_mins(2), "the operator is not ready");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Writes and reads so far. A watch is one read when it begins.
    pub(crate) async fn calls(&self) -> Result<(u64, u64)> {
        let text = reqwest::get(format!("{}/metrics", self.url)).await?.text().await?;
        let of = |verb: &str| {
            let lines = text.lines().filter(|line| {
                line.starts_with("real_api_requests_total") && line.contains(&format!("verb=\"{verb}\""))
            });
            lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum::<u64>()
        };
        let sum = |verbs: &[&str]| verbs.iter().map(|verb| of(verb)).sum();
        Ok((sum(&["create", "patch", "update", "delete"]), sum(&["get", "list", "watch"])))
    }

    /// What the calls were, to standard error.
    pub(crate) async fn list_calls(&self, jobs: usize) -> Result<()> {
        let text = reqwest::get(format!("{}/metrics", self.url)).await?.text().await?;
        for line in text.lines().filter(|line| line.starts_with("real_api_requests_total")) {
            let (call, calls) = line.rsplit_once(' ').context("no sample")?;
            eprintln!("{:8.2} a job: {call}", calls.parse::<f64>()? / jobs as f64);
        }
        Ok(())
    }

    /// Ends it, starts another, and counts what that one reads until it has looked at everything.
    pub(crate) async fn followed_by_another(mut self, plane: &ControlPlane) -> Result<u64> {
        self.child.kill()?;
        self.child.wait()?;
        let next = Self::start(&self.program, plane)?;
        next.until_ready().await?;
        let mut last = next.calls().await?;
        loop {
            tokio::time::sleep(Duration::from_secs(5)).await;
            let now = next.calls().await?;
            if now == last {
                return Ok(now.1);
            }
            last = now;
        }
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
