//! Programs made of choices: each is Python, and comes to a fixpoint in a number of steps that its size explains.

#![no_main]

use libfuzzer_sys::fuzz_target;
use real_detector_fuzz::{check, generator};

fuzz_target!(|bytes: &[u8]| {
    let code = generator::program(&mut generator::Choices::new(bytes));
    check(&code);
});
