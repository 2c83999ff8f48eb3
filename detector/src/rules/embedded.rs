//! The files under `rules/`, as text.

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));
