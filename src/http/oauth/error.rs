//! What a client is told about a failure (RFC 6749 section 5.2): the one table
//! from [`AuthError`] to OAuth, as `grpc/status.rs` is for gRPC.

use std::time::Duration;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;
use tracing::Level;

use crate::{
    domain::error::{
        AuthError, Denial, FieldViolation, RETRY_AFTER_OUTAGE, Refusal, chain, delay_seconds,
    },
    http::{failure::Failure, form::FormFault},
};

use super::answer;

/// A description is one line that people read.
const DESCRIPTION_MAX_LEN: usize = 1024;

/// A refusal, and what the log says of it.
pub(super) struct OauthError {
    status: StatusCode,
    error: &'static str,
    description: String,
    retry_after: Option<Duration>,
    level: Level,
    cause: Option<String>,
}

impl OauthError {
    /// The request is not what this endpoint takes.
    pub(super) fn invalid_request(description: impl AsRef<str>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", description)
    }

    /// The client has not said who it is, or in a way that is not known.
    pub(super) fn invalid_client() -> Self {
        Self::from(AuthError::Unauthenticated(Refusal::InvalidClient))
    }

    /// There is no such grant here.
    pub(super) fn unsupported_grant_type() -> Self {
        let description = "grant_type must be refresh_token or client_credentials";
        Self::new(StatusCode::BAD_REQUEST, "unsupported_grant_type", description)
    }

    /// What the token is for cannot be chosen here.
    pub(super) fn invalid_target(description: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_target", description)
    }

    /// The token is of a kind that cannot be revoked (RFC 7009 section 2.2.1).
    pub(super) fn unsupported_token_type(description: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "unsupported_token_type", description)
    }

    #[cfg(test)]
    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    fn new(status: StatusCode, error: &'static str, description: impl AsRef<str>) -> Self {
        let description = printable(description.as_ref());
        Self { status, error, description, retry_after: None, level: Level::INFO, cause: None }
    }
}

impl From<FormFault> for OauthError {
    fn from(fault: FormFault) -> Self {
        let status = match fault {
            FormFault::NotAForm => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            FormFault::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            FormFault::Malformed | FormFault::Repeated => StatusCode::BAD_REQUEST,
        };
        Self::new(status, "invalid_request", fault.to_string())
    }
}

impl From<AuthError> for OauthError {
    fn from(error: AuthError) -> Self {
        let (status, code) = meaning(&error);
        let mut told = Self::new(status, code, error.to_string());
        let ours = status == StatusCode::SERVICE_UNAVAILABLE;
        told.retry_after = error.retry_after().or(ours.then_some(RETRY_AFTER_OUTAGE));
        told.level = error.level();
        told.cause = Some(chain(&error));
        told
    }
}

fn meaning(error: &AuthError) -> (StatusCode, &'static str) {
    const BAD: StatusCode = StatusCode::BAD_REQUEST;
    match error {
        AuthError::InvalidArgument(violations) => broken_rule(violations),
        AuthError::Unauthenticated(refusal) => refused(*refusal),
        AuthError::PermissionDenied(Denial::ScopeNotAllowed) => (BAD, "invalid_scope"),
        AuthError::PermissionDenied(_) => (BAD, "unauthorized_client"),
        AuthError::AlreadyExists(_)
        | AuthError::NotFound(_)
        | AuthError::Conflict(_)
        | AuthError::FailedPrecondition(_) => (BAD, "invalid_request"),
        AuthError::Overloaded { .. }
        | AuthError::Throttled { .. }
        | AuthError::SlowWatcher { .. }
        | AuthError::IssuedRecently { .. } => {
            (StatusCode::TOO_MANY_REQUESTS, "temporarily_unavailable")
        }
        AuthError::Unavailable { .. } | AuthError::DeadlineExceeded => {
            (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable")
        }
        AuthError::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "server_error"),
    }
}

/// The first broken rule decides.
fn broken_rule(violations: &[FieldViolation]) -> (StatusCode, &'static str) {
    match violations.first().map(|violation| violation.field) {
        // It did not prove who it is, and has to.
        Some("credentials" | "client_secret" | "client_assertion") => {
            (StatusCode::UNAUTHORIZED, "invalid_client")
        }
        // It did, and is no client on which users log in.
        Some("client_id") => (StatusCode::BAD_REQUEST, "unauthorized_client"),
        Some("scope") => (StatusCode::BAD_REQUEST, "invalid_scope"),
        // RFC 8707 section 2.
        Some("audience") => (StatusCode::BAD_REQUEST, "invalid_target"),
        _ => (StatusCode::BAD_REQUEST, "invalid_request"),
    }
}

fn refused(refusal: Refusal) -> (StatusCode, &'static str) {
    match refusal {
        Refusal::InvalidClient => (StatusCode::UNAUTHORIZED, "invalid_client"),
        Refusal::MissingToken => (StatusCode::BAD_REQUEST, "invalid_request"),
        Refusal::InvalidCredentials
        | Refusal::InvalidToken
        | Refusal::WrongType
        | Refusal::Expired
        | Refusal::SessionExpired
        | Refusal::Revoked
        | Refusal::Reused
        | Refusal::RolledBack
        | Refusal::ClientMismatch
        | Refusal::KeyRevoked
        | Refusal::InvalidOneTimeToken => (StatusCode::BAD_REQUEST, "invalid_grant"),
    }
}

/// The characters that a description may have (RFC 6749 section 5.2).
fn printable(text: &str) -> String {
    let allowed = |c: char| matches!(c, ' '..='~') && !matches!(c, '"' | '\\');
    let shown = |c: char| if allowed(c) { c } else { '?' };
    text.chars().take(DESCRIPTION_MAX_LEN).map(shown).collect()
}

impl IntoResponse for OauthError {
    fn into_response(self) -> Response {
        let Self { status, error, description, retry_after, level, cause } = self;
        let cause = cause.unwrap_or_else(|| description.clone());
        let body = json!({ "error": error, "error_description": description });
        let mut response = answer(status, &body);
        let headers = response.headers_mut();
        if status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static(r#"Basic realm="tokenward""#);
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(delay) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(delay_seconds(delay)));
        }
        response.extensions_mut().insert(Failure { level, reason: error, cause });
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::error::{Fault, Outage};

    const SECRET: &str = "postgres://user:hunter2@db";

    fn told(error: AuthError) -> (u16, &'static str, Option<String>) {
        let error = OauthError::from(error);
        assert!(!error.description.contains("hunter2"), "{}", error.description);
        let code = error.error;
        let response = error.into_response();
        let headers = response.headers();
        let is_401 = response.status() == StatusCode::UNAUTHORIZED;
        assert_eq!(headers.contains_key(header::WWW_AUTHENTICATE), is_401, "{code}");
        assert_eq!(headers[header::CACHE_CONTROL], "no-store");
        let retry_after = headers.get(header::RETRY_AFTER);
        let retry_after = retry_after.map(|value| value.to_str().expect("ASCII").to_owned());
        (response.status().as_u16(), code, retry_after)
    }

    #[test]
    fn clients_are_told_what_they_can_repair() {
        let invalid = |field| AuthError::invalid(field, "must be another one");
        for (field, status, code) in [
            ("credentials", 401, "invalid_client"),
            ("client_id", 400, "unauthorized_client"),
            ("scope", 400, "invalid_scope"),
            ("audience", 400, "invalid_target"),
            ("refresh_token", 400, "invalid_request"),
        ] {
            assert_eq!(told(invalid(field)), (status, code, None));
        }
        let refused = AuthError::Unauthenticated;
        assert_eq!(told(refused(Refusal::InvalidClient)), (401, "invalid_client", None));
        for refusal in [Refusal::InvalidToken, Refusal::Expired, Refusal::ClientMismatch] {
            assert_eq!(told(refused(refusal)), (400, "invalid_grant", None));
        }
        let denied = AuthError::PermissionDenied(Denial::ScopeNotAllowed);
        assert_eq!(told(denied), (400, "invalid_scope", None));
    }

    #[test]
    fn what_is_our_fault_or_too_much_says_when_to_try_again() {
        let later = |seconds: &str| Some(seconds.to_owned());
        let overloaded = |millis| AuthError::Overloaded {
            work: "signing",
            retry_after: Duration::from_millis(millis),
        };
        for (millis, seconds) in [(0, "1"), (1000, "1"), (1001, "2")] {
            let expected = (429, "temporarily_unavailable", later(seconds));
            assert_eq!(told(overloaded(millis)), expected);
        }
        let fault = Fault::from(SECRET);
        let unavailable = AuthError::Unavailable { outage: Outage::Store, fault };
        assert_eq!(told(unavailable), (503, "temporarily_unavailable", later("1")));
        let too_late = AuthError::DeadlineExceeded;
        assert_eq!(told(too_late), (503, "temporarily_unavailable", later("1")));
        assert_eq!(told(AuthError::internal(SECRET)), (500, "server_error", None));
    }

    /// RFC 6749 section 5.2: no quotation mark, no backslash, nothing beyond ASCII.
    #[test]
    fn lo_07_descriptions_stay_one_line_of_ascii() {
        assert_eq!(printable("a\r\n\"b\\\u{1b}\u{202e}ä~"), "a???b????~");
        assert_eq!(printable(&"x".repeat(5000)).len(), DESCRIPTION_MAX_LEN);
    }
}
