//! The files under `rules/` but those of languages, as text.

include!(concat!(env!("OUT_DIR"), "/rules.rs"));
include!(concat!(env!("OUT_DIR"), "/library.rs"));
