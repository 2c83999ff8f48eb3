//! Any text: parse → findings, without a panic and in time.

#![no_main]

use libfuzzer_sys::fuzz_target;
use real_detector_fuzz::check;

fuzz_target!(|text: &str| check(text));
