//! Refinements: what a test says about a value.

mod condition;
mod scene;
mod trees;
mod validator;
mod view;

pub(super) use scene::Scene;
