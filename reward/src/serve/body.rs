//! Request bodies as trainers send them: Python's `json` writes more than JSON, and one odd entry must not spoil the others.

use std::borrow::Cow;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::error::Category;

/// A body, read as JSON whatever its content type says.
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let bytes = Bytes::from_request(request, state).await.map_err(IntoResponse::into_response)?;
        serde_json::from_slice(&plain(&bytes)).map(Self).map_err(|error| {
            let status = match error.classify() {
                Category::Data => StatusCode::UNPROCESSABLE_ENTITY,
                Category::Io | Category::Syntax | Category::Eof => StatusCode::BAD_REQUEST,
            };
            (status, format!("the request: {error}")).into_response()
        })
    }
}

/// An entry, or what stands in its place.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Part<T> {
    /// What should be there.
    Right(T),
    /// Anything else.
    Wrong(Value),
}

impl<T> Part<T> {
    /// The entry.
    ///
    /// # Errors
    /// What it is instead.
    pub(super) fn read(&self, wanted: &str) -> Result<&T, String> {
        match self {
            Self::Right(entry) => Ok(entry),
            Self::Wrong(value) => Err(format!("is {}, and should be {wanted}", real_terminal::described(value))),
        }
    }

    /// Whether nothing stands there.
    pub(super) fn is_null(&self) -> bool {
        matches!(self, Self::Wrong(Value::Null))
    }
}

/// What Python's `json` writes, as JSON: halves of surrogate pairs become U+FFFD, as no text has them; `NaN` (what a table has where
/// nothing stands) and infinities become `null`. Linear in the body's length.
fn plain(body: &[u8]) -> Cow<'_, [u8]> {
    const WORDS: [&[u8]; 3] = [b"NaN", b"Infinity", b"-Infinity"];
    let mut kept = Vec::new();
    let (mut at, mut from, mut in_text) = (0, 0, false);
    while let Some(&byte) = body.get(at) {
        let rest = &body[at..];
        let (width, instead): (usize, Option<&[u8]>) = match byte {
            b'\\' if in_text => match (unit(rest), rest.get(6..).and_then(unit)) {
                (Some(0xd800..0xdc00), Some(0xdc00..0xe000)) => (12, None),
                (Some(0xd800..0xe000), _) => (6, Some(b"\\ufffd")),
                _ => (2, None),
            },
            b'"' => {
                in_text = !in_text;
                (1, None)
            }
            b'N' | b'I' | b'-' if !in_text => match WORDS.iter().find(|word| rest.starts_with(word)) {
                Some(word) => (word.len(), Some(b"null")),
                None => (1, None),
            },
            _ => (1, None),
        };
        if let Some(instead) = instead {
            kept.extend_from_slice(&body[from..at]);
            kept.extend_from_slice(instead);
            from = at + width;
        }
        at += width;
    }
    if from == 0 {
        return Cow::Borrowed(body);
    }
    kept.extend_from_slice(&body[from..]);
    Cow::Owned(kept)
}

/// The code unit that an escape (`\u` and four digits) stands for.
fn unit(text: &[u8]) -> Option<u32> {
    let digits = text.strip_prefix(b"\\u")?.get(..4)?;
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_python_writes_beyond_json_is_read() {
        let read = |text: &str| serde_json::from_slice::<Value>(&plain(text.as_bytes())).map(|value| value.to_string());
        for (written, meant) in [
            (r#"["\ud83d\ude00 \ud800x\udc00", "\\ud800"]"#, r#"["😀 �x�","\\ud800"]"#),
            (r#"["\udc00\ud800", "\ud800\ud83d\ude00"]"#, r#"["��","�😀"]"#),
            (r#"[NaN, -Infinity, Infinity, -1, "NaN \" NaN"]"#, r#"[null,null,null,-1,"NaN \" NaN"]"#),
            (r#"{"NaN": "a\\"}"#, r#"{"NaN":"a\\"}"#),
            (r#""\u00e9""#, "\"é\""),
        ] {
            assert_eq!(read(written).unwrap(), meant, "{written}");
        }
        assert!(matches!(plain(br#"["\u00e9 -1 I"]"#), Cow::Borrowed(_)));
        for broken in ["[Nan]", "\"\\ud80", "[nan]", "\\ud800", "\"\\", "[-]"] {
            assert!(read(broken).is_err(), "{broken}");
        }
    }
}
