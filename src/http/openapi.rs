//! `GET /openapi.json`: the whole HTTP side, for people and their tools.
//!
//! The document is a file of the repository. Its part about the calls is made
//! from the descriptors, by a test that compares (`tests/it/wire/openapi`).

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::LazyLock,
};

use axum::{http::HeaderMap, response::Response};
use bytes::Bytes;

use super::public::Document;

const TEXT: &str = include_str!("../../docs/openapi.json");

static ETAG: LazyLock<String> = LazyLock::new(|| {
    let mut hasher = DefaultHasher::new();
    TEXT.hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
});

/// The same for everybody, until the program is another.
pub(super) async fn document(request: HeaderMap) -> Response {
    Document { json: Bytes::from_static(TEXT.as_bytes()), etag: &ETAG }.answer(&request)
}
