//! The public keys (RFC 7517 section 5), for caches and for browsers.

use std::sync::Arc;

use axum::{
    Extension,
    extract::State,
    http::HeaderMap,
    response::{IntoResponse as _, Response},
};

use crate::service::Auth;

use super::{failure::Failure, problem::Problem, public::Document};

/// The bytes were made when the keys were loaded; no database is asked.
pub(super) async fn document(State(auth): State<Arc<Auth>>, request: HeaderMap) -> Response {
    match auth.jwks() {
        Ok(jwks) => Document { json: jwks.json.clone(), etag: &jwks.etag }.answer(&request),
        Err(error) => (Extension(Failure::from(&error)), Problem::UNAVAILABLE).into_response(),
    }
}
