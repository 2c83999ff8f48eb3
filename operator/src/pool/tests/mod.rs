//! Plans, situation by situation.
