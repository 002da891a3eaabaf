//! Refusals, as problem details (RFC 9457).

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::gateway::Refused;

/// A refusal that needs no more words than its status has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Problem {
    status: StatusCode,
    body: &'static str,
}

impl Problem {
    /// There is nothing here.
    pub(super) const NOT_FOUND: Self = Self {
        status: StatusCode::NOT_FOUND,
        body: r#"{"type":"about:blank","title":"Not Found","status":404}"#,
    };
    /// There is, for other methods; `Allow` says which.
    pub(super) const METHOD_NOT_ALLOWED: Self = Self {
        status: StatusCode::METHOD_NOT_ALLOWED,
        body: r#"{"type":"about:blank","title":"Method Not Allowed","status":405}"#,
    };
    /// The body is of a type that is not read.
    pub(super) const UNSUPPORTED_MEDIA_TYPE: Self = Self {
        status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
        body: r#"{"type":"about:blank","title":"Unsupported Media Type","status":415}"#,
    };
    /// The body is larger than any honest one.
    pub(super) const CONTENT_TOO_LARGE: Self = Self {
        status: StatusCode::PAYLOAD_TOO_LARGE,
        body: r#"{"type":"about:blank","title":"Content Too Large","status":413}"#,
    };
    /// A defect of ours.
    pub(super) const INTERNAL: Self = Self {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        body: r#"{"type":"about:blank","title":"Internal Server Error","status":500}"#,
    };
    /// It took too long, or cannot be told yet.
    pub(super) const UNAVAILABLE: Self = Self {
        status: StatusCode::SERVICE_UNAVAILABLE,
        body: r#"{"type":"about:blank","title":"Service Unavailable","status":503}"#,
    };
}

/// A refusal that has its reason.
pub(super) fn refused(refused: Refused) -> Response {
    let headers =
        [(header::CONTENT_TYPE, Refused::CONTENT_TYPE), (header::CACHE_CONTROL, "no-store")];
    let mut response = (refused.status, headers, refused.body()).into_response();
    response.headers_mut().extend(refused.headers);
    response
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let headers = [(header::CONTENT_TYPE, Refused::CONTENT_TYPE)];
        (self.status, headers, self.body).into_response()
    }
}
