//! `real-operator`.

fn main() {}
