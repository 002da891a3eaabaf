//! Tokenward: a standalone token-issuing auth microservice.

pub mod crypto;
pub mod domain;
pub mod grpc;
pub mod http;
pub mod listener;
pub mod service;
pub mod store;
