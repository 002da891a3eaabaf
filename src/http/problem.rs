//! Refusals, as problem details (RFC 9457).

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

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
    /// A defect of ours.
    pub(super) const INTERNAL: Self = Self {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        body: r#"{"type":"about:blank","title":"Internal Server Error","status":500}"#,
    };
    /// It took too long.
    pub(super) const TIMED_OUT: Self = Self {
        status: StatusCode::SERVICE_UNAVAILABLE,
        body: r#"{"type":"about:blank","title":"Service Unavailable","status":503}"#,
    };
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let headers = [(header::CONTENT_TYPE, "application/problem+json")];
        (self.status, headers, self.body).into_response()
    }
}
