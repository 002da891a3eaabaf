//! What tests share.

pub(crate) mod altered_key;
pub mod determinism;
pub(crate) mod key_faults;
pub(crate) mod key_tools;
