//! The OAuth endpoints: tokens (RFC 6749), introspection (RFC 7662),
//! revocation (RFC 7009). Each takes a form from a client and answers with
//! JSON that nobody may keep.

mod credentials;
mod error;
mod introspect;
mod request;
mod revoke;
mod token;

use std::sync::Arc;

use axum::{
    Router,
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::{MethodRouter, post},
};
use serde_json::Value;

use crate::service::Auth;

use super::{metadata, routes};

/// The token endpoint.
pub(super) const TOKEN: &str = "/oauth2/token";
/// The introspection endpoint.
pub(super) const INTROSPECT: &str = "/oauth2/introspect";
/// The revocation endpoint.
pub(super) const REVOKE: &str = "/oauth2/revoke";

/// The grants that the token endpoint knows.
pub(super) const GRANT_TYPES: [&str; 2] = [token::REFRESH_TOKEN, token::CLIENT_CREDENTIALS];
/// How clients may prove who they are (RFC 7591 section 2).
pub(super) const AUTH_METHODS: [&str; 3] =
    ["client_secret_basic", "client_secret_post", "private_key_jwt"];

/// The endpoints, at the root and under the issuer's path.
pub(super) fn router(issuer: &str) -> Router<Arc<Auth>> {
    let at = |name, route: fn() -> MethodRouter<Arc<Auth>>| {
        routes(metadata::places(issuer, name), route)
    };
    at(TOKEN, || post(token::serve))
        .merge(at(INTROSPECT, || post(introspect::serve)))
        .merge(at(REVOKE, || post(revoke::serve)))
}

/// An answer, with what RFC 6749 section 5.1 wants before it.
fn answer(status: StatusCode, body: &Value) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
        (header::PRAGMA, "no-cache"),
    ];
    (status, headers, body.to_string()).into_response()
}
