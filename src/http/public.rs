//! Documents that anybody may read, from any origin, and keep for a while.

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;

use super::conditional::is_unchanged;

/// Five minutes: far less than a key is published before it signs.
pub(super) const CACHE_CONTROL: &str = "public, max-age=300";

/// One of them.
pub(super) struct Document<'a> {
    pub(super) json: Bytes,
    /// In quotes, as the header has it.
    pub(super) etag: &'a str,
}

impl Document<'_> {
    /// The document, or the news that there is none.
    pub(super) fn answer(self, request: &HeaderMap) -> Response {
        let length = HeaderValue::from(self.json.len());
        let mut response = if is_unchanged(request, self.etag) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            self.json.into_response()
        };
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(CACHE_CONTROL));
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("etag"));
        // Of the document, whether it is sent or not (RFC 9110 section 8.6).
        headers.insert(header::CONTENT_LENGTH, length);
        if let Ok(etag) = HeaderValue::from_str(self.etag) {
            headers.insert(header::ETAG, etag);
        }
        response
    }
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
