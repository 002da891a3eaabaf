//! What tests share.

pub mod determinism;
pub mod postgres;
