//! Tokenward: a standalone token-issuing auth microservice.

pub mod config;
pub mod crypto;
pub mod domain;
pub mod grpc;
pub mod service;
pub mod store;
