//! Every test that needs more than values: real databases, real sockets, the
//! real program. One binary, because each would link everything again.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod architecture;
mod attacks;
mod campaign;
mod client;
mod documents;
mod edges;
mod gateway_examples;
mod interop;
mod key_files;
mod key_numbers;
mod key_rotation;
mod keyring;
mod live_keys;
mod memory_store;
mod program;
mod service;
mod simulation;
mod store;
mod support;
mod transport;
mod wire;
