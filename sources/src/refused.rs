//! Why a store refused, in its own words and in ours.

use reqwest::{Response, Url};

use crate::ask::text_of;
use crate::download::shown;
use crate::{SourceError, StoreKind};

/// What a store that is not S3's wants to know who asks by.
const GOOGLE: &str = "give GOOGLE_OAUTH_ACCESS_TOKEN, or an HMAC key in GS_ACCESS_KEY_ID and GS_SECRET_ACCESS_KEY, or run as a service \
                      account of Google's cloud; key files (GOOGLE_APPLICATION_CREDENTIALS) are not read";
const AZURE: &str = "give AZURE_STORAGE_SAS_TOKEN or AZURE_STORAGE_KEY";

/// The error that an answer is.
pub(crate) async fn refused(kind: StoreKind, url: &Url, response: Response) -> SourceError {
    let status = response.status().as_u16();
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (region, named) = (header("x-amz-bucket-region"), header("x-ms-error-code"));
    let text = text_of(response).await.unwrap_or_default();
    let said = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        rest.split_once(&format!("</{name}>")).map(|(inner, _)| inner.chars().take(200).collect::<String>())
    };
    let code = said("Code").or(named).unwrap_or_default();
    let ours = match kind {
        StoreKind::S3 => of_s3(&code, status, region.as_deref()),
        StoreKind::Google => of_google(&code, status),
        StoreKind::Azure => of_azure(&code, status),
    };
    let ours = ours.or_else(|| said("Message")).unwrap_or_default();
    let code = if code.is_empty() { String::new() } else { format!(" ({code})") };
    let ours = if ours.is_empty() { String::new() } else { format!(": {ours}") };
    SourceError::Refused { url: shown(url), status, hint: format!("{code}{ours}") }
}

fn of_s3(code: &str, status: u16, region: Option<&str>) -> Option<String> {
    let ours = match (code, status) {
        ("ExpiredToken" | "TokenRefreshRequired" | "InvalidToken", _) => {
            "the session token has expired: give new AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN"
        }
        ("InvalidAccessKeyId" | "SignatureDoesNotMatch", _) => {
            "the keys are not accepted: see AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        }
        ("RequestTimeTooSkewed", _) => "the clock of this machine is wrong",
        ("NoSuchBucket", _) => "there is no such bucket in this store (AWS_ENDPOINT_URL)",
        ("PermanentRedirect" | "AuthorizationHeaderMalformed", _) | (_, 301) => {
            let of = region.map_or_else(|| "another region".to_owned(), |region| format!("the region {region}"));
            return Some(format!("the bucket is in {of}: set AWS_REGION"));
        }
        (_, 401 | 403) => {
            "these keys may not read or write it, or there are none: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        }
        (_, 404) => "there is no such object",
        _ => return None,
    };
    Some(ours.to_owned())
}

fn of_google(code: &str, status: u16) -> Option<String> {
    Some(match (code, status) {
        ("ExpiredToken" | "InvalidToken", _) => format!("the token has expired or is none: {GOOGLE}"),
        ("InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidSecurity", _) => {
            format!("the key is not accepted: {GOOGLE}")
        }
        ("RequestTimeTooSkewed", _) => "the clock of this machine is wrong".to_owned(),
        ("NoSuchBucket", _) => "there is no such bucket".to_owned(),
        ("UserProjectMissing", _) => "who reads this bucket pays for it, and no project is sent".to_owned(),
        (_, 401) => format!("the token is not accepted, or has expired, or there is none: {GOOGLE}"),
        (_, 403) => format!("whoever asks may not read or write it, or there is nobody: {GOOGLE}"),
        (_, 404) => "there is no such object".to_owned(),
        _ => return None,
    })
}

fn of_azure(code: &str, status: u16) -> Option<String> {
    Some(match (code, status) {
        ("ContainerNotFound", _) => "there is no such container in this account (AZURE_STORAGE_ACCOUNT)".to_owned(),
        ("AuthenticationFailed" | "AuthorizationFailure", _) => {
            format!(
                "the key or signature is not accepted, or has expired, or the clock of this machine is wrong: {AZURE}"
            )
        }
        (
            "AuthorizationPermissionMismatch"
            | "AuthorizationResourceTypeMismatch"
            | "AuthorizationServiceMismatch"
            | "AuthorizationProtocolMismatch"
            | "AuthorizationSourceIPMismatch",
            _,
        ) => {
            "the signature (AZURE_STORAGE_SAS_TOKEN) does not allow this for this container from here: reading wants the permissions r and l, \
             writing c, w and d besides"
                .to_owned()
        }
        ("BlobArchived", _) => "it is archived: it has to be brought back to a tier that can be read".to_owned(),
        (_, 401 | 403) | ("PublicAccessNotPermitted", _) => {
            format!("whoever asks may not read or write it, or there is nobody: {AZURE}")
        }
        (_, 404) => "there is no such object, or the container is not public".to_owned(),
        _ => return None,
    })
}
