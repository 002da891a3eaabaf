//! What tests share.

pub mod determinism;
