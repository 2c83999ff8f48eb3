//! A model behind an API like OpenAI's: `POST /v1/chat/completions`, `GET /v1/models`.

use std::fmt;
use std::time::Duration;

use real_crds::sweep::Settings;
use real_datasets::Message;
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode, header};
use serde_json::{Value, json};

/// Longest wait for one answer.
const PATIENCE: Duration = Duration::from_mins(10);
/// Tries of a request that was not refused.
const TRIES: u32 = 6;
/// Wait before the second try; doubles with each further one.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// Longest wait that a server may ask for.
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// Most bytes of an answer that are read.
const LARGEST: usize = 16 << 20;
/// Longest answer in tokens where nobody says otherwise; what `real-trainer generate` takes.
const USUAL_TOKENS: u64 = 512;

/// A model behind an API.
pub struct Endpoint {
    base: String,
    model: String,
    key: Option<String>,
    client: Client,
    first_wait: Duration,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The key is nobody's business.
        f.debug_struct("Endpoint").field("base", &self.base).field("model", &self.model).finish_non_exhaustive()
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// The address is none.
    #[error("{0}: an API's address is http://HOST/v1 or https://HOST/v1, with ?model=NAME where it has several models")]
    Address(String),
    /// The API has no model, or several, and nobody said which.
    #[error("{base} has {}: name one with {base}?model=NAME", if .models.is_empty() { "no model".to_owned() } else { format!("the models {}", .models.join(", ")) })]
    Model {
        /// The address.
        base: String,
        /// Models that it has.
        models: Vec<String>,
    },
    /// It refused the request.
    #[error("{url} refused the request with HTTP {status}: {body}")]
    Refused {
        /// What was asked.
        url: String,
        /// HTTP status.
        status: u16,
        /// Beginning of its answer.
        body: String,
    },
    /// It never answered.
    #[error("{url} gave no answer after {TRIES} tries; the last: {last}")]
    Silent {
        /// What was asked.
        url: String,
        /// How the last try ended.
        last: String,
    },
    /// Its answer is not one.
    #[error("{url} answered what cannot be read: {what}")]
    Unreadable {
        /// What was asked.
        url: String,
        /// What is wrong with it.
        what: String,
    },
}

/// Whether a URI is the address of an API rather than of a file.
pub fn is_endpoint(uri: &str) -> bool {
    let path = uri.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
    (uri.starts_with("http://") || uri.starts_with("https://")) && path.ends_with("/v1")
}

impl Endpoint {
    /// Asks which model there is, unless `uri` says so. `key` is sent as a bearer token.
    ///
    /// # Errors
    /// The address is none, or its model is not known.
    pub async fn open(uri: &str, key: Option<String>) -> Result<Self, EndpointError> {
        let bad = || EndpointError::Address(uri.to_owned());
        if !is_endpoint(uri) {
            return Err(bad());
        }
        let mut url = reqwest::Url::parse(uri).map_err(|_| bad())?;
        let named = url.query_pairs().find(|(name, _)| name == "model").map(|(_, model)| model.into_owned());
        url.set_query(None);
        url.set_fragment(None);
        // A question that is sent on becomes another request, and the key is for this address.
        let client = Client::builder().timeout(PATIENCE).redirect(Policy::none()).build().map_err(|_| bad())?;
        let base = url.as_str().trim_end_matches('/').to_owned();
        let mut endpoint = Self { base, model: String::new(), key, client, first_wait: FIRST_WAIT };
        endpoint.model = match named {
            Some(model) => model,
            None => endpoint.only_model().await?,
        };
        Ok(endpoint)
    }

    async fn only_model(&self) -> Result<String, EndpointError> {
        let url = format!("{}/models", self.base);
        let answer = self.ask(&url, None).await?;
        let all = answer["data"].as_array().into_iter().flatten();
        let mut models: Vec<String> = all.filter_map(|model| Some(model["id"].as_str()?.to_owned())).collect();
        if models.len() == 1 {
            return Ok(models.remove(0));
        }
        Err(EndpointError::Model { base: self.base.clone(), models })
    }

    /// An answer to a chat. Sample number `sample` of a task is drawn with the seed that many above the settings' own.
    ///
    /// # Errors
    /// There is none: the server refused, or did not answer, or answered something else.
    pub async fn answer(
        &self,
        messages: &[Message],
        settings: &Settings,
        sample: u64,
    ) -> Result<String, EndpointError> {
        let url = format!("{}/chat/completions", self.base);
        let request = json!({
            "model": self.model,
            "messages": messages,
            "temperature": settings.temperature,
            "top_p": settings.top_p,
            "max_tokens": settings.max_response_tokens.unwrap_or(USUAL_TOKENS),
            "seed": settings.seed + sample,
            "n": 1,
        });
        let answer = self.ask(&url, Some(&request)).await?;
        let message = &answer["choices"][0]["message"];
        match (&message["content"], message.is_object()) {
            (Value::String(text), _) => Ok(text.clone()),
            // What a model that says nothing is given as.
            (Value::Null, true) => Ok(String::new()),
            (Value::Array(parts), _) if parts.iter().all(|part| part["text"].is_string()) => {
                Ok(parts.iter().filter_map(|part| part["text"].as_str()).collect())
            }
            _ => {
                let what =
                    format!("it has no choices[0].message.content: {}", beginning(answer.to_string().as_bytes()));
                Err(EndpointError::Unreadable { url, what })
            }
        }
    }

    async fn ask(&self, url: &str, body: Option<&Value>) -> Result<Value, EndpointError> {
        let mut last = String::new();
        let mut wait = self.first_wait;
        for attempt in 1..=TRIES {
            let request = body.map_or_else(|| self.client.get(url), |body| self.client.post(url).json(body));
            let request = match &self.key {
                Some(key) => request.bearer_auth(key),
                None => request,
            };
            let mut asked = None;
            match request.send().await {
                Ok(response) => {
                    let status = response.status();
                    asked = retry_after(response.headers());
                    let unreadable = |what: String| EndpointError::Unreadable { url: url.to_owned(), what };
                    let said =
                        |name| response.headers().get(name).and_then(|value| Some(value.to_str().ok()?.to_owned()));
                    let (kind, encoding) = (said(header::CONTENT_TYPE), said(header::CONTENT_ENCODING));
                    if status.is_redirection() {
                        let to = said(header::LOCATION).unwrap_or_else(|| "nowhere".to_owned());
                        let body = format!("it sends on to {to}; give the address that answers itself");
                        return Err(EndpointError::Refused { url: url.to_owned(), status: status.as_u16(), body });
                    }
                    match read(response).await {
                        Ok(None) => return Err(unreadable(format!("it is larger than {} MiB", LARGEST >> 20))),
                        Ok(Some(bytes)) if status.is_success() => {
                            return serde_json::from_slice(&bytes).map_err(|error| {
                                let kind = kind.unwrap_or_else(|| "of no type".to_owned());
                                let encoding = encoding.map(|how| format!(", compressed ({how})")).unwrap_or_default();
                                unreadable(format!("{error}; it is {kind}{encoding}: {}", beginning(&bytes)))
                            });
                        }
                        Ok(Some(bytes)) => {
                            let body = beginning(&bytes);
                            if !is_worth_another_try(status) {
                                let status = status.as_u16();
                                return Err(EndpointError::Refused { url: url.to_owned(), status, body });
                            }
                            last = format!("HTTP {status}: {body}");
                        }
                        Err(what) => last = what,
                    }
                }
                Err(error) => last = real_terminal::causes(&error),
            }
            if attempt < TRIES {
                tokio::time::sleep(asked.unwrap_or(wait).min(LONGEST_WAIT)).await;
                wait *= 2;
            }
        }
        Err(EndpointError::Silent { url: url.to_owned(), last })
    }
}

fn is_worth_another_try(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
}

/// What a server asks for, in seconds (RFC 9110 §10.2.3); its other form, a date, is not understood.
fn retry_after(headers: &header::HeaderMap) -> Option<Duration> {
    headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// The beginning of what a server said, for people.
fn beginning(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(2_000)]);
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().take(300).map(plain).collect::<String>().trim().to_owned()
}

/// What a server says; none where it is larger than any answer.
async fn read(mut response: reqwest::Response) -> Result<Option<Vec<u8>>, String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| real_terminal::causes(&error))? {
        if bytes.len() + chunk.len() > LARGEST {
            return Ok(None);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::Router;
    use axum::http::HeaderMap;
    use axum::response::IntoResponse as _;
    use axum::routing::{get, post};

    use super::*;

    #[test]
    fn an_address_of_an_api_is_told_from_that_of_a_file() {
        for uri in ["http://h:8000/v1", "https://h/a/v1/", "http://h/v1?model=a/v2"] {
            assert!(is_endpoint(uri), "{uri}");
        }
        for uri in ["https://h/tasks.jsonl", "/models/v1", "hf://org/v1", "http://h/v1/models"] {
            assert!(!is_endpoint(uri), "{uri}");
        }
    }

    /// A server that fails with each of `faults` first; how often it was asked.
    async fn server(faults: &'static [u16]) -> (String, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let chat = move |headers: HeaderMap, axum::Json(body): axum::Json<Value>| async move {
            let number = count.fetch_add(1, Ordering::Relaxed);
            if let Some(status) = faults.get(number) {
                let status = axum::http::StatusCode::from_u16(*status).unwrap();
                return (status, [("retry-after", "0")], "no, not now").into_response();
            }
            let said = format!(
                "{} {} {} {}",
                body["model"],
                body["seed"],
                body["messages"][0]["content"],
                headers["authorization"].to_str().unwrap()
            );
            axum::Json(json!({"choices": [{"message": {"role": "assistant", "content": said}}]})).into_response()
        };
        let models = || async { axum::Json(json!({"data": [{"id": "only"}]})) };
        let router = Router::new().route("/v1/chat/completions", post(chat)).route("/v1/models", get(models));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}/v1", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        (uri, asked)
    }

    fn chat() -> Vec<Message> {
        vec![Message { role: "user".into(), content: "hello".into() }]
    }

    #[tokio::test]
    async fn the_only_model_is_asked_and_each_sample_has_a_seed_of_its_own() {
        let (uri, _) = server(&[]).await;
        let endpoint = Endpoint::open(&uri, Some("secret".into())).await.unwrap();
        let settings = Settings { seed: 7, ..Settings::default() };
        assert_eq!(endpoint.answer(&chat(), &settings, 2).await.unwrap(), "\"only\" 9 \"hello\" Bearer secret");
        let named = Endpoint::open(&format!("{uri}?model=other"), Some("secret".into())).await.unwrap();
        assert!(named.answer(&chat(), &settings, 0).await.unwrap().starts_with("\"other\" 7"));
        assert!(!format!("{endpoint:?}").contains("secret"));
    }

    #[tokio::test]
    async fn a_busy_server_is_asked_again_and_one_that_refuses_is_not() {
        let (uri, asked) = server(&[503, 429, 500]).await;
        let endpoint = Endpoint::open(&uri, Some("k".into())).await.unwrap();
        endpoint.answer(&chat(), &Settings::default(), 0).await.unwrap();
        assert_eq!(asked.load(Ordering::Relaxed), 4);
        let (uri, asked) = server(&[401]).await;
        let endpoint = Endpoint::open(&uri, Some("k".into())).await.unwrap();
        let error = endpoint.answer(&chat(), &Settings::default(), 0).await.unwrap_err().to_string();
        assert!(error.contains("401") && error.contains("no, not now"), "{error}");
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        let (uri, asked) = server(&[503; 20]).await;
        let endpoint = Endpoint::open(&uri, Some("k".into())).await.unwrap();
        let error = endpoint.answer(&chat(), &Settings::default(), 0).await.unwrap_err().to_string();
        assert!(error.contains("after 6 tries") && asked.load(Ordering::Relaxed) == 6, "{error}");
    }
    #[tokio::test]
    async fn what_is_no_answer_is_shown_and_asked_for_once() {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let odd = move |axum::Json(body): axum::Json<Value>| async move {
            count.fetch_add(1, Ordering::Relaxed);
            let said = |kind: &'static str, text: String| ([("content-type", kind)], text).into_response();
            match body["model"].as_str().unwrap() {
                "page" => said("text/html", "<html>\nSign in".to_owned()),
                "compressed" => ([("content-encoding", "gzip")], vec![0x1f, 0x8b, 8]).into_response(),
                "large" => said("application/json", "x".repeat(LARGEST + 1)),
                "elsewhere" => (StatusCode::FOUND, [("location", "http://h/other")]).into_response(),
                "failed" => axum::Json(json!({"error": {"message": "overloaded"}})).into_response(),
                _ => axum::Json(
                    json!({"choices": [{"message": {"content": [{"type": "text", "text": "a"}, {"text": "b"}]}}]}),
                )
                .into_response(),
            }
        };
        let router = Router::new().route("/v1/chat/completions", post(odd));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}/v1", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let answer = async |model: &str| {
            let endpoint = Endpoint::open(&format!("{uri}?model={model}"), None).await.unwrap();
            endpoint.answer(&chat(), &Settings::default(), 0).await
        };
        for (model, expected) in [
            ("page", "it is text/html: <html> Sign in"),
            ("compressed", "compressed (gzip)"),
            ("large", "it is larger than 16 MiB"),
            ("elsewhere", "HTTP 302: it sends on to http://h/other"),
            ("failed", r#"{"error":{"message":"overloaded"}}"#),
        ] {
            asked.store(0, Ordering::Relaxed);
            let error = answer(model).await.unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("/v1/chat/completions"), "{error}");
            assert_eq!(asked.load(Ordering::Relaxed), 1, "{model}");
        }
        assert_eq!(answer("in parts").await.unwrap(), "ab");
    }
}
