//! REAL's own kinds on a control plane.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, ResourceExt};

use crate::ControlPlane;

const DEADLINE: Duration = Duration::from_secs(30);

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
        for definition in &definitions {
            wait_established(&client, &api, &definition.name_any()).await?;
        }
        Ok(())
    }
}

async fn wait_established(client: &Client, api: &Api<CustomResourceDefinition>, name: &str) -> Result<()> {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let definition = api.get(name).await?;
        let conditions = definition.status.iter().flat_map(|status| status.conditions.iter().flatten());
        let established = conditions.clone().any(|it| it.type_ == "Established" && it.status == "True");
        if established && is_served(client, &definition).await? {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("{name} is not served: {:?}", conditions.collect::<Vec<_>>());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The server says a kind is established a moment before it answers requests for it and lists it for kubectl.
async fn is_served(client: &Client, definition: &CustomResourceDefinition) -> Result<bool> {
    let spec = &definition.spec;
    let (group, version) = (&spec.group, &spec.versions[0].name);
    let list = http::Request::get(format!("/apis/{group}/{version}/{}?limit=1", spec.names.plural)).body(Vec::new())?;
    let answers = client.request_text(list).await.is_ok();
    let listed = client.list_api_group_resources(&format!("{group}/{version}")).await;
    Ok(answers && listed.is_ok_and(|list| list.resources.iter().any(|resource| resource.name == spec.names.plural)))
}
