use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use prost::Message as _;
use serde_json::Value;
use tokio::net::TcpListener;
use tracing::{Span, info, info_span, warn};

use super::*;

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Captured {
    fn writer(&self) -> impl Fn() -> Self + Send + Sync + use<> {
        let captured = self.clone();
        move || captured.clone()
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    fn lines(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Logs of `work` under `options`.
fn logs(options: &Options, work: impl FnOnce()) -> Captured {
    let captured = Captured::default();
    let (subscriber, telemetry) = build(options, captured.writer()).unwrap();
    tracing::subscriber::with_default(subscriber, work);
    telemetry.shutdown();
    captured
}

#[test]
fn lines_within_a_span_carry_its_trace_and_its_fields() {
    let lines = logs(&Options::default(), || {
        info!("outside");
        let outer = info_span!("reconcile", job = "ml/run", attempt = tracing::field::Empty);
        outer.in_scope(|| {
            info!(step = 3, "outer");
            Span::current().record("attempt", 2);
            info_span!("patch", kind = "jobs").in_scope(|| warn!(error = %"refused", "inner"));
        });
        info_span!("reconcile", job = "ml/other").in_scope(|| info!("another"));
    })
    .lines();
    let [outside, outer, inner, another] = &lines[..] else { panic!("{lines:?}") };

    assert_eq!(outside["trace_id"], Value::Null);
    assert_eq!((&outside["message"], &outside["level"]), (&"outside".into(), &"INFO".into()));
    assert!(outside["timestamp"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
    assert!(outside["target"].as_str().unwrap().starts_with("real_operator::telemetry"));

    assert_eq!(outer["trace_id"].as_str().unwrap().len(), 32);
    assert_eq!(outer["span_id"].as_str().unwrap().len(), 16);
    assert_eq!((&outer["job"], &outer["step"], &outer["span"]), (&"ml/run".into(), &3.into(), &"reconcile".into()));

    assert_eq!(inner["trace_id"], outer["trace_id"], "one trace");
    assert_ne!(inner["span_id"], outer["span_id"]);
    assert_eq!((&inner["job"], &inner["attempt"], &inner["kind"]), (&"ml/run".into(), &2.into(), &"jobs".into()));
    assert_eq!(inner["error"], "refused");

    assert_ne!(another["trace_id"], outer["trace_id"], "another trace");
}

#[test]
fn a_filter_of_lines_does_not_take_their_trace() {
    let options = Options { filter: "warn".to_owned(), ..Options::default() };
    let lines = logs(&options, || {
        info_span!("reconcile", job = "ml/run").in_scope(|| {
            info!("not wanted");
            warn!("wanted");
        });
    })
    .lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!((&lines[0]["message"], &lines[0]["job"]), (&"wanted".into(), &"ml/run".into()));
    assert_eq!(lines[0]["trace_id"].as_str().unwrap().len(), 32);
}

#[test]
fn a_field_does_not_pass_for_a_part_of_the_line() {
    let lines = logs(&Options::default(), || {
        info_span!("reconcile", trace_id = "forged").in_scope(|| info!(level = "none", "line\nbreak"));
    })
    .lines();
    assert_eq!(lines.len(), 1);
    assert_ne!(lines[0]["trace_id"], "forged");
    assert_eq!((&lines[0]["field_trace_id"], &lines[0]["field_level"]), (&"forged".into(), &"none".into()));
    assert_eq!((&lines[0]["level"], &lines[0]["message"]), (&"INFO".into(), &"line\nbreak".into()));
}

#[test]
fn text_is_for_people() {
    let options = Options { format: Format::Text, ..Options::default() };
    let text = logs(&options, || info_span!("reconcile", job = "ml/run").in_scope(|| info!("hello"))).text();
    assert!(text.contains("INFO reconcile{job=\"ml/run\"}") && text.contains("hello"), "{text}");
}

#[test]
fn a_filter_that_cannot_be_read_is_refused() {
    let options = Options { filter: "kube=loud".to_owned(), ..Options::default() };
    let Err(error) = build(&options, std::io::sink) else { panic!("accepted") };
    assert!(error.to_string().starts_with("log filter \"kube=loud\" cannot be read"), "{error}");
}

#[test]
fn a_collector_that_is_no_address_is_refused() {
    let options = Options { traces: Some("no address".to_owned()), ..Options::default() };
    let Err(error) = build(&options, std::io::sink) else { panic!("accepted") };
    assert!(error.to_string().starts_with("traces cannot be sent to \"no address\""), "{error}");
}

type Received = Arc<Mutex<Vec<ExportTraceServiceRequest>>>;

/// An OTLP/HTTP collector on loopback.
async fn collector() -> (SocketAddr, Received) {
    async fn receive(State(received): State<Received>, body: Bytes) -> Vec<u8> {
        received.lock().unwrap().push(ExportTraceServiceRequest::decode(body).unwrap());
        ExportTraceServiceResponse::default().encode_to_vec()
    }
    let received = Received::default();
    let router = Router::new().route("/v1/traces", post(receive)).with_state(received.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async { axum::serve(listener, router).await });
    (address, received)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spans_arrive_at_a_collector_with_the_ids_of_the_log_lines() {
    let (address, received) = collector().await;
    let options = Options { traces: Some(below(&format!("http://{address}/"))), ..Options::default() };
    let lines = tokio::task::spawn_blocking(move || {
        logs(&options, || {
            info_span!("reconcile", job = "ml/run").in_scope(|| {
                info!("outer");
                info_span!("patch").in_scope(|| info!("inner"));
            });
        })
        .lines()
    })
    .await
    .unwrap();

    let received = received.lock().unwrap();
    let resources: Vec<_> = received.iter().flat_map(|request| &request.resource_spans).collect();
    let attributes = &resources[0].resource.as_ref().unwrap().attributes;
    assert!(attributes.iter().any(|attribute| attribute.key == "service.name"), "{attributes:?}");
    let spans: Vec<_> =
        resources.iter().flat_map(|resource| &resource.scope_spans).flat_map(|scope| &scope.spans).collect();
    let span = |name: &str| *spans.iter().find(|span| span.name == name).unwrap();
    let (outer, inner) = (span("reconcile"), span("patch"));
    assert_eq!(spans.len(), 2, "the exporter does not trace itself");
    assert_eq!(inner.parent_span_id, outer.span_id);
    for (line, span) in lines.iter().zip([outer, inner]) {
        assert_eq!(line["trace_id"], hexadecimal(&span.trace_id));
        assert_eq!(line["span_id"], hexadecimal(&span.span_id));
    }
    assert!(outer.attributes.iter().any(|attribute| attribute.key == "job"));
}

fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
