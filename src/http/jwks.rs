//! The public keys (RFC 7517 section 5), for caches and for browsers.

use std::sync::Arc;

use axum::{extract::State, http::HeaderMap, response::Response};

use crate::service::Auth;

use super::public::Document;

/// The bytes were made when the keys were loaded; no database is asked.
pub(super) async fn document(State(auth): State<Arc<Auth>>, request: HeaderMap) -> Response {
    let jwks = auth.jwks();
    Document { json: jwks.json.clone(), etag: &jwks.etag }.answer(&request)
}
