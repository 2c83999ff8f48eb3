//! Libraries that panic at files which are wrong: here that is an error.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// What work on a file gives that a library does. What a panic left half done must not be used again.
///
/// # Errors
/// It panics, and what it says then.
pub fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        said.unwrap_or("its parts contradict each other").lines().collect::<Vec<_>>().join(" ")
    })
}
