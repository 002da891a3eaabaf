//! Other people's clients against the real program: the tools that operators
//! type and the libraries that resource servers use.
//!
//! `tests/interop/install` puts them into `target/interop`. Without one, its
//! tests say that they were skipped.

mod assertions;
mod buf;
mod connect;
mod differential;
mod grpcurl;
mod grpcurl_errors;
mod issuer;
mod keys;
mod mutation;
mod operators_day;
mod schemathesis;
mod verifier;
mod verifiers;
mod werkzeug;

use std::path::{Path, PathBuf};

use crate::support::skip::has_tool;

/// Where the clients were installed.
fn clients() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/interop")
}

/// A program of a client; the calling test is skipped without it.
fn client(path: &str, argument: &str) -> Option<PathBuf> {
    let path = clients().join(path);
    has_tool(path.to_str().expect("UTF-8"), argument).then_some(path)
}
