//! REAL's own kinds on a control plane.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, ResourceExt};

use crate::ControlPlane;

/// What has not happened by then does not happen, however busy the machine is.
const DEADLINE: Duration = Duration::from_mins(5);

impl ControlPlane {
    /// Applies `real_crds::definitions()`, and waits until their kinds can be used. May be called by every test.
    ///
    /// # Errors
    /// Where the server refuses one, with what it says.
    pub async fn apply_crds(&self) -> Result<()> {
        let client = self.client();
        let api = Api::<CustomResourceDefinition>::all(client.clone());
        let definitions = real_crds::definitions();
        for definition in &definitions {
            let params = PatchParams::apply("real-test-kube").force();
            api.patch(&definition.name_any(), &params, &Patch::Apply(definition)).await?;
        }
        let deadline = Instant::now() + DEADLINE;
        for definition in &definitions {
            while !is_served(&client, definition).await? {
                if Instant::now() > deadline {
                    let read = api.get(&definition.name_any()).await?;
                    bail!("{} is not served after {DEADLINE:?}: {:?}", definition.name_any(), read.status);
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        Ok(())
    }
}

/// Whether a kind answers requests, is listed for kubectl, and is published for `kubectl explain`. Each of these comes a moment
/// after the one before, and all of them after the server has called the kind established.
async fn is_served(client: &Client, definition: &CustomResourceDefinition) -> Result<bool> {
    let spec = &definition.spec;
    let (group, version, plural) = (&spec.group, &spec.versions[0].name, &spec.names.plural);
    let get = async |path: String| {
        client.request_text(http::Request::get(path).body(Vec::new()).map_err(kube::Error::HttpError)?).await
    };
    if get(format!("/apis/{group}/{version}/{plural}?limit=1")).await.is_err() {
        return Ok(false);
    }
    let listed = client.list_api_group_resources(&format!("{group}/{version}")).await;
    if !listed.is_ok_and(|list| list.resources.iter().any(|resource| resource.name == *plural)) {
        return Ok(false);
    }
    let published = get(format!("/openapi/v3/apis/{group}/{version}")).await;
    Ok(published.is_ok_and(|text| text.contains(&format!("/{plural}/{{name}}"))))
}
