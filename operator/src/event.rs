//! Events that a plan wants published.

use serde::Serialize;

/// An event about an object; reason and note are those of the condition it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedEvent {
    /// Whether something went wrong.
    pub warning: bool,
    /// A word in `CamelCase`.
    pub reason: String,
    /// A sentence for people.
    pub note: String,
    /// What the operator did or does about it.
    pub action: String,
}

/// Longest note of an event, in bytes, that the API server takes.
pub const LONGEST_NOTE: usize = 1024;

/// As much of a text as an event's note may have.
pub(crate) fn for_event(text: &str) -> String {
    text[..text.floor_char_boundary(LONGEST_NOTE)].to_owned()
}
