//! What tests share.

pub(crate) mod altered_key;
pub(crate) mod assertion;
pub(crate) mod authority;
pub(crate) mod beside;
pub(crate) mod command;
pub(crate) mod determinism;
pub(crate) mod http;
pub(crate) mod key_faults;
pub(crate) mod key_tools;
pub(crate) mod naughty;
pub(crate) mod postgres;
pub(crate) mod program;
pub(crate) mod proxy;
pub(crate) mod served;
pub(crate) mod skip;
pub(crate) mod tls;
pub(crate) mod world;
