//! What goes wrong around the operator must change nothing: the end of a job is the same as if nothing had.

#[path = "../rig/mod.rs"]
mod rig;

mod crash;
mod kueue;
mod lease;
mod life;
mod rights;
mod storms;
