//! Where a run's news go: a progress bar on a terminal, a line for each piece of news elsewhere, or nowhere.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use real_crds::progress::{Evaluation, Progress, Warning};
use real_terminal::{Stream, bars, colours, errln, width};

use super::news::{evaluation_line, message, step_line, warning_line};
use crate::record::Step;

/// Columns that are left to the bar itself.
const SHORTEST_BAR: usize = 8;

/// Columns below which there is room for the step alone.
const SMALL: usize = 40;

/// How much is shown while a run goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verbosity {
    /// A progress bar on a terminal, lines elsewhere.
    Automatic,
    /// Lines, on a terminal too.
    Lines,
    /// Only warnings and errors.
    Quiet,
}

fn bar(total_steps: u64) -> Option<ProgressBar> {
    let bar = if colours(Stream::Errors) { "{wide_bar:.cyan/dim}" } else { "{wide_bar}" };
    // The spinner shows that something goes on where no step ends for long.
    let template = match width(Stream::Errors) {
        // A line that is folded cannot be drawn again.
        Some(columns) if columns < SMALL => "{prefix} {pos}/{len}".to_owned(),
        _ => format!("{{spinner}} {{prefix:<13}} {bar} {{pos}}/{{len}}  {{msg}}"),
    };
    let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = bars::add(ProgressBar::new(total_steps).with_style(style.progress_chars("━━╌")))?;
    bar.set_prefix("starting");
    bar.enable_steady_tick(Duration::from_millis(500));
    Some(bar)
}

/// Shows the news of one run.
#[derive(Debug)]
pub struct View {
    bar: Option<ProgressBar>,
    quiet: bool,
    total_steps: u64,
}

impl View {
    /// The view of a run of this many steps.
    pub fn new(verbosity: Verbosity, total_steps: u64) -> Self {
        let bar = if verbosity == Verbosity::Automatic { bar(total_steps) } else { None };
        Self { bar, quiet: verbosity == Verbosity::Quiet, total_steps }
    }

    /// Something worth a line.
    pub fn say(&self, text: &str) {
        if !self.quiet {
            errln!("{text}");
        }
    }

    /// A step is done.
    pub fn step(&self, step: &Step) {
        match &self.bar {
            Some(bar) => bar.set_position(step.step),
            None => self.say(&step_line(step, self.total_steps)),
        }
    }

    /// An evaluation is done.
    pub fn evaluation(&self, evaluation: &Evaluation) {
        self.say(&evaluation_line(evaluation));
    }

    /// The trainer warns of something: said to who wants no news too.
    pub fn warning(&self, warning: &Warning) {
        errln!("{}", warning_line(warning));
    }

    /// What the trainer is doing now.
    pub fn live(&self, progress: &Progress) {
        if let Some(bar) = &self.bar {
            bar.set_position(progress.step);
            bar.set_prefix(progress.phase.name());
            let fixed = 2 + 13 + 1 + SHORTEST_BAR + 1 + 2 * self.total_steps.to_string().len() + 1 + 2;
            let room = width(Stream::Errors).unwrap_or(usize::MAX).saturating_sub(fixed + 1);
            bar.set_message(message(progress, room));
        }
    }

    /// Whether anybody looks at what [`View::live`] shows.
    pub fn is_live(&self) -> bool {
        self.bar.is_some()
    }
}

impl Drop for View {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
