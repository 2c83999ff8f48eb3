//! `real-operator migrate`: every object is stored anew in the version that its definition stores, so that older versions can be
//! taken out of the definition.
//!
//! The API server notes in `status.storedVersions` every version that it has ever stored, and refuses a definition without one of
//! them. Only who has rewritten all objects may say that a version is not stored any more.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt as _};
use real_terminal::outln;
use serde_json::{Value, json};

/// Objects that are asked for at once.
const PAGE: u32 = 500;
/// Tries for an object that others change meanwhile.
const TRIES: usize = 10;

/// What was done about one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Migrated {
    /// Plural name of the kind.
    pub plural: String,
    /// The version that it is stored in.
    pub version: String,
    /// Versions that objects may have been stored in before.
    pub before: Vec<String>,
    /// Objects that were backed up, written, and found to be what they were.
    pub objects: usize,
}

/// Migrates all kinds of REAL, with a copy of each object below `backup`, which must not hold anything yet. Kinds that are stored
/// in one version already are left alone. With `dry_run` nothing is written to the cluster.
///
/// # Errors
/// Where a definition is missing, a right is, the backup cannot be written, or an object is not what it was. `storedVersions` is
/// then as it was, and the command can be run again.
pub async fn migrate(client: &Client, backup: &Path, dry_run: bool) -> Result<Vec<Migrated>> {
    if backup.exists() {
        let mut held = fs::read_dir(backup).with_context(|| format!("the backup {}", backup.display()))?;
        ensure!(held.next().is_none(), "the backup {} holds something already: name a new folder", backup.display());
    }
    let mut all = Vec::new();
    for known in real_crds::definitions() {
        all.push(kind(client, &known.name_any(), backup, dry_run).await?);
    }
    Ok(all)
}

async fn kind(client: &Client, name: &str, backup: &Path, dry_run: bool) -> Result<Migrated> {
    let definitions = Api::<CustomResourceDefinition>::all(client.clone());
    let definition = definitions.get(name).await.with_context(|| format!("the definition {name}"))?;
    let stored = definition.spec.versions.iter().find(|version| version.storage).context("no version is stored")?;
    let (version, plural) = (stored.name.clone(), definition.spec.names.plural.clone());
    let before = definition.status.and_then(|status| status.stored_versions).unwrap_or_default();
    let mut migrated = Migrated { plural, version, before, objects: 0 };
    if migrated.before == [migrated.version.clone()] {
        outln!("{}: stored as {} alone, nothing to do", migrated.plural, migrated.version);
        return Ok(migrated);
    }
    let kind = GroupVersionKind::gvk(&definition.spec.group, &migrated.version, &definition.spec.names.kind);
    let resource = ApiResource::from_gvk_with_plural(&kind, &migrated.plural);
    let mut page = ListParams::default().limit(PAGE);
    loop {
        let found = Api::<DynamicObject>::all_with(client.clone(), &resource).list(&page).await?;
        for object in found.items {
            let api = match object.namespace() {
                None => Api::all_with(client.clone(), &resource),
                Some(namespace) => Api::namespaced_with(client.clone(), &namespace, &resource),
            };
            migrated.objects += usize::from(rewrite(&api, object, &backup.join(&migrated.plural), dry_run).await?);
        }
        match found.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => break,
        }
    }
    let Migrated { plural, version, before, objects } = &migrated;
    if dry_run {
        outln!("{plural}: {objects} objects, stored as {}, would be stored as {version}", before.join(" or "));
        return Ok(migrated);
    }
    let patch = json!({"status": {"storedVersions": [version]}});
    let trimmed = definitions.patch_status(name, &PatchParams::default(), &Patch::Merge(patch)).await;
    trimmed.with_context(|| format!("storedVersions of {name} (all {objects} objects are written)"))?;
    outln!("{plural}: {objects} objects, stored as {}, are stored as {version}", before.join(" or "));
    Ok(migrated)
}

/// Copies an object to the backup and has it stored anew; what comes back must be what it was. Says whether it was there.
async fn rewrite(api: &Api<DynamicObject>, mut object: DynamicObject, folder: &Path, dry_run: bool) -> Result<bool> {
    let name = object.name_any();
    let what = object.namespace().map_or_else(|| name.clone(), |namespace| format!("{namespace}/{name}"));
    for _ in 0..TRIES {
        save(&object, folder)?;
        if dry_run {
            return Ok(true);
        }
        // An empty patch: the server writes, because what is stored is not what it would store. The version makes it this object.
        let same = json!({"metadata": {"resourceVersion": object.resource_version()}});
        match api.patch(&name, &PatchParams::default(), &Patch::Merge(same)).await {
            Ok(written) => {
                ensure!(
                    content(&written)? == content(&object)?,
                    "{what} came back different from what it was; what it was is below {}",
                    folder.display()
                );
                return Ok(true);
            }
            Err(kube::Error::Api(status)) if status.code == 409 => match api.get_opt(&name).await? {
                Some(changed) => object = changed,
                None => return Ok(false),
            },
            Err(kube::Error::Api(status)) if status.code == 404 => return Ok(false),
            Err(error) => return Err(error).with_context(|| format!("{what} cannot be written")),
        }
    }
    bail!("{what} was changed by others {TRIES} times meanwhile: stop them, and run this again")
}

/// What of an object must stay: all but the count of its versions and who wrote which field.
fn content(object: &DynamicObject) -> Result<Value> {
    let mut content = serde_json::to_value(object)?;
    if let Some(metadata) = content["metadata"].as_object_mut() {
        metadata.remove("resourceVersion");
        metadata.remove("managedFields");
    }
    Ok(content)
}

/// `FOLDER/NAMESPACE/NAME.yaml`, ready for `kubectl create`.
fn save(object: &DynamicObject, folder: &Path) -> Result<PathBuf> {
    let mut copy = content(object)?;
    if let Some(metadata) = copy["metadata"].as_object_mut() {
        metadata.remove("uid");
    }
    let folder = folder.join(object.namespace().unwrap_or_default());
    let file = folder.join(format!("{}.yaml", object.name_any()));
    let text = serde_saphyr::to_string(&copy)?;
    fs::create_dir_all(&folder)
        .and_then(|()| fs::write(&file, text))
        .with_context(|| format!("the backup {} cannot be written", file.display()))?;
    Ok(file)
}
