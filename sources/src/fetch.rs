//! From a place to a path.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::bucket::Version;
use crate::cache::{claim, write};
use crate::digest::hex;
use crate::download::{Request, Tag, download, shown};
use crate::hub::Revision;
use crate::objects::Objects;
use crate::{BucketPlace, HubKind, HubPlace, Place, Settings, SourceError, StoreKind};

/// Files of one repository fetched at once.
const AT_ONCE: usize = 4;

/// Brings things here. Clones share their connections.
#[derive(Clone, Debug)]
pub struct Fetcher {
    settings: Arc<Settings>,
    client: Client,
}

impl Fetcher {
    /// Prepares to; asks for nothing yet.
    ///
    /// # Errors
    /// This machine has no means to ask.
    pub fn new(settings: Settings) -> Result<Self, SourceError> {
        let client = Client::builder()
            // Redirections are followed by hand: what is said on the way counts, and a token goes no further.
            .redirect(Policy::none())
            .connect_timeout(settings.patience.silence)
            .read_timeout(settings.patience.silence)
            .user_agent(concat!("real/", env!("CARGO_PKG_VERSION")))
            .build();
        let client =
            client.map_err(|error| SourceError::Uri { uri: "https".into(), message: format!("no client: {error}") })?;
        Ok(Self { settings: Arc::new(settings), client })
    }

    /// The path of the file at `place`, which is in the cache then where it was elsewhere.
    ///
    /// # Errors
    /// There is no such file, or it cannot be had.
    pub async fn file(&self, place: &Place) -> Result<PathBuf, SourceError> {
        match place {
            Place::Path(path) => Ok(path.clone()),
            Place::Web { url, sha256 } => self.web(url, sha256.as_deref()).await,
            Place::Hub(hub) => {
                let Some(path) = &hub.path else {
                    let message = "is a repository; name a file in it: …/PATH".to_owned();
                    return Err(SourceError::Uri { uri: named(hub), message });
                };
                let revision = self.revision(hub).await?;
                self.hub_file(hub, &revision.commit, path).await
            }
            Place::Bucket(bucket) => {
                let version = self.version(bucket, false).await?;
                self.bucket_file(bucket, &version, 0).await
            }
        }
    }

    /// The path of the folder at `place`: of a model's repository the files that a model is made of, of a data set's all.
    ///
    /// # Errors
    /// There is no such folder, or it cannot be had.
    pub async fn folder(&self, place: &Place) -> Result<PathBuf, SourceError> {
        let hub = match place {
            Place::Path(path) => return Ok(path.clone()),
            Place::Web { url, .. } => {
                let message =
                    "is one file; a folder is a path, a key in a bucket (s3://BUCKET/KEY) or a repository (hf://ORG/NAME)".to_owned();
                return Err(SourceError::Uri { uri: shown(url), message });
            }
            Place::Bucket(bucket) => return self.bucket_folder(bucket).await,
            Place::Hub(hub) => hub,
        };
        let revision = self.revision(hub).await?;
        let prefix = hub.path.as_ref().map(|path| format!("{path}/")).unwrap_or_default();
        let wanted: Vec<String> = revision
            .files
            .iter()
            .filter(|file| {
                file.strip_prefix(&prefix).is_some_and(|name| hub.kind == HubKind::Dataset || is_of_a_model(name))
            })
            .cloned()
            .collect();
        if wanted.is_empty() {
            let message = format!(
                "holds no model: its commit {} has {} files, none of which a model is made of",
                revision.commit,
                revision.files.len()
            );
            return Err(SourceError::Uri { uri: named(hub), message });
        }
        let (places, mut running) = (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new());
        for file in wanted {
            let (fetcher, hub, commit, places) =
                (self.clone(), hub.clone(), revision.commit.clone(), Arc::clone(&places));
            running.spawn(async move {
                let _place = places.acquire().await;
                fetcher.hub_file(&hub, &commit, &file).await.map(drop)
            });
        }
        while let Some(ended) = running.join_next().await {
            ended.map_err(|error| SourceError::io("fetch", &self.settings.cache, std::io::Error::other(error)))??;
        }
        Ok(self.commit_folder(hub, &revision.commit).join(prefix))
    }

    /// All objects under a key that a model is made of.
    async fn bucket_folder(&self, place: &BucketPlace) -> Result<PathBuf, SourceError> {
        let version = Arc::new(self.version(place, true).await?);
        let (places, mut running) = (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new());
        for index in 0..version.objects.len() {
            let (fetcher, place, version, places) =
                (self.clone(), place.clone(), Arc::clone(&version), Arc::clone(&places));
            running.spawn(async move {
                let _place = places.acquire().await;
                fetcher.bucket_file(&place, &version, index).await.map(drop)
            });
        }
        while let Some(ended) = running.join_next().await {
            ended.map_err(|error| SourceError::io("fetch", &self.settings.cache, std::io::Error::other(error)))??;
        }
        Ok(self.version_folder(place, &version))
    }

    fn place_folder(&self, place: &BucketPlace) -> PathBuf {
        // Another store may have a bucket of the same name.
        let Settings { buckets, google, azure, .. } = &*self.settings;
        let digest = match place.kind {
            StoreKind::S3 => Sha256::digest(format!("{:?} {}", buckets.endpoint, place.key)),
            StoreKind::Google => Sha256::digest(format!("gs {} {}", google.endpoint, place.key)),
            StoreKind::Azure => Sha256::digest(format!("az {:?} {:?} {}", azure.endpoint, azure.account, place.key)),
        };
        self.settings.cache.join("buckets").join(&place.bucket).join(hex(&digest[..12]))
    }

    fn version_folder(&self, place: &BucketPlace, version: &Version) -> PathBuf {
        self.place_folder(place).join(version.name())
    }

    /// What lies at a place now: its objects with their tags, as they were last where nothing may be asked for.
    async fn version(&self, place: &BucketPlace, folder: bool) -> Result<Version, SourceError> {
        let known = self.place_folder(place).join(if folder { "folder.json" } else { "file.json" });
        if self.settings.offline {
            let text = std::fs::read_to_string(&known).ok();
            let version = text.and_then(|text| serde_json::from_str(&text).ok());
            return version.ok_or_else(|| self.offline(place.to_string()));
        }
        let store = Objects::of(place, &self.settings, &self.client).await?;
        let mut version = if folder {
            store.list(place, &self.client, &self.settings).await?
        } else {
            store.look(place, &self.client, &self.settings).await?
        };
        if folder {
            let all = version.objects.len();
            version.objects.retain(|object| is_of_a_model(&object.name));
            if version.objects.is_empty() {
                let message =
                    format!("holds no model: {all} objects lie under that key, none of which a model is made of");
                return Err(SourceError::Uri { uri: place.to_string(), message });
            }
        }
        write(&known, &serde_json::to_string(&version).unwrap_or_default())?;
        Ok(version)
    }

    async fn bucket_file(&self, place: &BucketPlace, version: &Version, index: usize) -> Result<PathBuf, SourceError> {
        let object = &version.objects[index];
        let path = self.version_folder(place, version).join(&object.name);
        let what = format!("{place} ({})", object.name);
        let mut renewed = false;
        loop {
            let store = Objects::of(place, &self.settings, &self.client).await?;
            let sign = || store.get(&object.key);
            let request = Request {
                url: &store.address(&object.key),
                token: store.token(),
                sha256: place.sha256.as_deref(),
                signed: Some(&sign),
                tag: Tag::Object(place.kind),
            };
            match self.cached(&request, &path, &what).await {
                // A machine's own token lasts an hour, and a download may take longer.
                Err(SourceError::Refused { status: 401, .. }) if !renewed && request.token.is_some() => renewed = true,
                ended => return ended.map(|()| path),
            }
        }
    }

    fn hub_folder(&self, hub: &HubPlace) -> PathBuf {
        self.settings.cache.join("hub").join(hub.folder_name())
    }

    fn commit_folder(&self, hub: &HubPlace, commit: &str) -> PathBuf {
        self.hub_folder(hub).join("commits").join(commit)
    }

    /// The commit of a revision. One that is named by its commit, and is known, is not asked for.
    async fn revision(&self, hub: &HubPlace) -> Result<Revision, SourceError> {
        let reference = self.hub_folder(hub).join("refs").join(hub.revision.replace('/', "--"));
        let listing = |commit: &str| self.hub_folder(hub).join("files").join(format!("{commit}.json"));
        let known = |commit: &str| {
            let text = std::fs::read_to_string(listing(commit)).ok()?;
            let files = serde_json::from_str(&text).ok()?;
            Some(Revision { commit: commit.to_owned(), files })
        };
        let is_commit = hub.revision.len() == 40 && hub.revision.chars().all(|c| c.is_ascii_hexdigit());
        if is_commit && let Some(revision) = known(&hub.revision) {
            return Ok(revision);
        }
        if self.settings.offline {
            let commit = std::fs::read_to_string(&reference).ok();
            return commit.and_then(|commit| known(commit.trim())).ok_or_else(|| self.offline(named(hub)));
        }
        let Settings { hub: address, token, patience, .. } = &*self.settings;
        let revision = hub.revision(&self.client, address, token.as_deref(), *patience).await?;
        let files = serde_json::to_string(&revision.files).unwrap_or_default();
        write(&listing(&revision.commit), &files)?;
        write(&reference, &revision.commit)?;
        Ok(revision)
    }

    async fn hub_file(&self, hub: &HubPlace, commit: &str, file: &str) -> Result<PathBuf, SourceError> {
        let path = self.commit_folder(hub, commit).join(file);
        let url = hub.file_url(&self.settings.hub, commit, file)?;
        let request =
            Request { url: &url, token: self.settings.token.as_deref(), sha256: None, signed: None, tag: Tag::Blob };
        self.cached(&request, &path, &format!("{} ({file})", named(hub))).await?;
        Ok(path)
    }

    async fn web(&self, url: &Url, sha256: Option<&str>) -> Result<PathBuf, SourceError> {
        // The digest is part of the name: a file that is asked for with another one is another file.
        let mut digest = Sha256::new();
        digest.update(url.as_str());
        digest.update(sha256.unwrap_or_default());
        let name = url
            .path_segments()
            .and_then(|mut parts| parts.next_back())
            .filter(|name| !name.is_empty())
            .unwrap_or("file");
        let plain: String =
            name.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' }).collect();
        let path =
            self.settings.cache.join("web").join(hex(&digest.finalize()[..12])).join(plain.trim_start_matches('.'));
        let request = Request { url, token: None, sha256, signed: None, tag: Tag::Opaque };
        self.cached(&request, &path, &shown(url)).await?;
        Ok(path)
    }

    /// Fetches unless it is there, one process at a time.
    async fn cached(&self, request: &Request<'_>, path: &Path, what: &str) -> Result<(), SourceError> {
        if path.is_file() {
            return Ok(());
        }
        if self.settings.offline {
            return Err(self.offline(what.to_owned()));
        }
        let _claim = claim(path).await?;
        // Another process may have brought it meanwhile.
        if path.is_file() {
            Ok(())
        } else {
            download(&self.client, request, path, self.settings.patience, self.settings.parts).await
        }
    }

    fn offline(&self, what: String) -> SourceError {
        SourceError::Offline { what, cache: self.settings.cache.clone() }
    }
}

/// The URI again.
fn named(hub: &HubPlace) -> String {
    let kind = if hub.kind == HubKind::Dataset { "datasets/" } else { "" };
    let path = hub.path.as_ref().map(|path| format!("/{path}")).unwrap_or_default();
    format!("hf://{kind}{}@{}{path}", hub.repository, hub.revision)
}

/// Whether a file of a repository is read by anything that uses a model: configuration, tokenizer, weights.
fn is_of_a_model(name: &str) -> bool {
    let known = [
        "config.json",
        "generation_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "added_tokens.json",
        "vocab.json",
        "merges.txt",
        "chat_template.json",
        "chat_template.jinja",
        "model.safetensors.index.json",
    ];
    !name.contains('/')
        && (known.contains(&name) || Path::new(name).extension().is_some_and(|ending| ending == "safetensors"))
}
