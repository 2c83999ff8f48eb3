//! Logs to standard error, and traces to a collector.
//!
//! Every span has a trace id, with or without a collector, and every JSON log line within a span carries it: the lines of one
//! reconcile belong together.

mod json;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::{Level, Subscriber};
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, LevelFilter, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::registry::Registry;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

use json::{Dispatcher, JsonFormat};

/// Name under which traces arrive unless `OTEL_SERVICE_NAME` says otherwise.
const SERVICE: &str = "real-operator";

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// An object a line.
    #[default]
    Json,
    /// For people.
    Text,
}

/// What to log and where to send traces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// How log lines look.
    pub format: Format,
    /// Directives such as `info,kube=warn`; `info` where empty.
    pub filter: String,
    /// Where traces are posted as OTLP/HTTP, such as `http://collector:4318/v1/traces`; none are sent where absent.
    pub traces: Option<String>,
}

impl Options {
    /// Where traces go by the environment: `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` as it is, or below the base URL
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`. The exporter reads headers, timeouts and the like from their own variables.
    pub fn traces_from_env() -> Option<String> {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
            .or_else(|| variable("OTEL_EXPORTER_OTLP_ENDPOINT").map(|base| below(&base)))
    }
}

fn below(base: &str) -> String {
    format!("{}/v1/traces", base.trim_end_matches('/'))
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter cannot be read.
    #[error("log filter {filter:?} cannot be read ({source}): write directives such as info,kube=warn")]
    Filter {
        /// The filter.
        filter: String,
        /// Why.
        source: tracing_subscriber::filter::ParseError,
    },
    /// A word that is no level would silence everything but a target of that name.
    #[error(
        "log filter {filter:?} cannot be read: {word:?} is no level (off, error, warn, info, debug, trace); for a target write \
             {word}=debug"
    )]
    Level {
        /// The filter.
        filter: String,
        /// The word.
        word: String,
    },
    /// The exporter cannot be built.
    #[error("traces cannot be sent to {url:?} ({source}): give the collector's URL, such as http://collector:4318")]
    Collector {
        /// The collector.
        url: String,
        /// Why.
        source: opentelemetry_otlp::ExporterBuildError,
    },
    /// Logging was set up before.
    #[error("logging is set up already: do it once, at the start")]
    Twice(#[from] TryInitError),
}

/// Sends what is left when it is shut down.
#[derive(Debug)]
#[must_use = "spans that are not sent yet are lost unless it is shut down"]
pub struct Telemetry(SdkTracerProvider);

impl Telemetry {
    /// Sends what is left, five seconds at most. Blocks: call it at the very end, or from a thread that may.
    pub fn shutdown(self) {
        if let Err(error) = self.0.shutdown() {
            tracing::warn!(%error, "the last traces could not be sent");
        }
    }
}

/// Sets up logging and tracing for the whole process.
pub fn init(options: &Options) -> Result<Telemetry, TelemetryError> {
    let (subscriber, telemetry) = build(options, real_terminal::Errors::default)?;
    subscriber.try_init()?;
    Ok(telemetry)
}

/// The subscriber that [`init()`] installs, with logs going to `writer`.
pub fn build<W>(
    options: &Options,
    writer: W,
) -> Result<(impl Subscriber + Send + Sync + use<W>, Telemetry), TelemetryError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = if options.filter.is_empty() { "info" } else { &options.filter };
    let is_level = |part: &str| part.contains(['=', '[']) || part.parse::<LevelFilter>().is_ok();
    if let Some(word) = filter.split(',').map(str::trim).find(|part| !part.is_empty() && !is_level(part)) {
        return Err(TelemetryError::Level { filter: filter.to_owned(), word: word.to_owned() });
    }
    let filter = EnvFilter::try_new(filter)
        .map_err(|source| TelemetryError::Filter { filter: options.filter.clone(), source })?;
    // Spans are seen whatever the filter of lines is: a warning needs the trace id of the span that it is in.
    let filter = filter_fn(|metadata| metadata.is_span() && *metadata.level() <= Level::INFO)
        .with_max_level_hint(LevelFilter::INFO)
        .or(filter);
    let dispatcher = Dispatcher::default();
    let logs = tracing_subscriber::fmt::layer().with_writer(writer);
    let logs = match options.format {
        Format::Json => {
            logs.fmt_fields(json::Fields).event_format(JsonFormat::new(dispatcher.clone())).with_filter(filter).boxed()
        }
        Format::Text => {
            logs.with_ansi(real_terminal::colours(real_terminal::Stream::Errors)).with_filter(filter).boxed()
        }
    };
    let provider = provider(options)?;
    // The exporter's own connections make spans below this level, so it does not trace itself.
    let traces = tracing_opentelemetry::layer().with_tracer(provider.tracer(SERVICE)).with_filter(LevelFilter::INFO);
    Ok((Registry::default().with(traces).with(logs).with(dispatcher), Telemetry(provider)))
}

fn provider(options: &Options) -> Result<SdkTracerProvider, TelemetryError> {
    let builder = SdkTracerProvider::builder().with_resource(resource());
    let Some(url) = &options.traces else {
        return Ok(builder.build());
    };
    let exporter = SpanExporter::builder()
        .with_http()
        .with_endpoint(url)
        .build()
        .map_err(|source| TelemetryError::Collector { url: url.clone(), source })?;
    Ok(builder.with_batch_exporter(exporter).build())
}

fn resource() -> Resource {
    let builder = Resource::builder();
    // A name given from outside was detected already.
    let builder =
        if std::env::var_os("OTEL_SERVICE_NAME").is_some() { builder } else { builder.with_service_name(SERVICE) };
    builder.with_attribute(opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION"))).build()
}

#[cfg(test)]
mod tests;
