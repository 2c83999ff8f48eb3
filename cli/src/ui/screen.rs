//! Where a run's news go: a progress bar on a terminal, a line for each piece of news elsewhere, or nowhere.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use real_crds::progress::{Evaluation, Progress, Warning};
use tracing_subscriber::fmt::MakeWriter;

use super::news::{evaluation_line, message, step_line, warning_line};
use crate::record::Step;

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

/// Standard error, shared by the progress bar and everything that writes lines.
#[derive(Clone, Debug)]
pub struct Screen {
    bars: MultiProgress,
}

impl Default for Screen {
    fn default() -> Self {
        Self { bars: MultiProgress::with_draw_target(ProgressDrawTarget::stderr()) }
    }
}

impl Screen {
    /// Prints a line above the bar, if there is one.
    pub fn line(&self, text: &str) {
        self.bars.suspend(|| eprintln!("{text}"));
    }

    /// The view of one run.
    pub fn view(&self, verbosity: Verbosity, total_steps: u64) -> View {
        let bar = (verbosity == Verbosity::Automatic && io::stderr().is_terminal()).then(|| {
            let template = "{prefix:<13} {wide_bar:.cyan/dim} {pos}/{len} steps  {msg}";
            let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = self.bars.add(ProgressBar::new(total_steps).with_style(style.progress_chars("━━╌")));
            bar.set_prefix("starting");
            bar.enable_steady_tick(Duration::from_millis(500));
            bar
        });
        View { screen: self.clone(), bar, quiet: verbosity == Verbosity::Quiet, total_steps }
    }
}

/// Shows the news of one run.
#[derive(Debug)]
pub struct View {
    screen: Screen,
    bar: Option<ProgressBar>,
    quiet: bool,
    total_steps: u64,
}

impl View {
    /// Something worth a line.
    pub fn say(&self, text: &str) {
        if !self.quiet {
            self.screen.line(text);
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

    /// The trainer warns of something.
    pub fn warning(&self, warning: &Warning) {
        self.say(&warning_line(warning));
    }

    /// What the trainer is doing now.
    pub fn live(&self, progress: &Progress) {
        if let Some(bar) = &self.bar {
            bar.set_position(progress.step);
            bar.set_prefix(progress.phase.name());
            bar.set_message(message(progress));
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

/// Writes log lines above the bar.
#[derive(Debug)]
pub struct LineWriter {
    screen: Screen,
    buffer: Vec<u8>,
}

impl Write for LineWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let text = std::mem::take(&mut self.buffer);
        if text.is_empty() { Ok(()) } else { self.screen.bars.suspend(|| io::stderr().write_all(&text)) }
    }
}

impl Drop for LineWriter {
    fn drop(&mut self) {
        // Standard error is gone: there is nobody left to tell.
        let _ = self.flush();
    }
}

impl<'a> MakeWriter<'a> for Screen {
    type Writer = LineWriter;

    fn make_writer(&'a self) -> LineWriter {
        LineWriter { screen: self.clone(), buffer: Vec::new() }
    }
}
