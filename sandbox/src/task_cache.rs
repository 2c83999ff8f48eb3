//! What belongs to a task and not to a program, computed once: set-up files and expected values.
//!
//! Both are made in jailed processes that never see a program.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use real_sandbox_api::{Limits, Status, Value};
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;

use crate::batch::RECORD_BYTES;
use crate::classes::ClassOrder;
use crate::job::Work;
use crate::pool::{Order, Pool};
use crate::record::Record;
use crate::verdict::{Ended, ended};

/// Limits of set-ups and expected values; the task's author is trusted more than a model, but not with the machine.
const TASK_LIMITS: Limits = Limits {
    cpu_seconds: 30.0,
    wall_seconds: 60.0,
    memory_mib: 2048,
    output_bytes: 1 << 20,
    disk_mib: 64,
    processes: 16,
};
/// Largest set of files that a set-up may leave.
const CAPTURE_BYTES: u64 = 32 << 20;
/// Set-ups remembered.
const SET_UPS: usize = 1024;
/// Bytes of all set-ups remembered together.
const SET_UP_BYTES: usize = 512 << 20;
/// Orders of exception classes remembered, some 20 KiB each.
const ORDERS: usize = 2048;
/// Expected values remembered.
const VALUES: usize = 65_536;

type Key = [u8; 32];
type Cell<T> = Arc<OnceCell<Result<T, String>>>;

/// Whose fault it is that something of a task's is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Ours: another try may help, and nothing is remembered.
    Ours(String),
    /// The task's.
    Task(String),
}

impl Fault {
    /// The verdict of the tests that need it.
    pub fn status(&self) -> Status {
        match self {
            Self::Ours(_) => Status::SandboxError,
            Self::Task(_) => Status::TaskError,
        }
    }

    /// What happened.
    pub fn why(&self) -> &str {
        let (Self::Ours(why) | Self::Task(why)) = self;
        why
    }
}

/// The caches of a service.
#[derive(Default)]
pub struct TaskCache {
    set_ups: Mutex<Recent<Key, Cell<Arc<Vec<u8>>>>>,
    values: Mutex<Recent<Key, Result<Value, Fault>>>,
    orders: Mutex<Recent<Key, Arc<ClassOrder>>>,
}

impl TaskCache {
    /// Files that a set-up script leaves; the script runs once however many ask.
    pub async fn set_up(&self, pool: &Pool, script: &str) -> Result<Arc<Vec<u8>>, Fault> {
        let key = digest(&[script]);
        let cell = {
            let mut cache = self.set_ups.lock().unwrap_or_else(PoisonError::into_inner);
            let cell = cache.get_or_insert_with(key, Cell::default);
            let held = |cell: &Cell<Arc<Vec<u8>>>| {
                cell.get().and_then(|files| files.as_ref().ok()).map_or(0, |files| files.len())
            };
            cache.trim(SET_UPS, SET_UP_BYTES, held);
            cell
        };
        // A failure of ours is not remembered, so that the next request tries again.
        let files = cell.get_or_try_init(|| run_set_up(pool, script)).await.map_err(Fault::Ours)?;
        files.clone().map_err(Fault::Task)
    }

    /// Values of a task's own expressions.
    pub async fn values(
        &self,
        pool: &Pool,
        prelude: Option<&str>,
        sources: Vec<String>,
    ) -> HashMap<String, Result<Value, Fault>> {
        let mut known = HashMap::new();
        let mut missing = Vec::new();
        {
            let mut cache = self.values.lock().unwrap_or_else(PoisonError::into_inner);
            for source in sources {
                match cache.get(&digest(&[prelude.unwrap_or(""), &source])) {
                    Some(value) => drop(known.insert(source, value)),
                    None => missing.push(source),
                }
            }
        }
        missing.sort_unstable();
        missing.dedup();
        if missing.is_empty() {
            return known;
        }
        let mut found = evaluate(pool, prelude, &missing).await;
        if found.is_err() && missing.len() > 1 {
            // One bad expression must not spoil the others.
            let mut each = Vec::new();
            for source in &missing {
                each.push(evaluate(pool, prelude, std::slice::from_ref(source)).await.map(|mut one| one.remove(0)));
            }
            for (source, value) in missing.iter().zip(each) {
                self.remember(prelude, source, &value);
                known.insert(source.clone(), value);
            }
            return known;
        }
        for (at, source) in missing.iter().enumerate() {
            let value = match &mut found {
                Ok(values) => Ok(std::mem::replace(&mut values[at], Value::None)),
                Err(why) => Err(why.clone()),
            };
            self.remember(prelude, source, &value);
            known.insert(source.clone(), value);
        }
        known
    }

    /// The order of exception classes that tests with this prelude are judged by.
    pub async fn classes(&self, pool: &Pool, prelude: Option<&str>) -> Result<Arc<ClassOrder>, Fault> {
        let key = digest(&[prelude.unwrap_or("")]);
        let known = self.orders.lock().unwrap_or_else(PoisonError::into_inner).get(&key);
        if let Some(order) = known {
            return Ok(order);
        }
        let found = match outcome(&pool.run(task_order(Work::Classes, prelude)).await.map_err(Fault::Ours)?)? {
            Record::Value(value) => ClassOrder::read(&value)
                .ok_or_else(|| Fault::Ours("the order of exception classes has another shape".into()))?,
            other => return Err(Fault::Task(describe(other))),
        };
        let found = Arc::new(found);
        let mut cache = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        let order = cache.get_or_insert_with(key, || found);
        cache.trim(ORDERS, usize::MAX, |_| 0);
        Ok(order)
    }

    fn remember(&self, prelude: Option<&str>, source: &str, value: &Result<Value, Fault>) {
        if !matches!(value, Err(Fault::Ours(_))) {
            let mut cache = self.values.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = cache.get_or_insert_with(digest(&[prelude.unwrap_or(""), source]), || value.clone());
            cache.trim(VALUES, usize::MAX, |_| 0);
        }
    }
}

async fn run_set_up(pool: &Pool, script: &str) -> Result<Result<Arc<Vec<u8>>, String>, String> {
    let order = Order {
        work: Work::Setup { program: script.into(), capture_bytes: CAPTURE_BYTES },
        prelude: None,
        stdin: Vec::new(),
        files: None,
        code: None,
        keep_code: false,
        limits: TASK_LIMITS,
        record_bytes: CAPTURE_BYTES + (1 << 20),
        client: None,
    };
    let done = pool.run(order).await?;
    match outcome(&done) {
        Ok(Record::Files(files)) => Ok(Ok(Arc::new(files))),
        Ok(other) => Ok(Err(describe(other))),
        Err(Fault::Task(why)) => Ok(Err(why)),
        Err(Fault::Ours(why)) => Err(why),
    }
}

async fn evaluate(pool: &Pool, prelude: Option<&str>, sources: &[String]) -> Result<Vec<Value>, Fault> {
    let order = task_order(Work::Eval { sources: sources.to_vec() }, prelude);
    match outcome(&pool.run(order).await.map_err(Fault::Ours)?)? {
        Record::Value(Value::List(values)) if values.len() == sources.len() => Ok(values),
        other => Err(Fault::Task(describe(other))),
    }
}

fn task_order(work: Work, prelude: Option<&str>) -> Order {
    Order {
        work,
        prelude: prelude.map(String::from),
        stdin: Vec::new(),
        files: None,
        code: None,
        keep_code: false,
        limits: TASK_LIMITS,
        record_bytes: RECORD_BYTES,
        client: None,
    }
}

fn outcome(done: &crate::pool::Done) -> Result<Record, Fault> {
    let limit = Duration::from_secs_f64(TASK_LIMITS.cpu_seconds);
    match ended(&done.ending, &done.nonce, limit, TASK_LIMITS.memory_mib << 10) {
        Ended::Normally(record) => Ok(record),
        Ended::Early(Status::SandboxError, why) => Err(Fault::Ours(why)),
        Ended::Early(_, why) => Err(Fault::Task(why)),
    }
}

fn describe(record: Record) -> String {
    match record {
        Record::Exception(raised) => raised.to_string(),
        _ => "it gave no answer".into(),
    }
}

fn digest(parts: &[&str]) -> Key {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().into()
}

/// A map that forgets what was added first.
struct Recent<K, V> {
    entries: HashMap<K, V>,
    order: VecDeque<K>,
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self { entries: HashMap::new(), order: VecDeque::new() }
    }
}

impl<K: Copy + Eq + Hash, V: Clone> Recent<K, V> {
    fn get(&mut self, key: &K) -> Option<V> {
        self.entries.get(key).cloned()
    }

    fn get_or_insert_with(&mut self, key: K, make: impl FnOnce() -> V) -> V {
        if let Some(value) = self.entries.get(&key) {
            return value.clone();
        }
        let value = make();
        self.entries.insert(key, value.clone());
        self.order.push_back(key);
        value
    }

    /// Drops the oldest entries until there are few enough and they hold little enough; the newest stays.
    fn trim(&mut self, most: usize, bytes: usize, size: impl Fn(&V) -> usize) {
        let mut held: usize = if bytes == usize::MAX { 0 } else { self.entries.values().map(&size).sum() };
        while self.order.len() > 1 && (self.order.len() > most || held > bytes) {
            let Some(oldest) = self.order.pop_front() else { return };
            if let Some(value) = self.entries.remove(&oldest) {
                held = held.saturating_sub(size(&value));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_entries_go_first_and_the_newest_stays() {
        let mut recent: Recent<u32, usize> = Recent::default();
        for key in 0..5 {
            recent.get_or_insert_with(key, || 10);
        }
        recent.trim(3, usize::MAX, |_| 0);
        assert_eq!((recent.get(&1), recent.get(&2)), (None, Some(10)));
        recent.trim(3, 5, |size| *size);
        assert_eq!((recent.get(&3), recent.get(&4)), (None, Some(10)));
    }

    #[test]
    fn digests_keep_parts_apart() {
        assert_ne!(digest(&["ab", "c"]), digest(&["a", "bc"]));
    }
}
