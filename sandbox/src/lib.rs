//! Runs hostile Python programs against tests, one process a test.
//!
//! ```text
//! HTTP ─► batch / run_code ─► pool (queue) ─► worker ─► zygote (warm CPython, jailed) ─fork─► child: one test
//!                └── verdict ◄── compare ◄── record, output, clocks ◄── supervise ◄──────────────┘
//! ```
//!
//! Expected values stay on the left; only programs, arguments and standard input go right. See `README.md` for the
//! threats and what answers each.

mod account;
pub mod batch;
mod bundle;
pub mod ceiling;
mod cgroup;
pub mod classes;
mod clock;
pub mod compare;
mod injection;
pub mod interpreter;
pub mod jail;
pub mod job;
mod memory;
pub mod pool;
pub mod probe;
pub mod queue;
pub mod record;
pub mod scratch;
pub mod service;
pub mod supervise;
pub mod task_cache;
mod usage;
pub mod user;
pub mod verdict;
mod waited;
mod worker;
pub mod zygote;
mod zygotes;

pub use cgroup::clear_abandoned as clear_abandoned_groups;
