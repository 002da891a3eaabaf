//! The gRPC edge: decode, call the service, encode.

pub mod codec;
pub mod pb;
