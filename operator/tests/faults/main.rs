//! What goes wrong around the operator must change nothing: the end of a job, or of a sweep, is the same as if nothing had.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "tests print through their harness, which captures it")]

#[path = "../support/access.rs"]
mod access;
#[path = "../rig/mod.rs"]
mod rig;

mod crash;
mod kueue;
mod lease;
mod life;
mod lives;
mod restarts;
mod rights;
mod stopped;
mod storms;
mod sweeps;
