//! kubeconfig files: everything in them, nothing beside them.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::Identity;

/// How a user shows who it is.
pub(crate) enum Credentials<'a> {
    /// With a certificate.
    Certificate(&'a Identity),
    /// With a token.
    Token(&'a str),
    /// Not at all.
    None,
}

/// The text of a kubeconfig. `authority` is the PEM that signs the server's certificate, if it has one.
pub(crate) fn text(url: &str, authority: Option<&str>, credentials: &Credentials<'_>) -> String {
    let mut cluster = json!({ "server": url });
    if let Some(pem) = authority {
        cluster["certificate-authority-data"] = Value::from(STANDARD.encode(pem));
    }
    let user = match credentials {
        Credentials::Certificate(identity) => json!({
            "client-certificate-data": STANDARD.encode(&identity.certificate),
            "client-key-data": STANDARD.encode(&identity.key),
        }),
        Credentials::Token(token) => json!({ "token": token }),
        Credentials::None => json!({}),
    };
    // JSON is YAML.
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": "test", "cluster": cluster }],
        "users": [{ "name": "test", "user": user }],
        "contexts": [{ "name": "test", "context": { "cluster": "test", "user": "test" } }],
        "current-context": "test",
    })
    .to_string()
}
