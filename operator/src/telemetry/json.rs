//! Log lines as JSON, with the ids of the trace and span that they are in.

use std::fmt;
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use opentelemetry::trace::TraceContextExt as _;
use serde_json::{Map, Value};
use tracing::dispatcher::WeakDispatch;
use tracing::field::{Field, Visit};
use tracing::span::Record;
use tracing::{Dispatch, Event, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::layer::Layer;
use tracing_subscriber::registry::LookupSpan;

/// Remembers the subscriber that a layer became part of: the ids of a span are kept by another layer and can be asked only
/// through it.
#[derive(Clone, Default)]
pub(super) struct Dispatcher(Arc<OnceLock<WeakDispatch>>);

impl<S: Subscriber> Layer<S> for Dispatcher {
    fn on_register_dispatch(&self, subscriber: &Dispatch) {
        let _ = self.0.set(subscriber.downgrade());
    }
}

/// A line of JSON for each event: time, level, target, message, its fields, its spans' fields, trace and span id.
pub(super) struct JsonFormat(Dispatcher);

impl JsonFormat {
    pub(super) fn new(dispatcher: Dispatcher) -> Self {
        Self(dispatcher)
    }

    fn ids(&self, span: &tracing::span::Id) -> Option<(String, String)> {
        let dispatch = self.0.0.get()?.upgrade()?;
        let context = tracing_opentelemetry::get_otel_context(span, &dispatch)?;
        let span = context.span();
        let context = span.span_context();
        context.is_valid().then(|| (context.trace_id().to_string(), context.span_id().to_string()))
    }
}

impl<S> FormatEvent<S, Fields> for JsonFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, Fields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        let mut line = Map::new();
        line.insert("timestamp".into(), format!("{:.6}", Timestamp::now()).into());
        line.insert("level".into(), metadata.level().as_str().into());
        line.insert("target".into(), metadata.target().into());
        let mut fields = JsonVisitor::default();
        event.record(&mut fields);
        if let Some(message) = fields.0.remove("message") {
            line.insert("message".into(), message);
        }
        if let Some(span) = context.event_scope().and_then(|mut scope| scope.next()) {
            line.insert("span".into(), span.name().into());
            if let Some((trace, span)) = self.ids(&span.id()) {
                line.insert("trace_id".into(), trace.into());
                line.insert("span_id".into(), span.into());
            }
        }
        for span in context.event_scope().into_iter().flat_map(tracing_subscriber::registry::Scope::from_root) {
            let extensions = span.extensions();
            let Some(recorded) = extensions.get::<FormattedFields<Fields>>() else { continue };
            for (name, value) in read(&recorded.fields) {
                insert(&mut line, name, value);
            }
        }
        for (name, value) in fields.0 {
            insert(&mut line, name, value);
        }
        writeln!(writer, "{}", Value::Object(line))
    }
}

/// What the line has of its own is not overwritten by a field of the same name.
fn insert(line: &mut Map<String, Value>, name: String, value: Value) {
    const OWN: [&str; 7] = ["timestamp", "level", "target", "message", "span", "trace_id", "span_id"];
    let name = if OWN.contains(&name.as_str()) { format!("field_{name}") } else { name };
    line.insert(name, value);
}

/// Keeps the fields of a span as JSON.
pub(super) struct Fields;

impl<'w> FormatFields<'w> for Fields {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut visitor = JsonVisitor::default();
        fields.record(&mut visitor);
        write!(writer, "{}", Value::Object(visitor.0))
    }

    fn add_fields(&self, current: &'w mut FormattedFields<Self>, fields: &Record<'_>) -> fmt::Result {
        let mut visitor = JsonVisitor(read(&current.fields));
        fields.record(&mut visitor);
        current.fields = Value::Object(visitor.0).to_string();
        Ok(())
    }
}

fn read(fields: &str) -> Map<String, Value> {
    serde_json::from_str(fields).unwrap_or_default()
}

#[derive(Default)]
struct JsonVisitor(Map<String, Value>);

impl JsonVisitor {
    fn set(&mut self, field: &Field, value: impl Into<Value>) {
        // Fields such as `r#type` are written without their mark.
        let name = field.name();
        self.0.insert(name.strip_prefix("r#").unwrap_or(name).to_owned(), value.into());
    }
}

impl Visit for JsonVisitor {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field, format!("{value:?}"));
    }
}
