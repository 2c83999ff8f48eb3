//! Buckets of a real server that speaks S3's protocol (moto, `scripts/setup-s3`), through a proxy that does wrong what stores and
//! networks do wrong. Skipped where the server is not there.

#![allow(clippy::print_stderr, reason = "a test says why it is skipped")]

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use real_sources::{BucketKeys, Buckets, Fetcher, Patience, Place, Settings, SourceError};
use tempfile::TempDir;

/// What becomes of one request.
#[derive(Clone, Debug)]
enum Fault {
    /// This answer instead.
    Answer(u16, &'static str),
    /// So many bytes of the answer, and then the connection is cut.
    Cut(usize),
    /// So many bytes, and then silence.
    Silent(usize),
    /// A byte of the answer is another one.
    Corrupt,
}

#[derive(Default)]
struct Seen {
    /// For requests of objects that are longer than a byte, the next one last.
    faults: Vec<Fault>,
    /// First bytes that were asked for, of those requests.
    objects: Vec<u64>,
    others: usize,
    unsigned: usize,
}

struct Store {
    server: Child,
    real: String,
    proxy: String,
    seen: Arc<Mutex<Seen>>,
    cache: TempDir,
}

impl Drop for Store {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn program() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let printed = Command::new(root.join("scripts/cache-dir")).output().ok()?.stdout;
    let path = PathBuf::from(String::from_utf8(printed).ok()?.trim()).join("s3/bin/moto_server");
    if !path.is_file() {
        eprintln!("skipped: there is no S3 server; scripts/setup-s3 gets it");
        return None;
    }
    Some(path)
}

impl Store {
    async fn start() -> Option<Self> {
        let mut server = Command::new(program()?)
            .args(["-H", "127.0.0.1", "-p", "0"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut lines = BufReader::new(server.stderr.take().expect("it is piped")).lines();
        let real = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| Some(line.split_once("Running on ")?.1.trim().to_owned()));
        // It logs each request; a full pipe would stop it.
        std::thread::spawn(move || lines.for_each(drop));
        let real = real.expect("it says its address");
        let seen = Arc::new(Mutex::new(Seen::default()));
        let router = Router::new().fallback(pass).with_state((real.clone(), Arc::clone(&seen)));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let store = Self { server, real, proxy, seen, cache: tempfile::tempdir().unwrap() };
        store.put("", b"").await;
        Some(store)
    }

    /// Puts an object into the bucket, past the proxy; makes the bucket where the key is empty.
    async fn put(&self, key: &str, content: &[u8]) {
        // The server takes any signature, and wants one for what is there already.
        let signature = if key.is_empty() { "" } else { "?X-Amz-Signature=any" };
        let url = format!("{}/data/{key}", self.real);
        let url = format!("{}{signature}", url.trim_end_matches('/'));
        let answer = reqwest::Client::new().put(url).body(content.to_vec()).send().await.unwrap();
        assert!(answer.status().is_success(), "{answer:?}");
    }

    fn fetcher(&self, offline: bool) -> Fetcher {
        let patience = Patience {
            silence: Duration::from_millis(500),
            fruitless: 3,
            tries: 20,
            first_wait: Duration::from_millis(1),
        };
        let keys = BucketKeys { id: "id".into(), secret: "hush".into(), token: Some("session".into()) };
        let buckets = Buckets { endpoint: Some(self.proxy.clone()), keys: Some(keys), ..Buckets::default() };
        let hub = "http://127.0.0.1:9".to_owned();
        let cache = self.cache.path().to_owned();
        Fetcher::new(Settings { cache, hub, token: None, buckets, offline, patience }).unwrap()
    }

    async fn file(&self, key: &str) -> Result<Vec<u8>, SourceError> {
        let path = self.fetcher(false).file(&Place::parse(&format!("s3://data/{key}")).unwrap()).await?;
        Ok(std::fs::read(path).unwrap())
    }

    fn faults(&self, faults: &[Fault]) {
        let mut seen = self.seen.lock().unwrap();
        seen.faults = faults.iter().rev().cloned().collect();
        seen.objects.clear();
    }

    fn objects(&self) -> Vec<u64> {
        self.seen.lock().unwrap().objects.clone()
    }
}

async fn pass(State((real, seen)): State<(String, Arc<Mutex<Seen>>)>, uri: Uri, headers: HeaderMap) -> Response {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (range, condition, uri) = (text("range"), text("if-range"), uri.to_string());
    let fault = {
        let mut seen = seen.lock().unwrap();
        seen.unsigned +=
            usize::from(!(uri.contains("X-Amz-Signature=") && uri.contains("X-Amz-Security-Token=session")));
        if uri.contains("list-type") || range.as_deref() == Some("bytes=0-0") {
            seen.others += 1;
            None
        } else {
            let from = range.as_deref().and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
            seen.objects.push(from.unwrap_or(0));
            seen.faults.pop()
        }
    };
    if let Some(Fault::Answer(status, body)) = fault {
        return (StatusCode::from_u16(status).unwrap(), [("retry-after", "0")], body).into_response();
    }
    let mut asked = reqwest::Client::new().get(format!("{real}{uri}"));
    for (name, value) in [("range", range), ("if-range", condition)] {
        if let Some(value) = value {
            asked = asked.header(name, value);
        }
    }
    let answer = asked.send().await.unwrap();
    let (status, headers) = (answer.status(), answer.headers().clone());
    let mut content = answer.bytes().await.unwrap();
    let length = content.len();
    let body = match fault {
        Some(Fault::Corrupt) => {
            let mut bytes = content.to_vec();
            bytes[0] ^= 1;
            Body::from(bytes)
        }
        Some(Fault::Cut(bytes)) => {
            let cut = futures::stream::iter([Ok(content.split_to(bytes)), Err(std::io::Error::other("cut"))]);
            Body::from_stream(futures::StreamExt::then(cut, |part| async {
                tokio::time::sleep(Duration::from_millis(20)).await;
                part
            }))
        }
        Some(Fault::Silent(bytes)) => {
            let part = futures::stream::iter([Ok::<Bytes, std::io::Error>(content.split_to(bytes))]);
            Body::from_stream(futures::StreamExt::chain(part, futures::stream::pending()))
        }
        _ => Body::from(content),
    };
    let mut passed = (status, body).into_response();
    for name in ["etag", "content-range", "content-type", "last-modified"] {
        if let Some(value) = headers.get(name) {
            passed.headers_mut().insert(name, value.clone());
        }
    }
    passed.headers_mut().insert("content-length", length.into());
    passed
}

fn weights() -> Vec<u8> {
    (0..200_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

#[tokio::test]
async fn what_lies_in_a_bucket_is_fetched_once_and_anew_when_it_changed() {
    let Some(store) = Store::start().await else { return };
    let weights = weights();
    for (key, content) in [
        ("models/a b/config.json", &b"{}"[..]),
        ("models/a b/model.safetensors", &weights),
        ("models/a b/README.md", b"no part of a model"),
        ("models/a b/optimizer/state.safetensors", b"neither"),
        ("models/a bc/config.json", b"another model"),
        ("empty.jsonl", b""),
    ] {
        store.put(&key.replace(' ', "%20"), content).await;
    }
    let place = Place::parse("s3://data/models/a b/").unwrap();
    let folder = store.fetcher(false).folder(&place).await.unwrap();
    assert_eq!(std::fs::read(folder.join("model.safetensors")).unwrap(), weights);
    let mut names: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| !name.contains(".lock"));
    names.sort();
    assert_eq!(names, ["config.json", "model.safetensors"]);
    let asked = store.objects().len();
    assert_eq!(store.fetcher(false).folder(&place).await.unwrap(), folder);
    assert_eq!(store.objects().len(), asked, "what is there is not asked for");
    // The store says by its tag that an object is another one.
    store.put("models/a%20b/config.json", b"{\"a\": 1}").await;
    let newer = store.fetcher(false).folder(&place).await.unwrap();
    assert_eq!(std::fs::read(newer.join("config.json")).unwrap(), b"{\"a\": 1}");
    let others = store.seen.lock().unwrap().others;
    assert_eq!(store.fetcher(true).folder(&place).await.unwrap(), newer, "offline it is as it was last");
    assert_eq!(store.seen.lock().unwrap().others, others);
    let unknown = store.fetcher(true).file(&Place::parse("s3://data/x.jsonl").unwrap()).await.unwrap_err().to_string();
    assert!(unknown.contains("s3://data/x.jsonl") && unknown.contains("REAL_OFFLINE"), "{unknown}");
    assert_eq!(store.file("empty.jsonl").await.unwrap(), b"");
    for (uri, expected) in
        [("s3://data/absent.jsonl", "there is no such object"), ("s3://other/x.jsonl", "there is no such bucket")]
    {
        let said = store.fetcher(false).file(&Place::parse(uri).unwrap()).await.unwrap_err().to_string();
        assert!(said.contains("HTTP 404") && said.contains(expected) && !said.contains("Signature"), "{said}");
    }
    let nothing = store.fetcher(false).folder(&Place::parse("s3://data/models/none").unwrap()).await.unwrap_err();
    assert!(nothing.to_string().contains("holds no model: 0 objects"), "{nothing}");
    assert_eq!(store.seen.lock().unwrap().unsigned, 0, "every request is signed");
}

#[tokio::test]
async fn whatever_a_store_does_wrong_is_survived_or_told() {
    let Some(store) = Store::start().await else { return };
    let weights = weights();
    let slow = Fault::Answer(503, "<Error><Code>SlowDown</Code></Error>");
    let mut number = 0;
    // Each on an object of its own, since what is fetched stays.
    for (faults, begun) in [
        (vec![slow.clone(), Fault::Answer(429, ""), Fault::Answer(500, "")], vec![0, 0, 0]),
        (vec![Fault::Cut(50_000), slow, Fault::Cut(70_000)], vec![0, 50_000, 50_000, 120_000]),
        (vec![Fault::Silent(30_000)], vec![0, 30_000]),
        (vec![Fault::Corrupt], vec![0, 0]),
    ] {
        number += 1;
        let key = format!("{number}.bin");
        store.put(&key, &weights).await;
        // Of three in a row that bring nothing the last is given up.
        let given_up = begun == [0, 0, 0];
        store.faults(&faults);
        let fetched = store.file(&key).await;
        if given_up {
            let error = fetched.unwrap_err();
            assert!(error.is_passing() && error.to_string().contains("gave up after 3 tries"), "{error}");
        } else {
            assert_eq!(fetched.unwrap(), weights, "{faults:?}");
        }
        assert_eq!(store.objects(), begun, "{faults:?}");
    }
    for (faults, expected) in [
        (vec![Fault::Corrupt, Fault::Corrupt], "its MD5 is"),
        (
            vec![Fault::Answer(
                400,
                "<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>",
            )],
            "(ExpiredToken): the session token has expired",
        ),
        (vec![Fault::Answer(403, "<Error><Code>SignatureDoesNotMatch</Code></Error>")], "the keys are not accepted"),
        (vec![Fault::Answer(403, "<Error><Code>AccessDenied</Code></Error>")], "these keys may not read it"),
    ] {
        number += 1;
        let key = format!("{number}.bin");
        store.put(&key, &weights).await;
        store.faults(&faults);
        let said = store.file(&key).await.unwrap_err().to_string();
        assert!(said.contains(expected) && said.contains(&key), "{said}");
        assert!(!said.contains("hush") && !said.contains("session&") && !said.contains("Signature="), "{said}");
    }
    store.put("pinned.bin", &weights).await;
    store.faults(&[]);
    let said = store.file(&format!("pinned.bin#sha256={}", "0".repeat(64))).await.unwrap_err().to_string();
    assert!(said.contains("its SHA-256 is") && said.contains("nothing of it was kept"), "{said}");
}
