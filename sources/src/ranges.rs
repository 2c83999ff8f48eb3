//! A large file in several ranges at once, each of which is gone on with by itself.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use futures::{StreamExt as _, stream};
use reqwest::{Client, Response, StatusCode};
use serde::{Deserialize, Serialize};

use crate::cache::{beside, write};
use crate::download::{Facts, Fault, NEWS_EVERY, Range, Request, causes, progress, range_start, send, shown};
use crate::{Parts, SourceError};

/// Most ranges of a file.
const MOST: u64 = 10_000;

/// Which ranges of a file there are and which are here: `PATH.partial.ranges`, beside the file that they are written into.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Plan {
    etag: String,
    length: u64,
    /// Bytes of a range; the last may be shorter.
    bytes: u64,
    done: BTreeSet<u64>,
}

/// Bytes of a file that are here.
pub(crate) fn have(partial: &Path) -> u64 {
    match Plan::read(partial) {
        Some(plan) => plan.done.iter().map(|number| plan.end(*number) - number * plan.bytes).sum(),
        None => fs::metadata(partial).map_or(0, |metadata| metadata.len()),
    }
}

/// There are no ranges of it any more.
pub(crate) fn forget(partial: &Path) {
    let _ = fs::remove_file(beside(partial, ".ranges"));
}

impl Plan {
    /// A plan for a file of which a server has this version; none where one range is enough, or nobody could say that ranges are of the
    /// same file.
    pub(crate) fn of(length: Option<u64>, etag: Option<&str>, parts: Parts) -> Option<Self> {
        let (length, etag) = (length?, etag.filter(|etag| !etag.is_empty())?);
        let bytes = parts.bytes.max(length.div_ceil(MOST)).max(1);
        let plan = || Self { etag: etag.to_owned(), length, bytes, done: BTreeSet::new() };
        (parts.at_once > 1 && length / bytes >= 2).then(plan)
    }

    /// What an earlier try has noted.
    pub(crate) fn read(partial: &Path) -> Option<Self> {
        let text = fs::read_to_string(beside(partial, ".ranges")).ok()?;
        let plan: Self = serde_json::from_str(&text).ok()?;
        // The file is as long as it will be from the beginning.
        let is_there = fs::metadata(partial).is_ok_and(|metadata| metadata.len() == plan.length);
        (is_there && plan.bytes > 0).then_some(plan)
    }

    fn end(&self, number: u64) -> u64 {
        ((number + 1) * self.bytes).min(self.length)
    }

    fn note(&self, partial: &Path) -> Result<(), Fault> {
        let text = serde_json::to_string(self).unwrap_or_default();
        write(&beside(partial, ".ranges"), &text).map_err(Fault::Lasting)
    }

    /// Brings what is missing, some ranges at once; `begun` is an answer whose body is the file from its first byte.
    pub(crate) async fn go_on(
        self,
        client: &Client,
        request: &Request<'_>,
        partial: &Path,
        parts: Parts,
        begun: Option<(Response, Facts)>,
    ) -> Result<Facts, Fault> {
        let lasting = |doing, error| Fault::Lasting(SourceError::io(doing, partial, error));
        let file = File::options().create(true).truncate(false).write(true).open(partial);
        let file = file.map_err(|error| lasting("write", error))?;
        if begun.is_some() {
            file.set_len(self.length).map_err(|error| lasting("write", error))?;
            self.note(partial)?;
        }
        let ranges = self.length.div_ceil(self.bytes);
        let missing: Vec<u64> = (0..ranges).filter(|number| !self.done.contains(number)).collect();
        let (first, facts) = match begun {
            Some((response, facts)) => (Some(response), Some(facts)),
            None => (None, None),
        };
        let (first, facts) = (Mutex::new(first), Mutex::new(facts));
        let plan = Mutex::new(self);
        let news = News { began: Instant::now(), told: Mutex::new(Instant::now()), here: AtomicU64::new(0) };
        let (file, plan_ref, facts_ref, news_ref) = (&file, &plan, &facts, &news);
        let (first_ref, stopped) = (&first, AtomicBool::new(false));
        let stopped_ref = &stopped;
        let work = |number: u64| async move {
            let (from, end, etag, length) = {
                let plan = plan_ref.lock().unwrap_or_else(PoisonError::into_inner);
                (number * plan.bytes, plan.end(number), plan.etag.clone(), plan.length)
            };
            // Those that are under way are waited for, and no more begun.
            if stopped_ref.load(Ordering::Relaxed) {
                return Ok(());
            }
            let had = first_ref.lock().unwrap_or_else(PoisonError::into_inner).take().filter(|_| number == 0);
            let response = if let Some(response) = had {
                response
            } else {
                let (response, said) = send(client, request, Some(Range { from, end: Some(end), etag: &etag })).await?;
                if response.status() != StatusCode::PARTIAL_CONTENT || range_start(response.headers()) != Some(from) {
                    // The next try begins anew.
                    forget(partial);
                    let _ = fs::remove_file(partial);
                    let what = "the file there is another one now, or it gives no ranges any more";
                    return Err(Fault::Passing(what.to_owned(), None));
                }
                let mut facts = facts_ref.lock().unwrap_or_else(PoisonError::into_inner);
                // What is said of a range's length is not of the file's.
                facts.get_or_insert(Facts { length: Some(length), ..said });
                response
            };
            fill(file, response, from, end, news_ref)
                .await
                .map_err(|error| error.unwrap_or_else(|error| lasting("write", error)))?;
            file.sync_data().map_err(|error| lasting("write", error))?;
            news_ref.tell(request, length);
            let mut plan = plan_ref.lock().unwrap_or_else(PoisonError::into_inner);
            plan.done.insert(number);
            // One is missing until the whole was checked: what a server says of the file comes with it.
            if plan.done.len() as u64 == ranges { Ok(()) } else { plan.note(partial) }
        };
        let mut ended = stream::iter(missing).map(work).buffer_unordered(parts.at_once);
        let mut failed = None;
        while let Some(result) = ended.next().await {
            if let Err(fault) = result {
                stopped.store(true, Ordering::Relaxed);
                failed = failed.or(Some(fault));
            }
        }
        drop(ended);
        if let Some(fault) = failed {
            return Err(fault);
        }
        let length = Some(plan.into_inner().unwrap_or_else(PoisonError::into_inner).length);
        let facts = facts.into_inner().unwrap_or_else(PoisonError::into_inner).unwrap_or_default();
        Ok(Facts { length, ..facts })
    }
}

/// How far all ranges together are.
struct News {
    began: Instant,
    told: Mutex<Instant>,
    here: AtomicU64,
}

impl News {
    fn tell(&self, request: &Request<'_>, length: u64) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.elapsed() < NEWS_EVERY {
            return;
        }
        *told = Instant::now();
        let here = self.here.load(Ordering::Relaxed);
        let speed = here as f64 / self.began.elapsed().as_secs_f64();
        tracing::info!("fetching {}: {}", shown(request.url), progress(here, Some(length), speed));
    }
}

/// Writes an answer's bytes into their place, and no more of them.
async fn fill(
    file: &File,
    mut response: Response,
    from: u64,
    end: u64,
    news: &News,
) -> Result<(), Result<Fault, std::io::Error>> {
    let mut at = from;
    while at < end {
        let chunk = match response.chunk().await {
            Ok(Some(chunk)) => chunk,
            Ok(None) => break,
            Err(error) => return Err(Ok(Fault::Passing(causes(&error.without_url()), None))),
        };
        let wanted = usize::try_from(end - at).unwrap_or(usize::MAX).min(chunk.len());
        file.write_all_at(&chunk[..wanted], at).map_err(Err)?;
        at += wanted as u64;
        news.here.fetch_add(wanted as u64, Ordering::Relaxed);
    }
    if at < end {
        let what = format!("a range ended after {} of {} bytes", at - from, end - from);
        return Err(Ok(Fault::Passing(what, None)));
    }
    Ok(())
}
