//! What tests share.

pub mod altered_key;
pub mod determinism;
pub mod key_faults;
pub mod key_tools;
pub mod postgres;
pub mod skip;
pub mod world;
