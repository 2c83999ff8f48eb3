//! Google's store, which speaks S3's protocol too: who asks it.

use std::time::Duration;

use reqwest::Client;
use rusty_s3::UrlStyle;
use serde::Deserialize;

use crate::bucket::{Store, endpoint};
use crate::{BucketPlace, Google, SourceError};

/// Where a machine of Google's cloud, or a pod on it, is told who it is.
const METADATA: &str = "metadata.google.internal";
/// It is as near as can be.
const SOON: Duration = Duration::from_secs(2);

#[derive(Deserialize)]
struct Answer {
    access_token: String,
}

impl BucketPlace {
    /// Google's store, asked with the keys, the token, or as what this machine is there.
    pub(crate) async fn google(&self, google: &Google, client: &Client) -> Result<Store, SourceError> {
        let url = endpoint(&google.endpoint, "GS_ENDPOINT_URL")?;
        let token = match (&google.keys, &google.token) {
            (Some(_), _) => None,
            (None, Some(token)) => Some(token.clone()),
            (None, None) => of_this_machine(google, client).await?,
        };
        self.store_at(url, UrlStyle::Path, "auto", google.keys.as_ref(), token)
    }
}

/// The token of this machine's service account, which is also that of a pod with a workload identity; none elsewhere.
async fn of_this_machine(google: &Google, client: &Client) -> Result<Option<String>, SourceError> {
    let host = google.metadata.as_deref();
    let path = "computeMetadata/v1/instance/service-accounts/default/token";
    let url = format!("http://{}/{path}", host.unwrap_or(METADATA));
    let asked = client.get(&url).header("Metadata-Flavor", "Google").timeout(SOON).send().await;
    let what = match asked {
        Ok(answer) if answer.status().is_success() => match answer.json::<Answer>().await {
            Ok(answer) => return Ok(Some(answer.access_token)),
            Err(error) => format!("its answer is no token: {error}"),
        },
        // There is no service account here.
        Ok(answer) if answer.status() == reqwest::StatusCode::NOT_FOUND => return Ok(None),
        Ok(answer) => format!("HTTP {}", answer.status()),
        Err(error) => crate::download::causes(&error.without_url()),
    };
    match host {
        Some(_) => Err(SourceError::Protocol { url, what: format!("gives no token (GCE_METADATA_HOST): {what}") }),
        // Not on Google's cloud: what is public can be read.
        None => Ok(None),
    }
}
