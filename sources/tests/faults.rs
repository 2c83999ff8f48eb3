//! Downloads against a real server on this machine that speaks the hub's protocol, and does wrong what servers do wrong.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use bytes::Bytes;
use real_sources::{Azure, Buckets, Fetcher, Google, Parts, Patience, Place, Settings, SourceError};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

/// What a server does to one request.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// An HTTP status instead of an answer.
    Status(u16),
    /// So many bytes, and then the connection is cut.
    Cut(usize),
    /// So many bytes, and then silence.
    Silent(usize),
    /// A byte is another one.
    Corrupt,
}

struct Server {
    address: String,
    state: Arc<Mutex<Shared>>,
    cache: TempDir,
}

#[derive(Default)]
struct Shared {
    files: HashMap<String, Bytes>,
    /// For each request of a file, oldest last; none when used up.
    faults: Vec<Fault>,
    /// Tag of all files.
    version: u32,
    /// Token that is wanted.
    token: Option<String>,
    /// Whether files are small: the hub has them itself, and names them by git's blob.
    small: bool,
    /// First byte of each request of a file.
    asked: Vec<u64>,
    /// Whether a request to the place that files are sent on to had a token.
    leaked: bool,
    revisions: usize,
}

const WEIGHTS: &str = "model.safetensors";

impl Server {
    async fn start() -> Self {
        let weights: Vec<u8> = (0..200_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let mut shared = Shared { version: 1, ..Shared::default() };
        shared.files.insert(WEIGHTS.into(), weights.into());
        shared.files.insert("config.json".into(), Bytes::from_static(b"{}"));
        shared.files.insert("README.md".into(), Bytes::from_static(b"not part of a model"));
        let state = Arc::new(Mutex::new(shared));
        // Another host by its name: a token must not go there.
        let elsewhere =
            listen(Router::new().route("/{file}", get(content::<Shareds>)).with_state(Arc::clone(&state))).await;
        let router = Router::new()
            .route("/api/models/org/name/revision/main", get(revision))
            .route("/org/name/resolve/c0ffee/{file}", get(resolve))
            .route("/web/{file}", get(content::<(String, Shareds)>))
            .with_state((elsewhere, Arc::clone(&state)));
        let address = listen(router).await;
        Self { address, state, cache: tempfile::tempdir().unwrap() }
    }

    fn shared(&self) -> std::sync::MutexGuard<'_, Shared> {
        self.state.lock().unwrap()
    }

    fn fetcher(&self, token: Option<&str>, offline: bool) -> Fetcher {
        let patience =
            Patience { silence: Duration::from_secs(3), fruitless: 3, tries: 20, first_wait: Duration::from_millis(1) };
        let (cache, hub) = (self.cache.path().to_owned(), self.address.clone());
        Fetcher::new(Settings {
            cache,
            hub,
            token: token.map(str::to_owned),
            buckets: Buckets::default(),
            google: Google::default(),
            azure: Azure::default(),
            offline,
            patience,
            parts: Parts::default(),
        })
        .unwrap()
    }

    async fn model(&self) -> Result<std::path::PathBuf, SourceError> {
        self.fetcher(None, false).folder(&Place::parse("hf://org/name").unwrap()).await
    }

    async fn web(&self, uri: &str) -> Result<std::path::PathBuf, SourceError> {
        self.fetcher(None, false).file(&Place::parse(&format!("{}/web/{uri}", self.address)).unwrap()).await
    }

    fn weights(&self) -> Bytes {
        self.shared().files[WEIGHTS].clone()
    }
}

async fn listen(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

fn sha256(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

type Shareds = Arc<Mutex<Shared>>;

async fn revision(State((_, state)): State<(String, Shareds)>, headers: HeaderMap) -> Response {
    let mut shared = state.lock().unwrap();
    shared.revisions += 1;
    let given = headers.get("authorization").and_then(|value| value.to_str().ok());
    if shared.token.as_ref().is_some_and(|token| given != Some(&format!("Bearer {token}"))) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let siblings: Vec<_> = shared.files.keys().map(|file| serde_json::json!({"rfilename": file})).collect();
    axum::Json(serde_json::json!({"sha": "c0ffee", "siblings": siblings})).into_response()
}

/// Large files are sent on to elsewhere, with their digest and length said here, as the hub does.
async fn resolve(State((elsewhere, state)): State<(String, Shareds)>, Path(file): Path<String>) -> Response {
    let mut shared = state.lock().unwrap();
    let content = shared.files[&file].clone();
    if shared.small {
        let mut digest = <sha1::Sha1 as sha1::Digest>::new();
        sha1::Digest::update(&mut digest, [format!("blob {}\0", content.len()).as_bytes(), &content].concat());
        let blob = sha1::Digest::finalize(digest).iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
        let mut sent = content.to_vec();
        sent[0] ^= u8::from(shared.faults.pop() == Some(Fault::Corrupt));
        return ([("etag", format!("\"{blob}\""))], sent).into_response();
    }
    let content = &content;
    let digest = sha256(content);
    let headers = [
        ("location", format!("{elsewhere}/{file}")),
        ("x-linked-etag", format!("\"{digest}\"")),
        ("x-linked-size", content.len().to_string()),
    ];
    (StatusCode::FOUND, headers).into_response()
}

trait HasShared {
    fn shared(&self) -> &Shareds;
}

impl HasShared for Shareds {
    fn shared(&self) -> &Shareds {
        self
    }
}

impl HasShared for (String, Shareds) {
    fn shared(&self) -> &Shareds {
        &self.1
    }
}

async fn content<S: HasShared>(State(state): State<S>, Path(file): Path<String>, headers: HeaderMap) -> Response {
    let mut shared = state.shared().lock().unwrap();
    shared.leaked |= headers.contains_key("authorization");
    let Some(whole) = shared.files.get(&file).cloned() else { return StatusCode::NOT_FOUND.into_response() };
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let etag = format!("\"v{}\"", shared.version);
    let same = text("if-range").is_none_or(|tag| tag == etag);
    let start = text("range")
        .filter(|_| same)
        .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<u64>().ok());
    shared.asked.push(start.unwrap_or(0));
    let mut rest = whole.slice(start.unwrap_or(0) as usize..);
    let length = rest.len();
    let body = match shared.faults.pop() {
        None => Body::from(rest),
        Some(Fault::Status(status)) => {
            return (StatusCode::from_u16(status).unwrap(), [("retry-after", "0")]).into_response();
        }
        Some(Fault::Corrupt) => {
            let mut bytes = rest.to_vec();
            bytes[0] ^= 1;
            Body::from(bytes)
        }
        Some(Fault::Cut(bytes)) => {
            let part = rest.split_to(bytes);
            let cut = futures::stream::iter([Ok(part), Err(std::io::Error::other("cut"))]);
            // What was sent must reach the other side before the connection ends.
            Body::from_stream(futures::StreamExt::then(cut, |part| async {
                tokio::time::sleep(Duration::from_millis(20)).await;
                part
            }))
        }
        Some(Fault::Silent(bytes)) => {
            let part = futures::stream::iter([Ok::<_, std::io::Error>(rest.split_to(bytes))]);
            Body::from_stream(futures::StreamExt::chain(part, futures::stream::pending()))
        }
    };
    let status = if start.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let mut answer = (status, [("etag", etag), ("content-length", length.to_string())], body).into_response();
    if let Some(start) = start {
        answer
            .headers_mut()
            .insert("content-range", format!("bytes {start}-{}/{}", whole.len() - 1, whole.len()).parse().unwrap());
    }
    answer
}

#[tokio::test]
async fn a_model_is_fetched_once_and_is_there_without_the_server() {
    let server = Server::start().await;
    let folder = server.model().await.unwrap();
    assert_eq!(std::fs::read(folder.join(WEIGHTS)).unwrap(), server.weights());
    assert!(folder.join("config.json").is_file() && !folder.join("README.md").exists());
    let asked = server.shared().asked.len();
    assert_eq!(server.model().await.unwrap(), folder);
    assert_eq!(server.shared().asked.len(), asked, "what is there is not asked for");
    let place = Place::parse("hf://org/name").unwrap();
    let revisions = server.shared().revisions;
    assert_eq!(server.fetcher(None, true).folder(&place).await.unwrap(), folder);
    let other = server.fetcher(None, true).folder(&Place::parse("hf://org/other").unwrap()).await.unwrap_err();
    assert!(other.to_string().contains("hf://org/other@main") && other.to_string().contains("REAL_OFFLINE"), "{other}");
    assert_eq!(server.shared().revisions, revisions);
}

#[tokio::test]
async fn what_was_cut_goes_on_where_it_was() {
    let server = Server::start().await;
    server.shared().faults = vec![Fault::Cut(50_000), Fault::Status(503), Fault::Cut(70_000), Fault::Status(429)];
    let path = server.web(WEIGHTS).await.unwrap();
    assert_eq!(std::fs::read(path).unwrap(), server.weights());
    assert_eq!(server.shared().asked, [0, 0, 70_000, 70_000, 120_000]);
}

#[tokio::test]
async fn what_was_cut_goes_on_with_the_next_start_too_and_large_files_have_their_digest_looked_at() {
    let server = Server::start().await;
    server.shared().files.remove("config.json");
    server.shared().faults = vec![Fault::Status(500), Fault::Status(500), Fault::Status(500), Fault::Cut(120_000)];
    let error = server.model().await.unwrap_err();
    assert!(error.is_passing() && error.to_string().contains("120000 bytes here"), "{error}");
    assert!(server.shared().faults.is_empty());
    let folder = server.model().await.unwrap();
    assert_eq!(server.shared().asked.last(), Some(&120_000));
    assert_eq!(std::fs::read(folder.join(WEIGHTS)).unwrap(), server.weights());
}

#[tokio::test]
async fn a_file_that_changed_meanwhile_is_begun_again() {
    let server = Server::start().await;
    server.shared().faults = vec![Fault::Status(500), Fault::Status(500), Fault::Status(500), Fault::Cut(120_000)];
    server.web(WEIGHTS).await.unwrap_err();
    let other: Vec<u8> = server.weights().iter().rev().copied().collect();
    server.shared().files.insert(WEIGHTS.into(), other.clone().into());
    server.shared().version = 2;
    let path = server.web(WEIGHTS).await.unwrap();
    assert_eq!(std::fs::read(path).unwrap(), other);
}

#[tokio::test]
async fn a_wrong_digest_is_tried_once_more_and_then_told_and_nothing_of_it_is_used() {
    let server = Server::start().await;
    server.shared().files.remove("config.json");
    server.shared().faults = vec![Fault::Corrupt];
    server.model().await.unwrap();
    let server = Server::start().await;
    server.shared().files.remove("config.json");
    server.shared().faults = vec![Fault::Corrupt, Fault::Corrupt];
    let error = server.model().await.unwrap_err().to_string();
    assert!(error.contains("SHA-256") && error.contains("nothing of it was kept"), "{error}");
    let kept = std::process::Command::new("find")
        .arg(server.cache.path())
        .args(["-name", "model.safetensors*", "-size", "+0"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&kept.stdout), "");
    let digest = sha256(&server.weights());
    server.web(&format!("{WEIGHTS}#sha256={digest}")).await.unwrap();
    let error = server.web(&format!("{WEIGHTS}#sha256={}", "0".repeat(64))).await.unwrap_err().to_string();
    assert!(error.contains(&digest) && error.contains("000000"), "{error}");
}

#[tokio::test]
async fn a_small_file_of_the_hub_is_checked_by_the_name_that_git_gives_it() {
    let server = Server::start().await;
    server.shared().small = true;
    server.shared().faults = vec![Fault::Corrupt];
    let folder = server.model().await.unwrap();
    assert_eq!(std::fs::read(folder.join(WEIGHTS)).unwrap(), server.weights());
    let server = Server::start().await;
    server.shared().small = true;
    server.shared().files.remove("config.json");
    server.shared().faults = vec![Fault::Corrupt, Fault::Corrupt];
    let error = server.model().await.unwrap_err().to_string();
    assert!(error.contains("its SHA-1 of git's blob is"), "{error}");
}

#[tokio::test]
async fn silence_is_a_fault_and_ends() {
    let server = Server::start().await;
    server.shared().faults = vec![Fault::Silent(0), Fault::Silent(0), Fault::Silent(0), Fault::Silent(10_000)];
    let error = server.web(WEIGHTS).await.unwrap_err().to_string();
    assert!(error.contains("after 4 tries") && error.contains("10000 bytes"), "{error}");
    server.shared().faults = vec![Fault::Silent(5_000)];
    let path = server.web(WEIGHTS).await.unwrap();
    assert_eq!(std::fs::read(path).unwrap(), server.weights());
}

#[tokio::test]
async fn a_token_goes_to_the_hub_only_and_one_that_is_missing_or_expired_is_told() {
    let server = Server::start().await;
    server.shared().token = Some("good".into());
    let place = Place::parse("hf://org/name").unwrap();
    let error = server.fetcher(None, false).folder(&place).await.unwrap_err().to_string();
    assert!(error.contains("401") && error.contains("HF_TOKEN"), "{error}");
    let error = server.fetcher(Some("secret-old"), false).folder(&place).await.unwrap_err().to_string();
    assert!(error.contains("expired") && !error.contains("secret-old"), "{error}");
    server.fetcher(Some("good"), false).folder(&place).await.unwrap();
    assert!(!server.shared().leaked, "files are elsewhere");
    let error = server.web("missing.jsonl").await.unwrap_err().to_string();
    assert!(error.contains("404") && error.contains("no such file"), "{error}");
}

#[tokio::test]
async fn many_that_want_the_same_file_fetch_it_once() {
    let server = Server::start().await;
    let fetcher = server.fetcher(None, false);
    let place = Place::parse(&format!("{}/web/{WEIGHTS}", server.address)).unwrap();
    let all = futures::future::join_all((0..8).map(|_| fetcher.file(&place))).await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    assert_eq!(server.shared().asked.len(), 1);
}
