//! Plans, situation by situation: `snapshots/` says what is planned in each.

mod children;
mod server;
mod situations;
mod steps;
mod world;
