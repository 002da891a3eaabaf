//! Tokenward: a standalone token-issuing auth microservice.
//!
//! It signs RS256 access and refresh tokens, publishes its public keys as a
//! JWKS, and answers `Login`, `Refresh`, `Verify` and `Revoke` over gRPC.
//!
//! # The map of this house
//!
//! Data flows one way: an edge decodes a request, the service decides, the
//! domain says what is true, and store and crypto do what was decided.
//!
//! ```text
//! main → cli → app → { grpc, http } → gateway → service → domain
//!                    { store, crypto } → domain        service sees their ports only
//! ```
//!
//! | folder | what is in it |
//! |---|---|
//! | [`domain`] | what is true, as values: claims, sessions, revocations, the key schedule, policy |
//! | [`service`] | what each call does, one file per call |
//! | [`crypto`] | keys, signatures, password hashes, and the threads that make them |
//! | [`store`] | users, sessions and the revocation log, in SQLite or PostgreSQL |
//! | [`grpc`], [`http`] | the two edges: gRPC, and HTTP |
//! | [`gateway`] | what gateways ask about a request: may it pass, and who is it? |
//! | [`arrival`] | what both find out about a request: where it comes from, its id, its token |
//! | `client` | for other services: verifies tokens in their process (feature `client`) |
//! | [`listener`] | accepted connections: TLS, limits, draining |
//! | [`audit_lines`] | the audit log, as lines among the logs |
//! | [`backup`] | keys and the embedded database in one file |
//! | [`pace`] | when files that may have changed are looked at again |
//! | [`peers`] | how much one peer may take of what there is |
//! | [`config`] | every setting with its default and bounds |
//! | [`app`] | puts the parts together; the only place that names concrete adapters |
//! | [`cli`] | one file per group of commands |
//! | [`telemetry`] | logs, metrics |
//!
//! `tests/it/architecture.rs` holds the arrows. Time and randomness are
//! parameters ([`domain::clock`], [`domain::entropy`]). A failed call is one
//! [`domain::error::AuthError`], whatever it came through.

pub mod app;
pub mod arrival;
pub mod audit_lines;
pub mod backup;
pub mod cli;
#[cfg(feature = "client")]
pub mod client;
pub mod config;
pub mod crypto;
pub mod domain;
pub mod gateway;
pub mod grpc;
pub mod http;
pub mod listener;
pub mod pace;
pub mod peers;
pub mod service;
pub mod store;
pub mod telemetry;
