//! What of the clouds stands in tests: a server of Azure's blobs (Azurite, `scripts/setup-azurite`), and the place where a machine of
//! Google's is told who it is.

#![allow(clippy::print_stderr, reason = "a test says why it is skipped")]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::http::HeaderMap;
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha2::Sha256;

use crate::store::Store;

/// The account and key that the server has, which its makers publish.
pub(crate) const ACCOUNT: &str = "devstoreaccount1";
pub(crate) const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// A signature for everything in the account, made apart from the one under test.
pub(crate) fn account_signature(until: &str) -> String {
    let version = "2020-12-06";
    let fields = [ACCOUNT, "rwdlac", "b", "sco", "", until, "", "", version, "", ""];
    let mut mac = Hmac::<Sha256>::new_from_slice(&STANDARD.decode(KEY).unwrap()).unwrap();
    mac.update(fields.join("\n").as_bytes());
    let signature = STANDARD.encode(mac.finalize().into_bytes()).replace('+', "%2B").replace('/', "%2F");
    let until = until.replace(':', "%3A");
    format!("?sv={version}&ss=b&srt=sco&sp=rwdlac&se={until}&sig={}", signature.replace('=', "%3D"))
}

/// Azurite with a proxy before it, in a folder of its own.
pub(crate) async fn azurite(folder: &Path) -> Option<Store> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let cache = Command::new(root.join("scripts/cache-dir")).output().ok()?.stdout;
    let program = Path::new(String::from_utf8(cache).ok()?.trim()).join("azurite/node_modules/.bin/azurite-blob");
    if !program.is_file() {
        eprintln!("skipped: there is no server of Azure's blobs; scripts/setup-azurite gets it");
        return None;
    }
    let mut server = Command::new(program)
        .args(["--blobHost", "127.0.0.1", "--blobPort", "0", "--silent", "--disableTelemetry", "--location"])
        .arg(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let found = lines.by_ref().map_while(Result::ok).find_map(|line| Some(line.split_once("http://")?.1.to_owned()));
    std::thread::spawn(move || lines.for_each(drop));
    let real = format!("http://{}", found.expect("it says its address").trim());
    let signature = account_signature("2099-01-01T00:00:00Z");
    Some(Store::before(server, real, &format!("/{ACCOUNT}/data"), signature.trim_start_matches('?')).await)
}

/// The place where a machine of Google's cloud is told who it is; it gives the tokens one after another.
pub(crate) async fn metadata(tokens: &'static [&'static str]) -> (String, Arc<AtomicUsize>) {
    let given = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&given);
    let token = move |headers: HeaderMap| async move {
        assert_eq!(headers.get("metadata-flavor").and_then(|flavor| flavor.to_str().ok()), Some("Google"));
        let number = count.fetch_add(1, Ordering::SeqCst);
        Json(json!({"access_token": tokens[number.min(tokens.len() - 1)], "expires_in": 3599, "token_type": "Bearer"}))
    };
    let path = "/computeMetadata/v1/instance/service-accounts/default/token";
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, Router::new().route(path, get(token))).await.unwrap() });
    (address, given)
}
