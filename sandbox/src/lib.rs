//! Runs hostile Python programs against tests, one process a test.
//!
//! ```text
//! HTTP ─► batch / run_code ─► pool (queue) ─► worker ─► zygote (warm CPython, jailed) ─fork─► child: one test
//!                └── verdict ◄── compare ◄── record, output, clocks ◄── supervise ◄──────────────┘
//! ```
//!
//! Expected values stay on the left; only programs, arguments and standard input go right. See `README.md` for the
//! threats and what answers each.

pub mod batch;
mod bundle;
pub mod ceiling;
pub mod classes;
mod clock;
pub mod compare;
mod family;
pub mod interpreter;
pub mod jail;
pub mod job;
pub mod pool;
pub mod probe;
pub mod record;
pub mod scratch;
pub mod service;
pub mod supervise;
pub mod task_cache;
pub mod verdict;
pub mod zygote;
