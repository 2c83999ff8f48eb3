//! A folder in a bucket that is written to.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use bytes::Bytes;
use jiff::Timestamp;
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use tokio::task::JoinSet;

use crate::ask::text_of;
use crate::download::{Request, Tag, download, shown};
use crate::objects::Objects;
use crate::upload::{self, Begun};
use crate::{BucketPlace, Place, Settings, SourceError};

/// Objects deleted at once.
const DELETED_AT_ONCE: usize = 8;
/// Most bytes of an object that is read into memory.
const LARGEST_READ: u64 = 16 << 20;

/// An object on a [`Shelf`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its name below what was listed, `/` between folders.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// When it was written, by the store's clock.
    pub modified: Option<Timestamp>,
}

/// A folder in a bucket that is written to: `s3://BUCKET/PREFIX`, `gs://BUCKET/PREFIX` or `az://CONTAINER/PREFIX`. An object is there whole or not at all. What a fault interrupted
/// is gone on with by the same `Shelf`: parts of a file that the store has are not sent again.
pub struct Shelf {
    uri: String,
    place: BucketPlace,
    settings: Settings,
    /// Where the store is and who asks, in place of those of `settings`: they change.
    access: RwLock<Settings>,
    client: Client,
    /// Files that have begun to be sent and are not whole yet, by key.
    begun: Mutex<BTreeMap<String, Begun>>,
    /// Requests that were done, each part of a file one.
    done: Arc<AtomicU64>,
}

impl Shelf {
    /// The folder at `uri`. Asks for nothing yet.
    ///
    /// # Errors
    /// It is no prefix in a bucket, or there is no such store.
    pub fn new(uri: &str, settings: Settings) -> Result<Self, SourceError> {
        let Place::Bucket(place) = Place::parse(uri)? else {
            let message =
                "cannot be written to: must be s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://CONTAINER/PREFIX"
                    .to_owned();
            return Err(SourceError::Uri { uri: uri.to_owned(), message });
        };
        Objects::is_somewhere(&place, &settings)?;
        let client = Client::builder()
            .redirect(Policy::none())
            .connect_timeout(settings.patience.silence)
            // A store says nothing while a part is on its way to it.
            .read_timeout(settings.patience.silence * 10)
            .user_agent(concat!("real/", env!("CARGO_PKG_VERSION")))
            .build();
        let client =
            client.map_err(|error| SourceError::Uri { uri: uri.to_owned(), message: format!("no client: {error}") })?;
        let uri = uri.trim_end_matches('/').to_owned();
        let access = RwLock::new(settings.clone());
        Ok(Self { uri, place, settings, access, client, begun: Mutex::default(), done: Arc::default() })
    }

    /// The same with settings from the environment ([`Settings::from_environment`]).
    ///
    /// # Errors
    /// As [`Shelf::new`] and [`Settings::from_environment`].
    pub fn from_environment(uri: &str) -> Result<Self, SourceError> {
        Self::new(uri, Settings::from_environment(uri)?)
    }

    /// Reads the credentials anew: those of a mounted Secret change, and temporary ones expire.
    ///
    /// # Errors
    /// As [`Settings::from_environment`]; what was used before is used on.
    pub fn refresh(&self) -> Result<(), SourceError> {
        let new = Settings::from_environment(&self.uri)?;
        *self.access.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    /// Its URI, without a `/` at the end.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// How many requests the store has done so far, each part of a file one: whoever waits sees whether it does anything.
    pub fn done(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.done)
    }

    /// All objects below the folder `below`; those of the whole shelf where that is empty.
    ///
    /// # Errors
    /// The store cannot be asked.
    pub async fn list(&self, below: &str) -> Result<Vec<Item>, SourceError> {
        let prefix = if below.is_empty() { format!("{}/", self.place.key) } else { format!("{}/", self.key(below)) };
        let listed = self.store().await?.listed(&self.client, &prefix, self.settings.patience).await?;
        self.count();
        let item = |one: crate::listing::Listed| Item { name: one.name, bytes: one.bytes, modified: one.modified };
        Ok(listed.into_iter().map(item).collect())
    }

    /// What is in a small object; none where there is none.
    ///
    /// # Errors
    /// It cannot be had, or is larger than 16 MiB.
    pub async fn read(&self, name: &str) -> Result<Option<Vec<u8>>, SourceError> {
        let (store, key) = (self.store().await?, self.key(name));
        let url = store.address(&key);
        let request = || store.read(&self.client, &key);
        let response = match store.ask(&key, self.settings.patience, request, &[]).await {
            // That there is no bucket is another matter.
            Err(SourceError::Refused { status: 404, hint, .. })
                if !hint.contains("NoSuchBucket") && !hint.contains("ContainerNotFound") =>
            {
                return Ok(None);
            }
            response => response?,
        };
        if response.content_length().is_some_and(|length| length > LARGEST_READ) {
            let what = format!("it is larger than {} MiB", LARGEST_READ >> 20);
            return Err(SourceError::Protocol { url: shown(&url), what });
        }
        let text = text_of(response).await.map_err(|what| SourceError::Protocol { url: shown(&url), what })?;
        self.count();
        Ok(Some(text.into_bytes()))
    }

    /// Writes a small object.
    ///
    /// # Errors
    /// It cannot be written.
    pub async fn write(&self, name: &str, content: impl Into<Bytes>) -> Result<(), SourceError> {
        let (store, key) = (self.store().await?, self.key(name));
        let request = || store.put_whole(&self.client, &key);
        upload::put(&store, &key, self.settings.patience, &request, content.into()).await?;
        self.count();
        Ok(())
    }

    /// Sends a file, in parts where it is large.
    ///
    /// # Errors
    /// The file cannot be read, or the object cannot be written.
    pub async fn put(&self, name: &str, path: &Path) -> Result<(), SourceError> {
        let length = tokio::fs::metadata(path).await.map_err(|error| SourceError::io("read", path, error))?.len();
        if length <= self.settings.parts.bytes {
            let content = tokio::fs::read(path).await.map_err(|error| SourceError::io("read", path, error))?;
            return self.write(name, content).await;
        }
        let mut sent = self.put_parts(name, path, length).await;
        // A machine's own token lasts an hour, and a large file may take longer.
        if matches!(sent, Err(SourceError::Refused { status: 401, .. })) {
            sent = self.put_parts(name, path, length).await;
        }
        sent
    }

    /// Goes on with an upload, or begins one.
    async fn put_parts(&self, name: &str, path: &Path, length: u64) -> Result<(), SourceError> {
        let (store, key) = (self.store().await?, self.key(name));
        let known = self.begun.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
        let sending = upload::Sending {
            client: &self.client,
            store: &store,
            patience: self.settings.patience,
            at_once: self.settings.parts.at_once,
            key: &key,
            path,
            done: &self.done,
        };
        let mut begun = match known.filter(|known| known.length() == length) {
            Some(begun) => begun,
            None => sending.begin(length, self.settings.parts.bytes).await?,
        };
        let sent = sending.go_on(&mut begun).await;
        if let Err(error) = &sent
            && !upload::is_unknown(error)
        {
            self.begun.lock().unwrap_or_else(PoisonError::into_inner).insert(key, begun);
        }
        sent
    }

    /// Brings an object to `path`, whole and with this SHA-256, or not at all.
    ///
    /// # Errors
    /// There is no such object, or it is another one, or it cannot be had.
    pub async fn fetch(&self, name: &str, path: &Path, sha256: &str) -> Result<(), SourceError> {
        let key = self.key(name);
        let mut renewed = false;
        loop {
            let store = self.store().await?;
            let sign = || store.get(&key);
            let url = store.address(&key);
            let request = Request {
                url: &url,
                token: store.token(),
                sha256: Some(sha256),
                signed: Some(&sign),
                tag: Tag::Object(store.kind()),
            };
            match download(&self.client, &request, path, self.settings.patience, self.settings.parts).await {
                Err(SourceError::Refused { status: 401, .. }) if !renewed && request.token.is_some() => renewed = true,
                ended => return ended,
            }
        }
    }

    /// Deletes objects; those that are not there are no error.
    ///
    /// # Errors
    /// One cannot be deleted; others may have been.
    pub async fn delete(&self, names: &[String]) -> Result<(), SourceError> {
        let store = self.store().await?;
        let mut running = JoinSet::new();
        for name in names {
            if running.len() >= DELETED_AT_ONCE
                && let Some(ended) = running.join_next().await
            {
                self.joined(ended)?;
            }
            let (client, store, key, patience) =
                (self.client.clone(), store.clone(), self.key(name), self.settings.patience);
            running.spawn(async move {
                let request = || store.delete(&client, &key);
                store.ask(&key, patience, request, &[StatusCode::NOT_FOUND]).await.map(drop)
            });
        }
        while let Some(ended) = running.join_next().await {
            self.joined(ended)?;
        }
        Ok(())
    }

    /// Ends uploads below this folder that others began and did not finish: what they sent costs money and is of no use. Gives their
    /// number; none of Azure's, which drops them by itself after a week.
    ///
    /// # Errors
    /// The store cannot be asked.
    pub async fn abort_torn(&self) -> Result<usize, SourceError> {
        let store = self.store().await?;
        let prefix = format!("{}/", self.place.key);
        let own: Vec<String> = {
            let begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
            begun.values().map(|begun| begun.id().to_owned()).collect()
        };
        let torn = store.unfinished(&self.client, &prefix, self.settings.patience).await?;
        let torn: Vec<_> = torn.into_iter().filter(|(_, id)| !own.contains(id)).collect();
        for (key, id) in &torn {
            store.abort(&self.client, (key, id), self.settings.patience).await?;
        }
        Ok(torn.len())
    }

    fn joined(&self, ended: Result<Result<(), SourceError>, tokio::task::JoinError>) -> Result<(), SourceError> {
        ended.map_err(|error| SourceError::io("delete in", Path::new(&self.uri), std::io::Error::other(error)))??;
        self.count();
        Ok(())
    }

    fn count(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }

    /// The store, as it is asked now. A machine's own token is fetched anew each time: it lasts an hour.
    async fn store(&self) -> Result<Objects, SourceError> {
        let access = self.access.read().unwrap_or_else(PoisonError::into_inner).clone();
        Objects::of(&self.place, &access, &self.client).await
    }

    fn key(&self, name: &str) -> String {
        format!("{}/{name}", self.place.key)
    }
}

impl std::fmt::Debug for Shelf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shelf").field("uri", &self.uri).finish_non_exhaustive()
    }
}
