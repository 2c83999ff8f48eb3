//! Tasks with their prompts as tokens.

use std::sync::Arc;

use anyhow::Context as _;
use real_crds::config::{Dataset, Rollout};
use real_datasets::Task;
use real_reward::QualitySource;

use super::algorithm::Surroundings;
use crate::tokenizer::Tokenizer;

/// What data sets are loaded with.
pub struct Loader<'a> {
    /// Turns text into tokens.
    pub tokenizer: &'a Tokenizer,
    /// Longest prompts and answers.
    pub limits: &'a Rollout,
    /// Number of tokens that the model knows.
    pub vocabulary: i64,
    /// What decides quality, and so what a task must have.
    pub quality: QualitySource,
    /// Told what is left out, asked whether to end early.
    pub surroundings: &'a Surroundings<'a>,
}

impl Loader<'_> {
    /// What `load` gives for the address of a data set, unless someone asks to stop meanwhile.
    ///
    /// # Errors
    /// The data set cannot be loaded, or someone asked.
    pub fn read<T: Send + 'static>(
        &self,
        dataset: &Dataset,
        load: impl FnOnce(&str) -> Result<T, real_datasets::LoadError> + Send + 'static,
    ) -> anyhow::Result<T> {
        let uri = dataset.uri.clone();
        let loaded = self.surroundings.stop.unless_requested(move || load(&uri))?;
        loaded.with_context(|| format!("data set {}", dataset.name))
    }

    /// Makes sure that the model knows every token.
    ///
    /// # Errors
    /// It does not: model and tokenizer do not belong together.
    pub fn check_known(&self, tokens: &[i64]) -> anyhow::Result<()> {
        let unknown = tokens.iter().find(|token| !(0..self.vocabulary).contains(*token));
        anyhow::ensure!(
            unknown.is_none(),
            "the tokenizer gives token {}, the model knows 0 to {} (vocab_size in config.json): they do not belong together",
            unknown.unwrap_or(&0),
            self.vocabulary - 1
        );
        Ok(())
    }
}

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
    /// Tasks left out because they lack what a reward is made of.
    pub incomplete: usize,
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
    /// Loads a data set and leaves out tasks whose prompt is too long and those that lack what a reward is made of, which is
    /// told. At least one has to be left.
    ///
    /// # Errors
    /// The data set cannot be loaded or used, or someone asked to stop.
    pub fn load(dataset: &Dataset, loader: &Loader<'_>) -> anyhow::Result<Self> {
        let longest = loader.limits.max_prompt_tokens;
        let tasks = loader.read(dataset, real_datasets::load)?;
        let all = tasks.len();
        let mut prompts = Vec::with_capacity(all);
        let mut incomplete = (0, "");
        for task in tasks {
            loader.surroundings.stop.check()?;
            let place = || format!("data set {}, task {}", dataset.name, task.id);
            if let Some(missing) = real_reward::missing(&task, loader.quality) {
                incomplete = (incomplete.0 + 1, missing);
                continue;
            }
            let tokens = loader.tokenizer.chat(&task.prompt).with_context(place)?;
            loader.check_known(&tokens).with_context(place)?;
            if tokens.len() as u64 <= longest {
                prompts.push(Prompt { task: Arc::new(task), tokens });
            }
        }
        let (incomplete, missing) = incomplete;
        anyhow::ensure!(
            incomplete < all,
            "data set {} ({}): none of its {all} tasks has a {missing}, of which rewards are made (reward.quality)",
            dataset.name,
            dataset.uri
        );
        if incomplete > 0 {
            let message = format!(
                "data set {}: {incomplete} of {all} tasks are left out: they have no {missing} (reward.quality)",
                dataset.name
            );
            loader.surroundings.progress.warn("DataLeftOut", message);
        }
        let too_long = all - incomplete - prompts.len();
        anyhow::ensure!(
            !prompts.is_empty(),
            "data set {} ({}): none of its {all} tasks has a prompt of at most {longest} tokens; raise maxPromptTokens",
            dataset.name,
            dataset.uri
        );
        if too_long > 0 {
            let message = format!(
                "data set {}: {too_long} of {all} tasks are left out: their prompts have more than {longest} tokens \
                 (maxPromptTokens)",
                dataset.name
            );
            loader.surroundings.progress.warn("DataLeftOut", message);
        }
        let nothing = prompts.iter().map(|prompt| real_reward::profile::share_of_nothing(&prompt.task)).sum::<f64>();
        tracing::info!(
            "data set {}: a program that does nothing passes {:.1} % of its tests",
            dataset.name,
            100.0 * nothing / prompts.len() as f64
        );
        let idle =
            |prompt: &Prompt| real_datasets::passed_by_nothing(&prompt.task).map(|why| (prompt.task.id.clone(), why));
        let idle: Vec<(String, &str)> = prompts.iter().filter_map(idle).collect();
        if let Some((id, why)) = idle.first() {
            let message = format!(
                "data set {}: {} tasks may be passed by a program that does nothing, the first is {id}: {why}",
                dataset.name,
                idle.len()
            );
            loader.surroundings.progress.warn("DoingNothingPasses", message);
        }
        Ok(Self { name: dataset.name.clone(), weight: dataset.weight, prompts, too_long, incomplete })
    }
}
