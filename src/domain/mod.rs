//! What is true, as values: no async, no I/O, no clock reads.
//!
//! Everything here can be tested with plain values. Conversion to protobuf,
//! JSON over HTTP and database rows lives at the edges, never here.

pub mod account;
pub mod assertion;
pub mod audit;
pub mod claims;
pub mod client;
pub mod client_keys;
pub mod clock;
pub mod custom_claims;
pub mod entropy;
pub mod error;
pub mod id;
pub mod identifier;
pub mod issuance;
pub mod json;
pub mod keys;
pub mod one_time;
pub mod password;
pub mod policy;
pub mod revocation;
pub mod session;
pub mod throttle;
pub mod token;
pub mod verdict;
