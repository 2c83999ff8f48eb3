//! One file from a server, whole or not at all, in as many tries as it takes.

use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{self, HeaderMap};
use reqwest::{Client, Response, StatusCode, Url};

use crate::cache::{beside, write};
use crate::digest::{Kind, hex, is_hex};
use crate::place::{is_local, is_sha256};
use crate::ranges::{self, Plan};
use crate::{Parts, Patience, SourceError, StoreKind};

/// Most redirections of one request.
const REDIRECTIONS: usize = 8;

/// Longest wait that a server may ask for.
const LONGEST_WAIT: Duration = Duration::from_mins(2);

/// Time between two lines about one download.
pub(crate) const NEWS_EVERY: Duration = Duration::from_secs(10);

/// What is asked for.
pub(crate) struct Request<'a> {
    /// Address.
    pub(crate) url: &'a Url,
    /// Sent to the address's own host only.
    pub(crate) token: Option<&'a str>,
    /// Digest that the file has to have, besides what the server says.
    pub(crate) sha256: Option<&'a str>,
    /// Makes the address that is asked for, anew for each try: one that is signed is valid for a while.
    pub(crate) signed: Option<&'a (dyn Fn() -> Url + Sync)>,
    /// Whether the server's tag is a digest, and which.
    pub(crate) tag: Tag,
}

/// What the tag of a file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tag {
    /// Whether it is still the same file.
    Opaque,
    /// Of a hub: the SHA-1 of git's blob, where it has 40 digits.
    Blob,
    /// Of a bucket: the MD5, where it has 32 digits and the object is not encrypted with a key of one's own.
    Object(StoreKind),
}

/// How one try ended, where it brought nothing that can be used.
pub(crate) enum Fault {
    /// Trying again may help, after a time that the server asked for.
    Passing(String, Option<Duration>),
    /// It may not.
    Lasting(SourceError),
}

/// What a server says about a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Facts {
    pub(crate) etag: Option<String>,
    pub(crate) sha256: Option<String>,
    pub(crate) length: Option<u64>,
    /// What the store says besides its tag, in hexadecimal.
    pub(crate) sum: Option<(Kind, String)>,
    /// Whether the tag is no digest, whatever it looks like.
    pub(crate) encrypted: bool,
}

/// Downloads to `path`. What came before a fault is kept in `PATH.partial` and gone on with, by this or a later start, where
/// the server still has the same file.
pub(crate) async fn download(
    client: &Client,
    request: &Request<'_>,
    path: &Path,
    patience: Patience,
    parts: Parts,
) -> Result<(), SourceError> {
    let partial = beside(path, ".partial");
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|error| SourceError::io("make", folder, error))?;
    }
    let (mut fruitless, mut wait, mut corrupted) = (0, patience.first_wait, false);
    let mut last = String::new();
    for attempt in 1..=patience.tries {
        let before = ranges::have(&partial);
        match attempt_once(client, request, &partial, parts).await {
            Ok(facts) => match verify(request, &partial, &facts) {
                Ok(()) => {
                    fs::rename(&partial, path).map_err(|error| SourceError::io("keep", path, error))?;
                    let _ = fs::remove_file(beside(&partial, ".etag"));
                    ranges::forget(&partial);
                    return Ok(());
                }
                Err(wrong) => {
                    // A bit may have been lost on the way, or between two tries: once more from the beginning.
                    let _ = fs::remove_file(&partial);
                    let _ = fs::remove_file(beside(&partial, ".etag"));
                    ranges::forget(&partial);
                    if corrupted {
                        return Err(wrong);
                    }
                    tracing::warn!("{wrong}; trying once more from the beginning");
                    corrupted = true;
                }
            },
            Err(Fault::Lasting(error)) => return Err(error),
            Err(Fault::Passing(what, asked)) => {
                last = what;
                let after = ranges::have(&partial);
                if after > before {
                    (fruitless, wait) = (0, patience.first_wait);
                } else {
                    fruitless += 1;
                }
                if fruitless >= patience.fruitless || attempt == patience.tries {
                    return Err(SourceError::unreachable(shown(request.url), attempt, after, last));
                }
                tracing::info!("{}: {last}; trying again from byte {after}", shown(request.url));
                tokio::time::sleep(asked.unwrap_or(wait).min(LONGEST_WAIT)).await;
                wait = (wait * 2).min(LONGEST_WAIT);
            }
        }
    }
    Err(SourceError::unreachable(shown(request.url), patience.tries, 0, last))
}

/// How far a download is, e.g. `43 % of 1203 MB, 210.0 MB/s`.
pub(crate) fn progress(written: u64, whole: Option<u64>, bytes_a_second: f64) -> String {
    let megabytes = |bytes: u64| bytes / 1_000_000;
    let speed = bytes_a_second / 1e6;
    match whole.filter(|whole| *whole > 0) {
        Some(whole) => format!("{} % of {} MB, {speed:.1} MB/s", written * 100 / whole, megabytes(whole)),
        None => format!("{} MB, {speed:.1} MB/s", megabytes(written)),
    }
}

/// An address without what may be a secret in it.
pub(crate) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    let _ = url.set_password(None);
    url.to_string()
}

async fn attempt_once(client: &Client, request: &Request<'_>, partial: &Path, parts: Parts) -> Result<Facts, Fault> {
    if let Some(plan) = Plan::read(partial) {
        return plan.go_on(client, request, partial, parts, None).await;
    }
    let lasting = |doing, error| Fault::Lasting(SourceError::io(doing, partial, error));
    let have = fs::metadata(partial).map_or(0, |metadata| metadata.len());
    let known = fs::read_to_string(beside(partial, ".etag")).ok().filter(|_| have > 0);
    let range = known.as_deref().map(|etag| Range { from: have, end: None, etag });
    let (mut response, facts) = send(client, request, range).await?;
    let status = response.status();
    if status == StatusCode::RANGE_NOT_SATISFIABLE {
        // It is shorter than what is here, so it is another file.
        fs::remove_file(partial).map_err(|error| lasting("remove", error))?;
        return Err(Fault::Passing("the file there is another one now".to_owned(), Some(Duration::ZERO)));
    }
    let mut file = File::options().create(true).append(true).open(partial).map_err(|error| lasting("write", error))?;
    let start =
        if status == StatusCode::PARTIAL_CONTENT && range_start(response.headers()) == Some(have) { have } else { 0 };
    if start == 0 {
        file.set_len(0).map_err(|error| lasting("write", error))?;
        let etag = facts.etag.as_deref().unwrap_or_default();
        // Without one nobody could say that the file is still the same, so nothing is gone on with.
        if etag.is_empty() {
            let _ = fs::remove_file(beside(partial, ".etag"));
        } else {
            write(&beside(partial, ".etag"), etag).map_err(Fault::Lasting)?;
        }
    }
    let by_ranges = matches!(request.tag, Tag::Object(_)) || accepts_ranges(response.headers());
    let length = facts.length.or_else(|| response.content_length());
    if start == 0
        && by_ranges
        && let Some(plan) = Plan::of(length, facts.etag.as_deref(), parts)
    {
        return plan.go_on(client, request, partial, parts, Some((response, facts))).await;
    }
    let whole = facts.length.or_else(|| response.content_length().map(|rest| start + rest));
    let mut written = start;
    let (mut news, mut told) = (Instant::now(), start);
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => {
                file.write_all(&chunk).map_err(|error| lasting("write", error))?;
                written += chunk.len() as u64;
                if news.elapsed() >= NEWS_EVERY {
                    let speed = (written - told) as f64 / news.elapsed().as_secs_f64();
                    tracing::info!("fetching {}: {}", shown(request.url), progress(written, whole, speed));
                    (news, told) = (Instant::now(), written);
                }
                if whole.is_some_and(|whole| written > whole) {
                    break;
                }
            }
            Ok(None) => break,
            Err(error) => return Err(Fault::Passing(causes(&error.without_url()), None)),
        }
    }
    file.sync_all().map_err(|error| lasting("write", error))?;
    if whole.is_some_and(|whole| written < whole) {
        return Err(Fault::Passing(format!("it ended after {written} of {} bytes", whole.unwrap_or_default()), None));
    }
    Ok(Facts { length: whole, ..facts })
}

/// A part of a file, of the version with this tag.
#[derive(Clone, Copy)]
pub(crate) struct Range<'a> {
    pub(crate) from: u64,
    /// First byte behind it; the file's end where absent.
    pub(crate) end: Option<u64>,
    pub(crate) etag: &'a str,
}

fn accepts_ranges(headers: &HeaderMap) -> bool {
    headers.get(header::ACCEPT_RANGES).is_some_and(|unit| unit == "bytes")
}

/// Sends a request and follows where it is sent on to; the token stays with the host it is for.
pub(crate) async fn send(
    client: &Client,
    request: &Request<'_>,
    range: Option<Range<'_>>,
) -> Result<(Response, Facts), Fault> {
    let begun = request.signed.map_or_else(|| request.url.clone(), |signed| signed());
    let (mut url, mut facts) = (begun, Facts::default());
    for _ in 0..=REDIRECTIONS {
        let mut asked = client.get(url.clone()).header(header::ACCEPT_ENCODING, "identity");
        if let Some(token) = request.token.filter(|_| same_host(&url, request.url)) {
            asked = asked.bearer_auth(token);
        }
        if let Some(Range { from, end, etag }) = range {
            let last = end.map_or_else(String::new, |end| (end - 1).to_string());
            asked = asked.header(header::RANGE, format!("bytes={from}-{last}"));
            // Whoever sends on to elsewhere says its own tag, which the other place does not know.
            if facts.etag.is_none() {
                asked = asked.header(header::IF_RANGE, etag);
            }
        }
        let response = asked.send().await.map_err(|error| Fault::Passing(causes(&error.without_url()), None))?;
        let (status, headers) = (response.status(), response.headers());
        note(headers, status, &mut facts);
        if let Some(Range { etag, .. }) = range
            && facts.etag.as_deref().is_some_and(|now| now != etag)
        {
            // Another file than the one that was begun.
            return Box::pin(send(client, request, None)).await;
        }
        if status.is_redirection() {
            let to = headers.get(header::LOCATION).and_then(|to| to.to_str().ok()).and_then(|to| url.join(to).ok());
            url = to.ok_or_else(|| protocol(&url, "sends on to nowhere"))?;
            if url.scheme() != "https" && !is_local(&url) {
                return Err(protocol(&url, "sends on to an address that is not encrypted"));
            }
            continue;
        }
        let stored = headers.get("x-goog-stored-content-encoding").and_then(|how| how.to_str().ok());
        if status.is_success() && stored.is_some_and(|how| how != "identity") {
            let what = "is stored with a Content-Encoding, so that what comes is not what lies there; store it as it is, \
                        compressed or not, without one";
            return Err(protocol(request.url, what));
        }
        if status.is_success() || (status == StatusCode::RANGE_NOT_SATISFIABLE && range.is_some()) {
            return Ok((response, facts));
        }
        let passing =
            status.is_server_error() || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT);
        if passing {
            let asked = headers.get(header::RETRY_AFTER).and_then(|after| after.to_str().ok()?.parse().ok());
            return Err(Fault::Passing(format!("HTTP {status}"), asked.map(Duration::from_secs)));
        }
        if let Tag::Object(kind) = request.tag {
            return Err(Fault::Lasting(crate::refused::refused(kind, request.url, response).await));
        }
        return Err(Fault::Lasting(refused(&url, status, request.token.is_some())));
    }
    Err(protocol(request.url, "sends on too often"))
}

fn protocol(url: &Url, what: &str) -> Fault {
    Fault::Lasting(SourceError::Protocol { url: shown(url), what: what.to_owned() })
}

pub(crate) fn refused(url: &Url, status: StatusCode, with_token: bool) -> SourceError {
    let hint = match (status.as_u16(), with_token) {
        (401 | 403, true) => ": the token is not accepted; it may have expired, or not be for this repository",
        (401 | 403, false) => ": it wants a token: set HF_TOKEN, or HF_TOKEN_PATH to a file with one",
        (404, _) => ": there is no such file",
        _ => "",
    };
    SourceError::Refused { url: shown(url), status: status.as_u16(), hint: hint.to_owned() }
}

/// Takes down what headers say; the first to say it is believed, as it is the one that was asked.
fn note(headers: &HeaderMap, status: StatusCode, facts: &mut Facts) {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let linked = text("x-linked-etag");
    let plain = linked.as_deref().map(|etag| etag.trim_start_matches("W/").trim_matches('"').to_ascii_lowercase());
    facts.sha256 = facts.sha256.take().or(plain.filter(|etag| is_sha256(etag)));
    let strong = |etag: &String| !etag.starts_with("W/");
    // The tag of an answer that is sent on is the place's it is sent on to only where it says so.
    let own = if status.is_redirection() { None } else { text("etag") };
    facts.etag = facts.etag.take().or(linked).or(own).filter(strong);
    facts.encrypted |= text("x-amz-server-side-encryption").is_some_and(|how| how.starts_with("aws:"))
        || headers.contains_key("x-amz-server-side-encryption-customer-algorithm");
    facts.length = facts.length.or_else(|| text("x-linked-size")?.parse().ok());
    // Azure says the sum of the whole under another name where a part is given. Google says two, in one header or in two.
    let whole = text("x-ms-blob-content-md5").or_else(|| text("content-md5").filter(|_| status == StatusCode::OK));
    let google = headers.get_all("x-goog-hash").iter().filter_map(|value| value.to_str().ok());
    let google: Vec<&str> = google.flat_map(|value| value.split(',')).map(str::trim).collect();
    let of_google = |name: &str| google.iter().find_map(|sum| sum.strip_prefix(name)).map(str::to_owned);
    let bytes = |sum: String| STANDARD.decode(sum).ok().map(|bytes| hex(&bytes));
    let md5 = whole.or_else(|| of_google("md5=")).and_then(bytes).map(|sum| (Kind::Md5, sum));
    let crc = || of_google("crc32c=").and_then(bytes).map(|sum| (Kind::Crc32c, sum));
    facts.sum = facts.sum.take().or(md5).or_else(crc);
}

fn same_host(a: &Url, b: &Url) -> bool {
    (a.scheme(), a.host(), a.port_or_known_default()) == (b.scheme(), b.host(), b.port_or_known_default())
}

/// Where the bytes of a partial answer begin (RFC 9110 §14.4).
pub(crate) fn range_start(headers: &HeaderMap) -> Option<u64> {
    let range = headers.get(header::CONTENT_RANGE)?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split_once('-')?.0.parse().ok()
}

fn verify(request: &Request<'_>, partial: &Path, facts: &Facts) -> Result<(), SourceError> {
    let wrong =
        |what, expected: String, found: String| SourceError::Wrong { url: shown(request.url), what, expected, found };
    let mut file = File::open(partial).map_err(|error| SourceError::io("read", partial, error))?;
    let length = file.seek(SeekFrom::End(0)).map_err(|error| SourceError::io("read", partial, error))?;
    if let Some(expected) = facts.length.filter(|expected| *expected != length) {
        return Err(wrong("length", expected.to_string(), length.to_string()));
    }
    let mut expected: Vec<(Kind, &str)> =
        [request.sha256, facts.sha256.as_deref()].into_iter().flatten().map(|hex| (Kind::Sha256, hex)).collect();
    let tag = facts.etag.as_deref().unwrap_or_default().trim_matches('"');
    expected.extend(match (request.tag, tag.len()) {
        (Tag::Blob, 40) if is_hex(tag) => Some((Kind::GitBlob, tag)),
        (Tag::Object(_), 32) if is_hex(tag) && !facts.encrypted => Some((Kind::Md5, tag)),
        (Tag::Object(_), _) => facts.sum.as_ref().map(|(kind, sum)| (*kind, sum.as_str())),
        _ => None,
    });
    for (kind, expected) in expected {
        file.seek(SeekFrom::Start(0)).map_err(|error| SourceError::io("read", partial, error))?;
        let found = kind.of(&mut file, length).map_err(|error| SourceError::io("read", partial, error))?;
        if !found.eq_ignore_ascii_case(expected) {
            return Err(wrong(kind.name(), expected.to_owned(), found));
        }
    }
    Ok(())
}

/// An error and its causes.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
