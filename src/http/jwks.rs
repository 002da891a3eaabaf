//! The public keys (RFC 7517 section 5), for caches and for browsers.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::service::Auth;

use super::conditional::is_unchanged;

/// Five minutes: far less than a key is published before it signs.
pub(super) const CACHE_CONTROL: &str = "public, max-age=300";

/// The document, or the news that there is none. The bytes were made when the
/// keys were loaded; no database is asked.
pub(super) async fn document(State(auth): State<Arc<Auth>>, request: HeaderMap) -> Response {
    let jwks = auth.jwks();
    let length = HeaderValue::from(jwks.json.len());
    let mut response = if is_unchanged(&request, &jwks.etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        jwks.json.clone().into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(CACHE_CONTROL));
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("etag"));
    // Of the document, whether it is sent or not (RFC 9110 section 8.6).
    headers.insert(header::CONTENT_LENGTH, length);
    if let Ok(etag) = HeaderValue::from_str(&jwks.etag) {
        headers.insert(header::ETAG, etag);
    }
    response
}

/// Browsers ask before they send `If-None-Match` across origins.
pub(super) async fn preflight() -> Response {
    let headers = [
        (header::ALLOW, "GET, HEAD, OPTIONS"),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "if-none-match"),
        (header::ACCESS_CONTROL_MAX_AGE, "86400"),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}
