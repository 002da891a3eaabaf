//! Which pages of other origins may make calls (the Fetch standard, section
//! 3.2). None, unless the configuration names their origins. Credentials of
//! the browser are never let along: calls carry their tokens themselves.

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, Method, header};
use tower_http::cors::CorsLayer;

use crate::arrival::REQUEST_ID;

/// What Connect and gRPC-Web send.
const ALLOWED: [HeaderName; 8] = [
    header::CONTENT_TYPE,
    header::AUTHORIZATION,
    HeaderName::from_static("connect-protocol-version"),
    HeaderName::from_static("connect-timeout-ms"),
    HeaderName::from_static("grpc-timeout"),
    HeaderName::from_static("x-grpc-web"),
    HeaderName::from_static("x-user-agent"),
    HeaderName::from_static(REQUEST_ID),
];
/// What pages may read besides.
const EXPOSED: [HeaderName; 5] = [
    HeaderName::from_static("grpc-status"),
    HeaderName::from_static("grpc-message"),
    HeaderName::from_static("grpc-status-details-bin"),
    header::RETRY_AFTER,
    HeaderName::from_static(REQUEST_ID),
];
/// The longest that browsers honour.
const MAX_AGE: Duration = Duration::from_hours(2);

/// For routes that pages of these origins may call. An origin was checked
/// with the configuration; one that is no header value matches no page.
pub(super) fn layer(origins: &[String]) -> CorsLayer {
    let origins = origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok());
    CorsLayer::new()
        .allow_origin(origins.collect::<Vec<_>>())
        .allow_methods([Method::POST])
        .allow_headers(ALLOWED)
        .expose_headers(EXPOSED)
        .max_age(MAX_AGE)
}
