//! What tests share.

pub mod command;
pub mod determinism;
pub mod postgres;
pub mod program;
pub mod skip;
pub mod world;
