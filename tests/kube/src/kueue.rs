//! Kueue, from its Go module, as a process beside the control plane: its definitions, its webhooks and its controller manager.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DynamicObject, Patch, PatchParams, TypeMeta};
use kube::core::GroupVersionKind;
use kube::{Api, ResourceExt as _, discovery};
use serde_json::{Value, json};

use crate::process::Process;
use crate::{ControlPlane, ports, programs};

const DEADLINE: Duration = Duration::from_mins(2);
const PAUSE: Duration = Duration::from_millis(500);
/// Groups whose kinds are on the server: a webhook for others would only be in the way.
const GROUPS: [&str; 2] = ["batch", "kueue.x-k8s.io"];
const NAMESPACE: &str = "kueue-system";
const SECRET: &str = "kueue-webhook-server-cert";
const SERVICE: &str = "kueue-webhook-service";
/// Kinds with two versions that differ.
const CONVERTED: [&str; 5] = ["localqueues", "clusterqueues", "cohorts", "workloads", "multikueueclusters"];

impl ControlPlane {
    /// Builds Kueue where it is missing, starts it for `batch/v1` Jobs with `gates` (`PriorityBoost=true,…`), and returns when it
    /// answers.
    ///
    /// # Errors
    /// Where it cannot be built, or does not start, with the end of its log.
    pub async fn start_kueue(&self, gates: &str) -> Result<()> {
        let programs = programs::folder_of("build-kueue")?;
        let manifests = programs.join("kueue-manifests");
        let (webhooks, health) = (ports::free()?, ports::free()?);
        self.put(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}), None).await?;
        // Kueue writes its certificate there.
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET}});
        self.put(&secret, Some(NAMESPACE)).await?;
        let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": SERVICE},
            "spec": {"type": "ExternalName", "externalName": "localhost"}});
        self.put(&service, Some(NAMESPACE)).await?;
        // Kueue writes its authority beside it.
        let hook =
            |path: &str| json!({"service": {"namespace": NAMESPACE, "name": SERVICE, "path": path, "port": webhooks}});
        for file in fs::read_dir(manifests.join("crd/bases"))? {
            for mut definition in documents(&file?.path())? {
                if definition["spec"]["names"]["plural"].as_str().is_some_and(|plural| CONVERTED.contains(&plural)) {
                    definition["spec"]["conversion"] = json!({"strategy": "Webhook", "webhook": {
                        "clientConfig": hook("/convert"), "conversionReviewVersions": ["v1"]}});
                }
                self.put(&definition, None).await?;
            }
        }
        for mut configuration in documents(&manifests.join("webhook/manifests.yaml"))? {
            let name = format!("kueue-{}", configuration["metadata"]["name"].as_str().unwrap_or_default());
            configuration["metadata"]["name"] = name.into();
            let hooks = configuration["webhooks"].as_array_mut().context("a configuration of webhooks")?;
            hooks.retain(|hook| GROUPS.iter().any(|group| hook["rules"][0]["apiGroups"][0] == *group));
            for found in hooks {
                let path = found["clientConfig"]["service"]["path"].as_str().unwrap_or_default().to_owned();
                found["clientConfig"] = hook(&path);
            }
            self.put(&configuration, None).await?;
        }
        let folder = self.folder().join("kueue");
        fs::create_dir_all(&folder)?;
        // JSON is YAML.
        let configuration = json!({
            "apiVersion": "config.kueue.x-k8s.io/v1beta2", "kind": "Configuration", "namespace": NAMESPACE,
            "health": {"healthProbeBindAddress": format!("127.0.0.1:{health}")},
            "metrics": {"bindAddress": "0"},
            "webhook": {"host": "127.0.0.1", "port": webhooks, "certDir": folder},
            "leaderElection": {"leaderElect": false},
            "internalCertManagement": {"enable": true},
            "integrations": {"frameworks": ["batch/job"]},
        });
        fs::write(folder.join("config.yaml"), configuration.to_string())?;
        let flags = [
            format!("--config={}", folder.join("config.yaml").display()),
            format!("--kubeconfig={}", self.kubeconfig().display()),
            // Its API server would need more rights and certificates than a test has to give.
            format!("--feature-gates=VisibilityOnDemand=false,{gates}"),
        ];
        let mut kueue = Process::start(&programs, "kueue", self.folder(), &flags)?;
        let deadline = Instant::now() + DEADLINE;
        while !ports::wait_open(webhooks, Instant::now() + PAUSE, || kueue.ended().is_none()) {
            if Instant::now() > deadline || kueue.ended().is_some() {
                bail!("Kueue did not start; its log ends with\n{}", kueue.tail());
            }
            self.mount_certificate(&folder).await?;
        }
        self.keep_kueue(kueue);
        Ok(())
    }

    /// Does what a kubelet does with a volume: Kueue waits for the files of the Secret that it has written.
    async fn mount_certificate(&self, folder: &Path) -> Result<()> {
        let secret = Api::<Secret>::namespaced(self.client(), NAMESPACE).get(SECRET).await?;
        for (name, content) in secret.data.unwrap_or_default() {
            fs::write(folder.join(name), content.0)?;
        }
        Ok(())
    }

    /// Applies an object.
    async fn put(&self, object: &Value, namespace: Option<&str>) -> Result<()> {
        let types: TypeMeta = serde_json::from_value(object.clone())?;
        let (resource, _) = discovery::pinned_kind(&self.client(), &GroupVersionKind::try_from(&types)?).await?;
        let object: DynamicObject = serde_json::from_value(object.clone())?;
        let api: Api<DynamicObject> = match namespace {
            None => Api::all_with(self.client(), &resource),
            Some(namespace) => Api::namespaced_with(self.client(), namespace, &resource),
        };
        let (name, apply) = (object.name_any(), PatchParams::apply("real-test-kube").force());
        let applied = api.patch(&name, &apply, &Patch::Apply(&object)).await;
        applied.with_context(|| format!("{} {name} of Kueue", types.kind))?;
        Ok(())
    }
}

fn documents(file: &Path) -> Result<Vec<Value>> {
    let text = fs::read_to_string(file)?;
    // Definitions are long, and trusted.
    let options = serde_saphyr::options! { budget: None };
    serde_saphyr::from_multiple_with_options(&text, options).with_context(|| file.display().to_string())
}
