//! One bucket's prefix, as a place of checkpoints.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use real_crds::progress;
use real_sources::{Item, Shelf, SourceError};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::task::JoinSet;

use super::StoreError;
use crate::checkpoint::{self, Checkpoint, MANIFEST, Manifest, lease, step_of};
use crate::digests::of_each;
use crate::runtime::Runtime;

/// Who writes.
const OWNER: &str = "owner.json";
/// The manifest of a checkpoint that the run went back behind.
const SUPERSEDED: &str = "superseded.json";
/// What a start elsewhere goes on with beside a checkpoint, from the run directory.
const RECORDS: [&str; 2] = ["metrics.jsonl", "evaluations.jsonl"];
/// Files fetched at once.
const AT_ONCE: usize = 4;

/// `owner.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Owner {
    job: String,
    attempt: u64,
    /// Made up by each trainer.
    writer: String,
}

/// A bucket's prefix, as a place of checkpoints. Its methods block.
#[derive(Debug)]
pub struct Store {
    shelf: Arc<Shelf>,
    runtime: Runtime,
    own: Owner,
    /// Files that this process has sent of checkpoints that are not whole yet.
    sent: Mutex<HashSet<(u64, String)>>,
    /// What is known of whole checkpoints, so that a manifest is read once.
    known: Mutex<BTreeMap<u64, progress::Checkpoint>>,
}

impl Store {
    /// Prepares; asks for nothing yet.
    ///
    /// # Errors
    /// `uri` is none of a bucket, or its credentials cannot be read.
    pub fn new(uri: &str, job: &str, attempt: u64) -> Result<Self, StoreError> {
        let shelf =
            Shelf::from_environment(uri).map_err(|source| StoreError::Source { uri: uri.to_owned(), source })?;
        let runtime = Runtime::of_this_thread();
        let runtime =
            runtime.map_err(|source| StoreError::Io { action: "start a runtime for", path: uri.into(), source })?;
        let own = Owner { job: job.to_owned(), attempt, writer: format!("{:016x}", rand::random::<u64>()) };
        Ok(Self { shelf: Arc::new(shelf), runtime, own, sent: Mutex::default(), known: Mutex::default() })
    }

    /// `s3://BUCKET/PREFIX`.
    pub fn uri(&self) -> &str {
        self.shelf.uri()
    }

    /// How many requests it has done so far, each part of a file one.
    pub(super) fn done(&self) -> Arc<AtomicU64> {
        self.shelf.done()
    }

    /// Whether it can be asked and is not another job's.
    ///
    /// # Errors
    /// It cannot, or it is.
    pub fn check(&self) -> Result<(), StoreError> {
        if let Some(owner) = self.owner()?
            && owner.job != self.own.job
        {
            return Err(StoreError::AnotherJob {
                uri: self.uri().to_owned(),
                job: owner.job,
                own: self.own.job.clone(),
            });
        }
        Ok(())
    }

    /// Makes this the trainer that writes. What others left unfinished is removed.
    ///
    /// # Errors
    /// It cannot be written to.
    pub fn take(&self) -> Result<(), StoreError> {
        let text = serde_json::to_vec(&self.own).expect("plain data");
        self.wait(self.shelf.write(OWNER, text))?;
        let aborted = match self.wait(self.shelf.abort_torn()) {
            // Not every store has a list of them, or lets everybody see it; others' parts are of no harm.
            Err(StoreError::Source { source: source @ SourceError::Refused { .. }, .. }) => {
                tracing::warn!("uploads that were not finished cannot be looked for: {source}");
                0
            }
            aborted => aborted?,
        };
        let mut torn = 0;
        for (step, files) in self.folders()? {
            let names: BTreeSet<&str> = files.iter().map(|file| file.name.as_str()).collect();
            if !names.contains(MANIFEST) && !names.contains(SUPERSEDED) {
                self.delete(step, &names)?;
                torn += 1;
            }
        }
        if aborted > 0 || torn > 0 {
            tracing::info!("{}: removed {torn} torn checkpoints and {aborted} unfinished uploads", self.uri());
        }
        Ok(())
    }

    /// The whole checkpoints, oldest first.
    ///
    /// # Errors
    /// The store cannot be asked.
    pub fn whole(&self) -> Result<Vec<progress::Checkpoint>, StoreError> {
        let mut found = BTreeMap::new();
        for (step, files) in self.folders()? {
            let Some(sealed) = files.iter().find(|file| file.name == MANIFEST) else { continue };
            let known = lock(&self.known).get(&step).filter(|known| known.time == sealed.modified).cloned();
            let known = match known {
                Some(known) => known,
                None => match self.manifest(step) {
                    Ok((manifest, text)) => progress::Checkpoint {
                        step,
                        sha256: real_sources::hex(&Sha256::digest(&text)),
                        size_bytes: manifest.files.values().map(|file| file.bytes).sum(),
                        time: sealed.modified,
                    },
                    // What is no manifest makes no checkpoint.
                    Err(error @ StoreError::Content { .. }) => {
                        tracing::warn!("{error}; it is not counted");
                        continue;
                    }
                    Err(error) => return Err(error),
                },
            };
            found.insert(step, known);
        }
        lock(&self.known).clone_from(&found);
        Ok(found.into_values().collect())
    }

    /// Brings a checkpoint into `folder`, where it appears as `step-N` when it is whole and each file has its SHA-256.
    ///
    /// # Errors
    /// It cannot be had, or is damaged.
    pub fn fetch(&self, step: u64, folder: &Path) -> Result<Checkpoint, StoreError> {
        let (manifest, text) = self.manifest(step)?;
        let (partial, path) = (folder.join(format!(".fetch-step-{step}")), folder.join(format!("step-{step}")));
        let bytes: u64 = manifest.files.values().map(|file| file.bytes).sum();
        tracing::info!("fetching the checkpoint of step {step} from {} ({} MB)", self.uri(), bytes / 1_000_000);
        self.runtime.block_on(fetch_all(&self.shelf, step, &manifest, &partial)).map_err(|error| match error {
            Failed::Source(source) => self.failed(source),
            Failed::Io(path, source) => StoreError::Io { action: "fetch to", path, source },
        })?;
        let io = |action, source| StoreError::Io { action, path: path.clone(), source };
        fs::write(partial.join(MANIFEST), text).map_err(|error| io("write", error))?;
        checkpoint::sync_all(&partial).map_err(|error| io("sync", std::io::Error::other(error)))?;
        // One of the same step can only be a damaged one that was passed over.
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io("remove", error)),
            _ => {}
        }
        fs::rename(&partial, &path).map_err(|error| io("create", error))?;
        Ok(Checkpoint { step, path })
    }

    /// Brings the records of the run into its directory, in place of what is there.
    ///
    /// # Errors
    /// They cannot be had or written.
    pub fn fetch_records(&self, run_dir: &Path) -> Result<(), StoreError> {
        for name in RECORDS {
            if let Some(text) = self.wait(self.shelf.read(name))? {
                let path = run_dir.join(name);
                let partial = run_dir.join(format!("{name}.partial"));
                let written = fs::write(&partial, text).and_then(|()| fs::rename(&partial, &path));
                written.map_err(|source| StoreError::Io { action: "write", path, source })?;
            }
        }
        Ok(())
    }

    /// Sends a checkpoint: its files, the records of the run, and last its manifest. What an earlier try has sent is not sent again.
    ///
    /// # Errors
    /// A file cannot be read or sent, or another trainer writes now.
    pub fn upload(&self, checkpoint: &Checkpoint, run_dir: &Path) -> Result<(), StoreError> {
        let (step, path) = (checkpoint.step, &checkpoint.path);
        let io = |action, path: PathBuf| move |source| StoreError::Io { action, path, source };
        let text = fs::read(path.join(MANIFEST)).map_err(io("read", path.join(MANIFEST)))?;
        let manifest = self.parse(step, &text)?;
        if lock(&self.sent).iter().all(|(of, _)| *of != step) {
            // What lies there is of a run that went on from an earlier checkpoint, or torn.
            let old: Vec<String> = self.files(step)?.into_iter().map(|file| file.name).collect();
            self.delete(step, &old.iter().map(String::as_str).collect())?;
        }
        for name in manifest.files.keys() {
            let sent = (step, name.clone());
            if !lock(&self.sent).contains(&sent) {
                self.wait(self.shelf.put(&place(step, name), &path.join(name)))?;
                lock(&self.sent).insert(sent);
            }
        }
        let there: BTreeMap<String, u64> = self.files(step)?.into_iter().map(|file| (file.name, file.bytes)).collect();
        if let Some((name, file)) = manifest.files.iter().find(|(name, file)| there.get(*name) != Some(&file.bytes)) {
            // Somebody removed it; the next try sends it again.
            lock(&self.sent).retain(|(of, _)| *of != step);
            let reason = format!("{} bytes were sent, {:?} are there", file.bytes, there.get(name));
            return Err(self.content(&place(step, name), reason));
        }
        for name in RECORDS {
            let path = run_dir.join(name);
            if path.is_file() {
                self.wait(self.shelf.put(name, &path))?;
            }
        }
        self.still_ours()?;
        self.wait(self.shelf.write(&place(step, MANIFEST), text))?;
        lock(&self.sent).retain(|(of, _)| *of != step);
        Ok(())
    }

    /// Removes the whole checkpoints that are not among `kept` and that nobody holds a lease of; those that somebody does are given.
    ///
    /// # Errors
    /// The store cannot be asked, or another trainer writes now.
    pub fn retain(&self, kept: &[u64]) -> Result<Vec<(u64, lease::Lease)>, StoreError> {
        let mut held = Vec::new();
        let doomed: Vec<u64> = lock(&self.known).keys().copied().filter(|step| !kept.contains(step)).collect();
        if doomed.is_empty() {
            return Ok(held);
        }
        self.still_ours()?;
        let leases = self.leases()?;
        for step in doomed {
            if let Some(lease) = leases.get(&step) {
                held.push((step, lease.clone()));
                continue;
            }
            let files = self.files(step)?;
            self.delete(step, &files.iter().map(|file| file.name.as_str()).collect())?;
            lock(&self.known).remove(&step);
        }
        Ok(held)
    }

    /// Sets whole checkpoints after `step` aside: no start goes on from them, and they are there until the run writes that step again.
    ///
    /// # Errors
    /// The store cannot be written to.
    pub fn supersede(&self, step: u64) -> Result<(), StoreError> {
        for later in self.whole()?.into_iter().filter(|checkpoint| checkpoint.step > step) {
            let (_, text) = self.manifest(later.step)?;
            self.wait(self.shelf.write(&place(later.step, SUPERSEDED), text))?;
            self.wait(self.shelf.delete(&[place(later.step, MANIFEST)]))?;
            lock(&self.known).remove(&later.step);
            tracing::info!("{}/checkpoints/step-{} is set aside", self.uri(), later.step);
        }
        Ok(())
    }

    /// Steps of the whole checkpoints, as far as is known.
    pub fn known_steps(&self) -> BTreeSet<u64> {
        lock(&self.known).keys().copied().collect()
    }

    /// Reads the credentials anew where they can be read.
    pub fn refresh(&self) {
        if let Err(error) = self.shelf.refresh() {
            tracing::warn!("{error}");
        }
    }

    /// Leases that have not expired, one of each checkpoint; those that have are removed.
    fn leases(&self) -> Result<BTreeMap<u64, lease::Lease>, StoreError> {
        let (mut found, mut expired) = (BTreeMap::new(), Vec::new());
        for item in self.wait(self.shelf.list(lease::FOLDER))? {
            let name = format!("{}/{}", lease::FOLDER, item.name);
            match self.wait(self.shelf.read(&name))?.as_deref().and_then(lease::Lease::parse) {
                Some(lease) if lease.holds() => drop(found.insert(lease.step, lease)),
                _ => expired.push(name),
            }
        }
        self.wait(self.shelf.delete(&expired))?;
        Ok(found)
    }

    fn still_ours(&self) -> Result<(), StoreError> {
        match self.owner()? {
            Some(owner) if owner.writer != self.own.writer => {
                Err(StoreError::Taken { uri: self.uri().to_owned(), attempt: owner.attempt })
            }
            _ => Ok(()),
        }
    }

    fn owner(&self) -> Result<Option<Owner>, StoreError> {
        let Some(text) = self.wait(self.shelf.read(OWNER))? else { return Ok(None) };
        serde_json::from_slice(&text).map(Some).map_err(|error| self.content(OWNER, error.to_string()))
    }

    fn manifest(&self, step: u64) -> Result<(Manifest, Vec<u8>), StoreError> {
        let name = place(step, MANIFEST);
        let text = self.wait(self.shelf.read(&name))?;
        let text = text.ok_or_else(|| self.content(&name, "it is not there".to_owned()))?;
        Ok((self.parse(step, &text)?, text))
    }

    fn parse(&self, step: u64, text: &[u8]) -> Result<Manifest, StoreError> {
        let manifest = Manifest::parse(text).map_err(|reason| self.content(&place(step, MANIFEST), reason))?;
        if manifest.step != step {
            return Err(self.content(&place(step, MANIFEST), format!("it is of step {}", manifest.step)));
        }
        Ok(manifest)
    }

    /// All objects of each checkpoint, whole or not, by step.
    fn folders(&self) -> Result<BTreeMap<u64, Vec<Item>>, StoreError> {
        let mut folders: BTreeMap<u64, Vec<Item>> = BTreeMap::new();
        for item in self.wait(self.shelf.list("checkpoints"))? {
            let Some((step, name)) = item.name.split_once('/').and_then(|(of, name)| Some((step_of(of)?, name))) else {
                continue;
            };
            folders.entry(step).or_default().push(Item { name: name.to_owned(), ..item.clone() });
        }
        Ok(folders)
    }

    fn files(&self, step: u64) -> Result<Vec<Item>, StoreError> {
        self.wait(self.shelf.list(&format!("checkpoints/step-{step}")))
    }

    /// Deletes objects of a checkpoint, the one first that makes it whole.
    fn delete(&self, step: u64, names: &BTreeSet<&str>) -> Result<(), StoreError> {
        let (first, rest): (Vec<&str>, Vec<&str>) =
            names.iter().partition(|name| [MANIFEST, SUPERSEDED].contains(*name));
        for names in [first, rest] {
            let names: Vec<String> = names.into_iter().map(|name| place(step, name)).collect();
            self.wait(self.shelf.delete(&names))?;
        }
        Ok(())
    }

    fn wait<T>(&self, work: impl Future<Output = Result<T, SourceError>>) -> Result<T, StoreError> {
        self.runtime.block_on(work).map_err(|source| self.failed(source))
    }

    fn failed(&self, source: SourceError) -> StoreError {
        StoreError::Source { uri: self.uri().to_owned(), source }
    }

    fn content(&self, name: &str, reason: String) -> StoreError {
        StoreError::Content { uri: self.uri().to_owned(), name: name.to_owned(), reason }
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

fn place(step: u64, name: &str) -> String {
    format!("checkpoints/step-{step}/{name}")
}

enum Failed {
    Source(SourceError),
    Io(PathBuf, std::io::Error),
}

/// Brings the files of a manifest into a folder, some at once. Those that an earlier start brought whole are not fetched again.
async fn fetch_all(shelf: &Arc<Shelf>, step: u64, manifest: &Manifest, folder: &Path) -> Result<(), Failed> {
    let mut running = JoinSet::new();
    let joined = |ended: Result<Result<(), Failed>, _>| {
        ended.unwrap_or_else(|error| Err(Failed::Io(folder.to_owned(), std::io::Error::other(error))))
    };
    for (name, entry) in &manifest.files {
        if running.len() >= AT_ONCE
            && let Some(ended) = running.join_next().await
        {
            joined(ended)?;
        }
        let (shelf, path, name, entry) = (Arc::clone(shelf), folder.join(name), place(step, name), entry.clone());
        running.spawn(async move {
            if path.is_file() {
                let whole = of_each(std::slice::from_ref(&path)).map_err(|(path, error)| Failed::Io(path, error))?;
                if whole[0] == (entry.bytes, entry.sha256.clone()) {
                    return Ok(());
                }
                fs::remove_file(&path).map_err(|error| Failed::Io(path.clone(), error))?;
            }
            shelf.fetch(&name, &path, &entry.sha256).await.map_err(Failed::Source)
        });
    }
    while let Some(ended) = running.join_next().await {
        joined(ended)?;
    }
    Ok(())
}
