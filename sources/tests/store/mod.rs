//! A real server that speaks S3's protocol (moto, `scripts/setup-s3`), behind a proxy that does wrong what stores and networks do wrong.

#![allow(dead_code, reason = "each program of tests uses a part of it")]
#![allow(clippy::print_stderr, reason = "a test says why it is skipped")]

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Objects of a prefix.
    List,
    /// Uploads that are not finished.
    Unfinished,
    /// The first byte of an object.
    Look,
    /// An object, or a range of it.
    Get,
    /// A whole object.
    Put,
    /// A new upload in parts.
    Begin,
    /// A part of one.
    Part,
    /// The parts as one object.
    Complete,
    /// The end of an upload.
    Abort,
    /// The end of an object.
    Delete,
}

/// A request as the proxy saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) kind: Kind,
    /// Key of the object, still encoded; empty for lists.
    pub(crate) key: String,
    /// First byte that was asked for.
    pub(crate) from: u64,
    /// Length of what was sent.
    pub(crate) bytes: usize,
    /// Whether it was signed, with the session's token.
    pub(crate) signed: bool,
    /// Whether its address has a signature, of whatever kind.
    pub(crate) signs: bool,
    /// What was sent in place of a signature.
    pub(crate) token: Option<String>,
}

/// What becomes of one request.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// This answer instead.
    Answer(u16, &'static str),
    /// So many bytes of the answer, and then the connection is cut.
    Cut(usize),
    /// So many bytes, and then silence.
    Silent(usize),
    /// It is not passed on, and no answer comes.
    Never,
    /// A byte of what comes is another one: of the answer, or of what was sent.
    Corrupt,
    /// It is done, and the answer lost.
    Lost,
    /// The answer has this header besides.
    Says(&'static str, &'static str),
}

type Rule = Box<dyn FnMut(&Asked) -> Option<Fault> + Send>;

/// What happened, and what is to happen.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) log: Vec<Asked>,
    rule: Option<Rule>,
    /// Requests that the server has not answered yet.
    under_way: usize,
}

/// The server and its proxy; both end with the test.
pub(crate) struct Store {
    #[allow(dead_code, reason = "ends with this")]
    server: Server,
    pub(crate) real: String,
    pub(crate) proxy: String,
    pub(crate) seen: Arc<Mutex<Seen>>,
    /// Path of the bucket or container, and by what the server lets everything be done.
    container: String,
    signature: String,
}

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
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
    /// Starts both, with a bucket `data`; none where the server is not installed. Parts may be as small as a byte.
    pub(crate) async fn start() -> Option<Self> {
        let mut server = Command::new(program()?)
            .args(["-H", "127.0.0.1", "-p", "0"])
            .env("S3_UPLOAD_PART_MIN_SIZE", "1")
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
        Some(Self::before(server, real, "/data", "X-Amz-Signature=any").await)
    }

    /// A server with a proxy before it. In the server the bucket, or the container, is at the path `container`, and `signature` lets
    /// everything be done.
    pub(crate) async fn before(server: Child, real: String, container: &str, signature: &str) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let router = Router::new().fallback(pass).with_state((real.clone(), Arc::clone(&seen)));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let (container, signature) = (container.to_owned(), signature.to_owned());
        let store = Self { server: Server(server), real, proxy, seen, container, signature };
        store.put("", b"").await;
        store
    }

    /// Whether it is Azure's.
    pub(crate) fn is_azures(&self) -> bool {
        self.container != "/data"
    }

    /// An address past the proxy.
    fn at(&self, key: &str, query: &str) -> String {
        format!("{}{}{key}?{query}&{}", self.real, self.container, self.signature)
    }

    /// Puts an object into the bucket, past the proxy; makes the bucket where the key is empty.
    pub(crate) async fn put(&self, key: &str, content: &[u8]) {
        let url = match (key, self.is_azures()) {
            // The server takes any signature, and wants one for what is there already.
            ("", false) => format!("{}{}", self.real, self.container),
            ("", true) => self.at("", "restype=container"),
            (key, _) => self.at(&format!("/{key}"), ""),
        };
        let request = reqwest::Client::new().put(url).header("content-length", content.len());
        let answer = request.header("x-ms-blob-type", "BlockBlob").body(content.to_vec()).send().await.unwrap();
        assert!(answer.status().is_success(), "{answer:?}");
    }

    /// Removes an object, past the proxy.
    pub(crate) async fn remove(&self, key: &str) {
        let answer = reqwest::Client::new().delete(self.at(&format!("/{key}"), "")).send().await.unwrap();
        assert!(answer.status().is_success(), "{answer:?}");
    }

    /// What is in an object, past the proxy.
    pub(crate) async fn content(&self, key: &str) -> Option<Vec<u8>> {
        let answer = reqwest::get(self.at(&format!("/{key}"), "")).await.unwrap();
        if answer.status() == StatusCode::NOT_FOUND {
            return None;
        }
        Some(answer.bytes().await.unwrap().to_vec())
    }

    /// Keys of all objects below a prefix, past the proxy.
    pub(crate) async fn keys(&self, prefix: &str) -> Vec<String> {
        let (query, name) =
            if self.is_azures() { ("restype=container&comp=list", "Name") } else { ("list-type=2", "Key") };
        let text = reqwest::get(self.at("", &format!("{query}&prefix={prefix}"))).await.unwrap().text().await.unwrap();
        let (begin, end) = (format!("<{name}>"), format!("</{name}>"));
        let objects = text.split(&begin).skip(1);
        let mut keys: Vec<String> = objects.map(|rest| rest.split(&end).next().unwrap().to_owned()).collect();
        keys.sort();
        keys
    }

    /// How many uploads are begun and not finished, past the proxy.
    pub(crate) async fn unfinished(&self) -> usize {
        reqwest::get(self.at("", "uploads")).await.unwrap().text().await.unwrap().matches("<UploadId>").count()
    }

    /// What happens to requests from now on; what was seen is forgotten.
    pub(crate) fn rule(&self, rule: impl FnMut(&Asked) -> Option<Fault> + Send + 'static) {
        let mut seen = self.seen.lock().unwrap();
        seen.rule = Some(Box::new(rule));
        seen.log.clear();
    }

    /// Waits until whatever came in has arrived at the server, also where nobody waits for the answer any more.
    #[allow(dead_code, reason = "for those who kill clients")]
    pub(crate) async fn settled(&self) {
        while self.seen.lock().unwrap().under_way > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// These faults happen to the next requests of a kind, one each.
    pub(crate) fn faults(&self, kind: Kind, faults: &[Fault]) {
        let mut rest: Vec<Fault> = faults.iter().rev().cloned().collect();
        self.rule(move |asked| if asked.kind == kind { rest.pop() } else { None });
    }

    /// What was asked for since the last rule.
    pub(crate) fn log(&self) -> Vec<Asked> {
        self.seen.lock().unwrap().log.clone()
    }

    /// How often something of a kind was asked for since the last rule.
    pub(crate) fn count(&self, kind: Kind) -> usize {
        self.log().iter().filter(|asked| asked.kind == kind).count()
    }
}

fn kind_of(method: &Method, uri: &str, headers: &HeaderMap) -> Kind {
    let query = uri.split_once('?').map_or("", |(_, query)| query);
    let has = |name: &str| query.split('&').any(|part| part.split('=').next() == Some(name));
    let azures = |what: &str| query.split('&').any(|part| part.strip_prefix("comp=") == Some(what));
    match (method.as_str(), has("uploadId") || has("blockid")) {
        ("PUT", _) if azures("blocklist") => Kind::Complete,
        ("GET", _) if has("list-type") || has("comp") => Kind::List,
        ("GET", _) if has("uploads") => Kind::Unfinished,
        ("GET", _) if headers.get("range").is_some_and(|range| range == "bytes=0-0") => Kind::Look,
        ("PUT", true) => Kind::Part,
        ("PUT", false) => Kind::Put,
        ("POST", true) => Kind::Complete,
        ("POST", false) => Kind::Begin,
        ("DELETE", true) => Kind::Abort,
        ("DELETE", false) => Kind::Delete,
        _ => Kind::Get,
    }
}

async fn pass(
    State((real, seen)): State<(String, Arc<Mutex<Seen>>)>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    sent: Bytes,
) -> Response {
    let uri = uri.to_string();
    let kind = kind_of(&method, &uri, &headers);
    let range = headers.get("range").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let from = range.as_deref().and_then(|range| range.strip_prefix("bytes=")?.split('-').next()?.parse().ok());
    let path = uri.split('?').next().unwrap_or_default();
    let asked = Asked {
        kind,
        key: path.split_once("/data/").map_or("", |(_, key)| key).to_owned(),
        from: from.unwrap_or(0),
        bytes: sent.len(),
        signed: uri.contains("X-Amz-Signature=") && uri.contains("X-Amz-Security-Token=session"),
        signs: uri.contains("X-Amz-Signature=") || uri.contains("sig="),
        token: headers.get("authorization").and_then(|token| Some(token.to_str().ok()?.to_owned())),
    };
    let fault = {
        let mut seen = seen.lock().unwrap();
        seen.log.push(asked.clone());
        let fault = seen.rule.as_mut().and_then(|rule| rule(&asked));
        seen.under_way += usize::from(!matches!(fault, Some(Fault::Answer(..) | Fault::Never)));
        fault
    };
    if let Some(Fault::Answer(status, body)) = fault {
        return (StatusCode::from_u16(status).unwrap(), [("retry-after", "0")], body).into_response();
    }
    if let Some(Fault::Never) = fault {
        return std::future::pending().await;
    }
    let changed = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        if let Some(first) = bytes.first_mut() {
            *first ^= 1;
        }
        bytes
    };
    let corrupt = matches!(fault, Some(Fault::Corrupt));
    let sent = if corrupt && method == Method::PUT { changed(&sent).into() } else { sent };
    let mut request = reqwest::Client::new().request(method.clone(), format!("{real}{uri}")).body(sent);
    for name in [
        "content-length",
        "authorization",
        "range",
        "if-range",
        "content-md5",
        "content-type",
        "x-ms-version",
        "x-ms-blob-type",
    ] {
        if let Some(value) = headers.get(name) {
            request = request.header(name, value);
        }
    }
    // A task of its own: this function ends with the connection of a client that is killed.
    let passed = tokio::spawn(async move {
        let answered = async {
            let answer = request.send().await?;
            let (status, headers) = (answer.status(), answer.headers().clone());
            Ok::<_, reqwest::Error>((status, headers, answer.bytes().await?))
        };
        let answered = answered.await;
        seen.lock().unwrap().under_way -= 1;
        answered
    });
    let Ok((status, headers, mut content)) = passed.await.unwrap() else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    let length = content.len();
    let cut = || Body::from_stream(futures::stream::iter([Err::<Bytes, _>(std::io::Error::other("cut"))]));
    let said = fault.clone();
    let body = match fault {
        Some(Fault::Corrupt) if method == Method::GET => Body::from(changed(&content)),
        Some(Fault::Lost) => cut(),
        Some(Fault::Cut(bytes)) => {
            let cut = futures::stream::iter([Ok(content.split_to(bytes)), Err(std::io::Error::other("cut"))]);
            Body::from_stream(futures::StreamExt::then(cut, |part| async {
                tokio::time::sleep(Duration::from_millis(20)).await;
                part
            }))
        }
        Some(Fault::Silent(bytes)) => {
            let part = futures::stream::iter([Ok::<Bytes, std::io::Error>(content.split_to(bytes.min(length)))]);
            Body::from_stream(futures::StreamExt::chain(part, futures::stream::pending()))
        }
        _ => Body::from(content),
    };
    let mut passed = (status, body).into_response();
    let passed_on = ["accept-ranges", "etag", "content-range", "content-type", "last-modified"];
    for name in passed_on.into_iter().chain(["content-md5", "x-ms-blob-content-md5", "x-ms-error-code"]) {
        if let Some(value) = headers.get(name) {
            passed.headers_mut().insert(name, value.clone());
        }
    }
    if let Some(Fault::Says(name, value)) = said {
        passed.headers_mut().insert(name, value.parse().unwrap());
    }
    passed.headers_mut().insert("content-length", length.into());
    passed
}
