//! `real` as people use it: the program itself, with the real detector and sandbox beside it.
//!
//! `cargo build --bins` (part of `make test`) has to come first: the other programs are found beside `real`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "tests print through their harness, which captures it")]

mod bad_job;
mod bad_machine;
mod job;
mod supervision;
