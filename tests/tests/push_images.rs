//! `scripts/push-images` against a registry that speaks the distribution protocol: tokens, uploads, mounts, digests.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;
use sha2::{Digest as _, Sha256};

/// What a registry holds, by repository and digest or tag.
#[derive(Default)]
struct Store {
    blobs: BTreeMap<(String, String), Bytes>,
    manifests: BTreeMap<(String, String), Bytes>,
    /// Blobs that were sent, mounts not counted.
    sent: Vec<String>,
    address: String,
    /// Whether it claims another digest for each manifest.
    lies: bool,
}

type Shared = Arc<Mutex<Store>>;

fn digest(bytes: &[u8]) -> String {
    let hex: Vec<String> = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{}", hex.concat())
}

async fn serve(State(store): State<Shared>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    answer(
        &mut store.lock().unwrap(),
        &parts.method,
        parts.uri.path(),
        parts.uri.query().unwrap_or_default(),
        &parts.headers,
        &body,
    )
}

fn answer(store: &mut Store, method: &Method, path: &str, query: &str, headers: &HeaderMap, body: &Bytes) -> Response {
    let said = headers.get(header::AUTHORIZATION).map(|value| value.to_str().unwrap().to_owned());
    if path == "/token" {
        // user:secret
        return match said.as_deref() {
            Some("Basic dXNlcjpzZWNyZXQ=") if query.contains("scope=repository") => {
                axum::Json(json!({"token": "t"})).into_response()
            }
            _ => (StatusCode::UNAUTHORIZED, "who are you?").into_response(),
        };
    }
    if said.as_deref() != Some("Bearer t") {
        let challenge =
            format!("Bearer realm=\"http://{}/token\",service=\"here\",scope=\"repository:x:push\"", store.address);
        return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, challenge)]).into_response();
    }
    let pairs: BTreeMap<String, String> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let path = path.strip_prefix("/v2/").unwrap();
    if let Some((repository, known)) = path.split_once("/blobs/sha256") {
        let there = store.blobs.contains_key(&(repository.to_owned(), format!("sha256{known}")));
        return if there { StatusCode::OK } else { StatusCode::NOT_FOUND }.into_response();
    }
    if let Some((repository, _)) = path.split_once("/blobs/uploads/") {
        if *method == Method::POST {
            if let (Some(mount), Some(from)) = (pairs.get("mount"), pairs.get("from"))
                && let Some(blob) = store.blobs.get(&(from.clone(), mount.clone())).cloned()
            {
                store.blobs.insert((repository.to_owned(), mount.clone()), blob);
                return StatusCode::CREATED.into_response();
            }
            let place = format!("/v2/{repository}/blobs/uploads/one?state=a%2Fb");
            return (StatusCode::ACCEPTED, [(header::LOCATION, place)]).into_response();
        }
        assert_eq!(
            pairs.get("state").map(String::as_str),
            Some("a/b"),
            "the place of an upload is given back as it was"
        );
        let claimed = &pairs["digest"];
        if *claimed != digest(body) {
            return (StatusCode::BAD_REQUEST, "digest invalid").into_response();
        }
        store.sent.push(claimed.clone());
        store.blobs.insert((repository.to_owned(), claimed.clone()), body.clone());
        return StatusCode::CREATED.into_response();
    }
    let (repository, tag) = path.split_once("/manifests/").unwrap();
    let content: serde_json::Value = serde_json::from_slice(body).unwrap();
    let parts = content["layers"].as_array().unwrap().iter().chain([&content["config"]]);
    for part in parts {
        let key = (repository.to_owned(), part["digest"].as_str().unwrap().to_owned());
        assert!(store.blobs.contains_key(&key), "the manifest comes after what it names");
    }
    store.manifests.insert((repository.to_owned(), tag.to_owned()), body.clone());
    let known = if store.lies { digest(b"") } else { digest(body) };
    (StatusCode::CREATED, [("docker-content-digest", known)]).into_response()
}

async fn registry() -> Shared {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let store: Shared = Shared::default();
    store.lock().unwrap().address = listener.local_addr().unwrap().to_string();
    let app = Router::new().fallback(serve).with_state(store.clone());
    tokio::spawn(async move { axum::serve(listener, app).await });
    store
}

/// Writes an OCI archive as `scripts/build-images` does.
fn image(folder: &Path, name: &str, layers: &[&str]) {
    let layout = folder.join(format!("{name}.layout"));
    fs::create_dir_all(layout.join("blobs/sha256")).unwrap();
    let blob = |bytes: &[u8]| {
        let digest = digest(bytes);
        fs::write(layout.join("blobs").join(digest.replace(':', "/")), bytes).unwrap();
        (digest, bytes.len())
    };
    let part = |kind: &str, bytes: &[u8]| {
        let (digest, size) = blob(bytes);
        json!({"mediaType": format!("application/vnd.oci.image.{kind}"), "digest": digest, "size": size})
    };
    let config = part("config.v1+json", format!("{{\"name\": \"{name}\"}}").as_bytes());
    let layers: Vec<_> = layers.iter().map(|layer| part("layer.v1.tar", layer.as_bytes())).collect();
    let manifest = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": layers});
    let mut manifest = part("manifest.v1+json", manifest.to_string().as_bytes());
    manifest["annotations"] = json!({"org.opencontainers.image.ref.name": "0.1.0"});
    fs::write(layout.join("index.json"), json!({"schemaVersion": 2, "manifests": [manifest]}).to_string()).unwrap();
    let archive = folder.join(format!("{name}.tar"));
    assert!(Command::new("tar").arg("-cf").arg(&archive).arg("-C").arg(&layout).arg(".").status().unwrap().success());
}

async fn push(store: &Shared, folder: &Path, password: &str, more: &[&str]) -> Output {
    let address = store.lock().unwrap().address.clone();
    let script: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/push-images");
    let mut command = tokio::process::Command::new(script);
    command.arg(format!("{address}/team")).args(more).arg("--folder").arg(folder);
    command.env("REAL_REGISTRY_USER", "user").env("REAL_REGISTRY_PASSWORD", password);
    command.env("DOCKER_CONFIG", folder).env_remove("http_proxy").output().await.unwrap()
}

#[tokio::test]
async fn images_are_pushed_once_and_shared_layers_too() {
    let (store, folder) = (registry().await, tempfile::tempdir().unwrap());
    image(folder.path(), "real-a", &["base", "only a"]);
    image(folder.path(), "real-b", &["base", "only b"]);
    let output = push(&store, folder.path(), "secret", &[]).await;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    {
        let store = store.lock().unwrap();
        let names: Vec<&(String, String)> = store.manifests.keys().collect();
        let tagged = |name: &str| (format!("team/{name}"), "0.1.0".to_owned());
        assert_eq!(names, [&tagged("real-a"), &tagged("real-b")]);
        // Two configurations, three layers.
        assert_eq!(store.sent.len(), 5, "{:?}", store.sent);
        for (key, manifest) in &store.manifests {
            assert!(said.contains(&format!("{}:0.1.0@{}", key.0, digest(manifest))), "{said}");
        }
    }
    let again = push(&store, folder.path(), "secret", &["real-a", "--tag", "latest"]).await;
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
    let store = store.lock().unwrap();
    assert_eq!(store.sent.len(), 5, "nothing is sent twice");
    assert!(store.manifests.contains_key(&("team/real-a".to_owned(), "latest".to_owned())));
}

#[tokio::test]
async fn what_goes_wrong_is_said_in_a_line() {
    let (store, folder) = (registry().await, tempfile::tempdir().unwrap());
    image(folder.path(), "real-a", &["base"]);
    fs::write(folder.path().join("broken.tar"), "no archive").unwrap();
    let refused = async |password: &str, more: &[&str]| {
        let output = push(&store, folder.path(), password, more).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), said.lines().count()), (Some(1), 1), "{said}");
        said
    };
    assert!(refused("wrong", &["real-a"]).await.contains("gives no token"));
    assert!(refused("secret", &["broken"]).await.contains("broken.tar cannot be read"));
    assert!(refused("secret", &["nothing"]).await.contains("nothing.tar"));
    store.lock().unwrap().lies = true;
    assert!(refused("secret", &["real-a"]).await.contains("but it is sha256:"));
}
