//! What the operator sees of a running process.

pub mod logs;
pub mod metrics;
