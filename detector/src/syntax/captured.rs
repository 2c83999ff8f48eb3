//! Patterns of `match`.

use ruff_python_ast::{Identifier, Pattern};

/// The name that a pattern of `match` itself binds; those of the patterns in it are theirs.
pub(crate) fn captured(pattern: &Pattern) -> Option<&Identifier> {
    match pattern {
        Pattern::MatchAs(capture) => capture.name.as_ref(),
        Pattern::MatchStar(capture) => capture.name.as_ref(),
        Pattern::MatchMapping(mapping) => mapping.rest.as_ref(),
        _ => None,
    }
}
