//! Leases: somebody reads a checkpoint, so that retention lets it be until they are done, or have not been heard of for a while.
//!
//! A lease is a small file `leases/step-N.HOLDER.json` beside the folder `checkpoints`, on a disk or in a bucket. Its holder writes it
//! before it reads, writes it anew from time to time, and removes it when it is done. It ends by itself where its holder dies.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use real_sources::{Settings, Shelf};
use serde::{Deserialize, Serialize};

use super::step_of;
use crate::train::stop::Stop;

/// Name of the folder.
pub const FOLDER: &str = "leases";
/// How long a lease holds that is not renewed.
const LENGTH: SignedDuration = SignedDuration::from_mins(10);
/// How often a holder renews.
const RENEWED: Duration = Duration::from_mins(2);

/// That somebody reads a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Lease {
    /// Step of the checkpoint.
    pub step: u64,
    /// Who reads, for people: a cell of a sweep.
    pub holder: String,
    /// When it ends by itself.
    pub expires: Timestamp,
}

impl Lease {
    /// What was written, where it is one.
    pub fn parse(text: &[u8]) -> Option<Self> {
        serde_json::from_slice(text).ok()
    }

    /// Whether it has not ended. One that ends further in the future than any is made for is from a clock that is wrong.
    pub fn holds(&self) -> bool {
        let left = self.expires.duration_since(Timestamp::now());
        left > SignedDuration::ZERO && left <= LENGTH * 2
    }
}

/// Leases in the folder beside `checkpoints` that have not ended, one of each step. Those that have are removed.
pub fn of_disk(checkpoints: &Path) -> BTreeMap<u64, Lease> {
    let mut found = BTreeMap::new();
    let Some(folder) = checkpoints.parent().map(|run| run.join(FOLDER)) else { return found };
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|ending| ending != "json") {
            continue;
        }
        match fs::read(&path).ok().as_deref().and_then(Lease::parse) {
            Some(lease) if lease.holds() => drop(found.insert(lease.step, lease)),
            // It may be gone by now.
            _ => drop(fs::remove_file(&path)),
        }
    }
    found
}

/// Where leases of a checkpoint lie.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Disk(PathBuf),
    /// In a bucket: what is a run directory there, and the checkpoint.
    Bucket {
        run: String,
        uri: String,
    },
}

/// A lease that is renewed for as long as this is there.
#[derive(Debug)]
pub struct Held {
    /// Dropped, it ends the thread.
    end: Option<Sender<()>>,
    /// Closed when it has.
    ended: Receiver<()>,
    stop: Stop,
}

impl Held {
    /// Takes a lease of the checkpoint at `uri`, a path or one in a bucket, `…/checkpoints/step-N`, for `holder`; none where it is no checkpoint's.
    /// `folder` is where leases of a checkpoint on a disk are written, where that is not beside it. That it cannot be written is told in
    /// the log: who may only read can still do that. A store that does not answer is left to itself once someone asks to stop: the lease ends
    /// by itself then.
    pub fn take(uri: &str, folder: Option<&Path>, holder: &str, stop: &Stop) -> Option<Self> {
        let (run, number) = run_of(uri)?;
        let place = match (real_sources::is_in_a_bucket(uri), folder) {
            (true, _) => Place::Bucket { run, uri: uri.to_owned() },
            (false, Some(folder)) => Place::Disk(folder.to_owned()),
            (false, None) => Place::Disk(Path::new(&run).join(FOLDER)),
        };
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' };
        let name = format!("step-{number}.{}.json", holder.chars().map(plain).collect::<String>());
        let holder = holder.to_owned();
        let text = move || {
            let lease = Lease { step: number, holder: holder.clone(), expires: Timestamp::now() + LENGTH };
            serde_json::to_vec(&lease).expect("plain data")
        };
        let (end, to_end) = channel::<()>();
        let (begun, has_begun) = channel::<()>();
        let (ends, ended) = channel::<()>();
        let work = move || {
            let _until_then = ends;
            let desk = match Desk::open(&place) {
                Ok(desk) => desk,
                Err(error) => return tracing::warn!("no lease of step {number} can be taken: {error}"),
            };
            loop {
                if let Err(error) = desk.write(&name, text()) {
                    tracing::warn!("the lease of step {number} cannot be written: {error}");
                }
                let _ = begun.send(());
                match to_end.recv_timeout(RENEWED) {
                    Err(RecvTimeoutError::Timeout) => {}
                    _ => return desk.remove(&name),
                }
            }
        };
        std::thread::Builder::new().name("lease".to_owned()).spawn(work).ok()?;
        // Written, or known not to be, before anything is read.
        stop.wait_for(&has_begun);
        Some(Self { end: Some(end), ended, stop: stop.clone() })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.end.take());
        self.stop.wait_for(&self.ended);
    }
}

/// The run directory of a checkpoint's folder, or what is one in a bucket, and its step.
fn run_of(uri: &str) -> Option<(String, u64)> {
    let (rest, name) = uri.trim_end_matches('/').rsplit_once('/')?;
    let run = rest.strip_suffix("/checkpoints")?;
    let run = run.strip_prefix("file://").unwrap_or(run);
    let is_writable = !run.contains("://") || real_sources::is_in_a_bucket(uri);
    is_writable.then_some(())?;
    Some((run.to_owned(), step_of(name)?))
}

/// Something that leases are written to.
enum Desk {
    Disk(PathBuf),
    Bucket(Box<Shelf>, tokio::runtime::Runtime),
}

impl Desk {
    fn open(place: &Place) -> anyhow::Result<Self> {
        Ok(match place {
            Place::Disk(folder) => {
                fs::create_dir_all(folder)?;
                Self::Disk(folder.clone())
            }
            Place::Bucket { run, uri } => {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                // The credentials are those of the checkpoint, which is read as well.
                Self::Bucket(Box::new(Shelf::new(run, Settings::from_environment(uri)?)?), runtime)
            }
        })
    }

    fn write(&self, name: &str, text: Vec<u8>) -> anyhow::Result<()> {
        match self {
            Self::Disk(folder) => {
                let partial = folder.join(format!(".{name}.partial"));
                fs::write(&partial, text)?;
                Ok(fs::rename(partial, folder.join(name))?)
            }
            Self::Bucket(bucket, runtime) => Ok(runtime.block_on(bucket.write(&format!("{FOLDER}/{name}"), text))?),
        }
    }

    fn remove(&self, name: &str) {
        match self {
            Self::Disk(folder) => drop(fs::remove_file(folder.join(name))),
            // It ends by itself where this fails.
            Self::Bucket(bucket, runtime) => drop(runtime.block_on(bucket.delete(&[format!("{FOLDER}/{name}")]))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_lies_beside_the_checkpoints_while_it_is_held_and_no_longer() {
        let run = tempfile::tempdir().expect("a temporary folder");
        let checkpoints = run.path().join("checkpoints");
        let path = checkpoints.join("step-7").display().to_string();
        let held = Held::take(&path, None, "sweep/cell 3", &Stop::default()).expect("a checkpoint");
        let found = of_disk(&checkpoints);
        assert_eq!(found.get(&7).map(|lease| lease.holder.as_str()), Some("sweep/cell 3"));
        drop(held);
        assert!(of_disk(&checkpoints).is_empty());
        assert!(Held::take("/models/a", None, "x", &Stop::default()).is_none(), "no checkpoint");
        for uri in ["hf://org/run/checkpoints/step-1", "https://host/run/checkpoints/step-1"] {
            assert!(run_of(uri).is_none(), "nothing can be written there");
        }
        for scheme in ["s3", "gs", "az"] {
            let uri = format!("{scheme}://b/p/checkpoints/step-12/");
            assert_eq!(run_of(&uri), Some((format!("{scheme}://b/p"), 12)));
        }
    }

    #[test]
    fn a_holder_that_died_and_a_clock_that_is_wrong_hold_nothing() {
        let run = tempfile::tempdir().expect("a temporary folder");
        let folder = run.path().join(FOLDER);
        fs::create_dir_all(&folder).expect("writable");
        let now = Timestamp::now();
        for (step, minutes) in [(1, -1), (2, 600), (3, 5)] {
            let expires = now + SignedDuration::from_mins(minutes);
            let lease = Lease { step, holder: "h".to_owned(), expires };
            fs::write(folder.join(format!("step-{step}.h.json")), serde_json::to_vec(&lease).expect("JSON"))
                .expect("writable");
        }
        fs::write(folder.join("step-4.h.json"), "{").expect("writable");
        let found = of_disk(&run.path().join("checkpoints"));
        assert_eq!(found.keys().copied().collect::<Vec<_>>(), [3]);
        assert_eq!(fs::read_dir(folder).expect("readable").count(), 1, "what has ended is removed");
    }
}
