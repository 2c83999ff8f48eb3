//! Watches what the trainer writes and says, and shows it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use real_crds::progress::{Evaluation, Progress, Warning};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use super::follow::Follower;
use crate::record::Step;
use crate::ui::View;

const PERIOD: Duration = Duration::from_millis(400);

/// Shows the news of one start of the trainer until told to finish.
#[derive(Debug)]
pub(crate) struct Monitor {
    finish: oneshot::Sender<()>,
    task: JoinHandle<()>,
    address: watch::Sender<Option<SocketAddr>>,
}

impl Monitor {
    /// Starts to watch. `resumed_after` is the step of the checkpoint that the trainer goes on from.
    pub(crate) fn start(run_dir: &Path, resumed_after: Option<u64>, view: Arc<View>) -> Self {
        let steps = Follower::<Step>::new(run_dir.join("metrics.jsonl"), resumed_after);
        let evaluations = Follower::<Evaluation>::new(run_dir.join("evaluations.jsonl"), resumed_after);
        // What a new start warns of is news, whatever the step.
        let warnings = Follower::<Warning>::new(run_dir.join("warnings.jsonl"), None);
        let (address, known_address) = watch::channel(None);
        let (finish, finished) = oneshot::channel();
        let task = tokio::spawn(watch_trainer(Watched { steps, evaluations, warnings, view }, known_address, finished));
        Self { finish, task, address }
    }

    /// Tells where the trainer serves its progress.
    pub(crate) fn found(&self, address: SocketAddr) {
        self.address.send_replace(Some(address));
    }

    /// Shows what is left to show and ends.
    pub(crate) async fn finish(self) {
        let _ = self.finish.send(());
        // It ends by itself; a panic in it would only have cost news.
        let _ = self.task.await;
    }
}

struct Watched {
    steps: Follower<Step>,
    evaluations: Follower<Evaluation>,
    warnings: Follower<Warning>,
    view: Arc<View>,
}

impl Watched {
    fn show_news(&mut self) {
        // A file that cannot be read now may be readable at the next look; the trainer reports its own disk errors.
        for warning in self.warnings.news().unwrap_or_default() {
            self.view.warning(&warning);
        }
        for evaluation in self.evaluations.news().unwrap_or_default() {
            self.view.evaluation(&evaluation);
        }
        for step in self.steps.news().unwrap_or_default() {
            self.view.step(&step);
        }
    }
}

async fn watch_trainer(
    mut watched: Watched,
    address: watch::Receiver<Option<SocketAddr>>,
    mut finished: oneshot::Receiver<()>,
) {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(2)).build().ok();
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = &mut finished => {
                watched.show_news();
                return;
            }
            _ = ticks.tick() => {}
        }
        watched.show_news();
        let known = *address.borrow();
        if let (Some(client), Some(address), true) = (&client, known, watched.view.is_live())
            && let Some(progress) = progress(client, address).await
        {
            watched.view.live(&progress);
        }
    }
}

async fn progress(client: &reqwest::Client, address: SocketAddr) -> Option<Progress> {
    client.get(format!("http://{address}/v1/progress")).send().await.ok()?.json().await.ok()
}
