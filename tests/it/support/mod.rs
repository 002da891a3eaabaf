//! What tests share.

pub mod determinism;
pub mod postgres;
pub mod skip;
pub mod world;
