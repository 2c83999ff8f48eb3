//! Logs: tracing's events on standard error.

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

use crate::errln;
use crate::errors::Errors;
use crate::screen::{Stream, colours};

/// What a program's logs look like.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct LogArgs {
    /// How log lines look
    #[arg(long, global = true, value_enum, env = "REAL_LOG_FORMAT", default_value_t = LogFormat::Text, value_name = "FORMAT")]
    pub log_format: LogFormat,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    Text,
    /// An object a line
    Json,
}

impl LogArgs {
    /// Sends the program's logs to standard error from here on; `RUST_LOG` says what is logged.
    ///
    /// # Panics
    /// Where it was called before.
    pub fn init(self) {
        let logs = tracing_subscriber::fmt().with_env_filter(filter()).with_writer(Errors::default);
        match self.log_format {
            LogFormat::Text => logs.with_ansi(colours(Stream::Errors)).with_target(false).init(),
            LogFormat::Json => logs.json().flatten_event(true).init(),
        }
    }
}

fn filter() -> EnvFilter {
    let usual = || EnvFilter::new("info");
    match std::env::var("RUST_LOG") {
        Ok(wish) if !wish.is_empty() => EnvFilter::try_new(&wish).unwrap_or_else(|error| {
            errln!("warning: RUST_LOG is {wish:?}, which says no level: {error}; logging as with `info`");
            usual()
        }),
        _ => usual(),
    }
}
