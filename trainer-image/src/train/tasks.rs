//! Tasks with their prompts as tokens.

use std::sync::Arc;

use anyhow::Context as _;
use real_crds::config::Dataset;
use real_datasets::Task;

use crate::tokenizer::Tokenizer;

/// The usable tasks of a data set.
pub struct TaskSet {
    /// Name shown in metrics.
    pub name: String,
    /// Relative weight when batches are drawn.
    pub weight: f64,
    /// Tasks with their prompts.
    pub prompts: Vec<Prompt>,
    /// Tasks left out because their prompt is too long.
    pub too_long: usize,
}

/// A task and its prompt as the model sees it.
#[derive(Clone)]
pub struct Prompt {
    /// The task.
    pub task: Arc<Task>,
    /// Token ids, chat template applied.
    pub tokens: Vec<i64>,
}

impl TaskSet {
    /// Loads a data set and leaves out tasks whose prompt has more than `longest` tokens. At least one has to be left.
    pub fn load(dataset: &Dataset, tokenizer: &Tokenizer, longest: u64) -> anyhow::Result<Self> {
        let tasks = real_datasets::load(&dataset.uri).with_context(|| format!("data set {}", dataset.name))?;
        let all = tasks.len();
        let mut prompts = Vec::with_capacity(all);
        for task in tasks {
            let tokens =
                tokenizer.chat(&task.prompt).with_context(|| format!("data set {}, task {}", dataset.name, task.id))?;
            if tokens.len() as u64 <= longest {
                prompts.push(Prompt { task: Arc::new(task), tokens });
            }
        }
        let too_long = all - prompts.len();
        anyhow::ensure!(
            !prompts.is_empty(),
            "data set {} ({}): none of its {all} tasks has a prompt of at most {longest} tokens; raise maxPromptTokens",
            dataset.name,
            dataset.uri
        );
        if too_long > 0 {
            tracing::warn!(
                "data set {}: {too_long} of {all} tasks have prompts of more than {longest} tokens and are left out",
                dataset.name
            );
        }
        let nothing = prompts.iter().map(|prompt| real_reward::profile::share_of_nothing(&prompt.task)).sum::<f64>();
        tracing::info!(
            "data set {}: a program that does nothing passes {:.1} % of its tests",
            dataset.name,
            100.0 * nothing / prompts.len() as f64
        );
        Ok(Self { name: dataset.name.clone(), weight: dataset.weight, prompts, too_long })
    }
}
