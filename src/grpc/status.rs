//! THE error table: what a caller is told about each failure.
//!
//! Services fail with [`AuthError`]; tonic fails with statuses of its own when
//! a request does not even reach a service, and so do the reflection services
//! in the middle of their streams. All end here, so every failed call carries exactly one `google.rpc.ErrorInfo` (domain `tokenward`, a
//! reason in `UPPER_SNAKE_CASE`) and one `RequestInfo`; `INVALID_ARGUMENT`
//! adds `BadRequest`; what is worth trying again adds `RetryInfo`.
//! What an [`AuthError`] holds for the operator never reaches an answer.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt as _};

use crate::domain::error::{AuthError, RETRY_AFTER_OUTAGE, chain};

/// The `domain` of every `ErrorInfo`.
pub const DOMAIN: &str = "tokenward";
/// A message goes into one header.
const MESSAGE_MAX_LEN: usize = 1024;

/// What a caller is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub code: Code,
    /// `ErrorInfo.reason`.
    pub reason: &'static str,
    /// One line of ASCII.
    pub message: String,
    /// `ErrorInfo.metadata`: what varies in the message.
    pub metadata: Option<(&'static str, &'static str)>,
    /// `BadRequest.field_violations`: field and rule.
    pub violations: Vec<(String, String)>,
    /// `RetryInfo.retry_delay`.
    pub retry_after: Option<Duration>,
}

/// The answer to a failure of a service.
pub fn answer(error: &AuthError) -> Answer {
    let code = match error {
        AuthError::InvalidArgument(_) => Code::InvalidArgument,
        AuthError::Unauthenticated(_) => Code::Unauthenticated,
        AuthError::PermissionDenied(_) => Code::PermissionDenied,
        AuthError::AlreadyExists(_) => Code::AlreadyExists,
        AuthError::NotFound(_) => Code::NotFound,
        AuthError::Conflict(_) => Code::Aborted,
        AuthError::FailedPrecondition(_) => Code::FailedPrecondition,
        AuthError::Overloaded { .. }
        | AuthError::Throttled { .. }
        | AuthError::SlowWatcher { .. }
        | AuthError::IssuedRecently { .. } => Code::ResourceExhausted,
        AuthError::Unavailable { .. } => Code::Unavailable,
        AuthError::DeadlineExceeded => Code::DeadlineExceeded,
        AuthError::Internal(_) => Code::Internal,
    };
    Answer {
        metadata: match error {
            AuthError::AlreadyExists(field) => Some(("field", field)),
            AuthError::NotFound(thing) | AuthError::Conflict(thing) => Some(("resource", thing)),
            AuthError::Overloaded { work, .. } => Some(("work", work)),
            _ => None,
        },
        violations: match error {
            AuthError::InvalidArgument(violations) => {
                violations.iter().map(|v| (v.field.to_owned(), one_line(&v.rule))).collect()
            }
            _ => Vec::new(),
        },
        retry_after: error.retry_after(),
        ..Answer::new(code, error.reason(), error.to_string())
    }
}

/// The answer to a failure that is none of the service's: before it was
/// reached, or in a stream of health or reflection.
///
/// - tonic calls a message over the size limit `OUT_OF_RANGE`, and other
///   servers `RESOURCE_EXHAUSTED`. Here that code promises that trying again
///   will help, and it will not: `INVALID_ARGUMENT`.
/// - It calls broken framing `INTERNAL`, which would alarm us about a mistake
///   of the caller: `INVALID_ARGUMENT` too. Our own defects come as
///   [`AuthError::Internal`] and never here.
pub fn foreign(status: &Status) -> Answer {
    let malformed = |reason, text: &str| Answer {
        violations: vec![(String::new(), text.to_owned())],
        ..Answer::new(Code::InvalidArgument, reason, format!("invalid argument: {text}"))
    };
    match status.code() {
        Code::OutOfRange => malformed("MESSAGE_TOO_LARGE", "the request message is too large"),
        Code::InvalidArgument | Code::Internal | Code::Unknown => malformed(
            "MALFORMED_REQUEST",
            "the request is not one valid protobuf message of its type",
        ),
        // tonic explains encodings that it does not know, and nothing else.
        Code::Unimplemented if !status.message().is_empty() => {
            Answer::new(Code::Unimplemented, "UNSUPPORTED_ENCODING", "compression is not supported")
        }
        Code::Unimplemented => {
            Answer::new(Code::Unimplemented, "UNKNOWN_METHOD", "there is no such method")
        }
        // Reflection does not know a name.
        Code::NotFound => Answer {
            metadata: Some(("resource", "descriptor")),
            ..Answer::new(Code::NotFound, "NOT_FOUND", "there is no such descriptor")
        },
        Code::ResourceExhausted => Answer {
            retry_after: Some(RETRY_AFTER_OUTAGE),
            ..Answer::new(Code::ResourceExhausted, "OVERLOADED", "overloaded")
        },
        Code::Unavailable => Answer {
            retry_after: Some(RETRY_AFTER_OUTAGE),
            ..Answer::new(Code::Unavailable, "NOT_READY", "unavailable")
        },
        code => Answer::new(code, "CALL_FAILED", "the call failed"),
    }
}

/// The complete status of a stream of ours that fails in its middle, where
/// trailers cannot carry an [`AuthError`] to the edge.
pub(super) fn in_stream(error: &AuthError, request_id: &str) -> Status {
    if let AuthError::Internal(fault) | AuthError::Unavailable { fault, .. } = error {
        tracing::error!(target: "tokenward::grpc", request_id, cause = chain(fault), "stream failed");
    }
    answer(error).into_status(request_id)
}

/// The reason of a status that is complete, as [`in_stream`] makes them.
pub(crate) fn said(status: &Status) -> Option<String> {
    let details = status.get_error_details();
    let info = details.error_info().filter(|info| info.domain == DOMAIN)?;
    Some(info.reason.clone())
}

impl Answer {
    fn new(code: Code, reason: &'static str, message: impl AsRef<str>) -> Self {
        Self {
            code,
            reason,
            message: one_line(message.as_ref()),
            metadata: None,
            violations: Vec::new(),
            retry_after: None,
        }
    }

    /// The status to send, with all details.
    pub fn into_status(self, request_id: &str) -> Status {
        let metadata = self.metadata.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let metadata: HashMap<_, _> = metadata.into_iter().collect();
        let mut details = ErrorDetails::with_error_info(self.reason, DOMAIN, metadata);
        details.set_request_info(request_id, "");
        if !self.violations.is_empty() {
            let violation = |(field, rule)| FieldViolation::new(field, rule);
            let violations: Vec<_> = self.violations.into_iter().map(violation).collect();
            details.set_bad_request(violations);
        }
        if self.retry_after.is_some() {
            details.set_retry_info(self.retry_after);
        }
        Status::with_error_details(self.code, self.message, details)
    }
}

/// The error travels inside the status to the edge, which makes the
/// answer and logs what is for the operator.
impl From<AuthError> for Status {
    fn from(error: AuthError) -> Self {
        let answer = answer(&error);
        let mut status = Self::new(answer.code, answer.message);
        status.set_source(Arc::new(error));
        status
    }
}

/// Printable ASCII only, and not too much of it.
pub(super) fn one_line(text: &str) -> String {
    let printable = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
    text.chars().take(MESSAGE_MAX_LEN).map(printable).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::error::{Denial, Fault, FieldViolation, Obstacle, Outage, Refusal};

    const SECRET: &str = "postgres://user:hunter2@db";

    fn every_error() -> Vec<AuthError> {
        use {Denial as D, Outage as O, Refusal as R};
        let refusals = [
            R::InvalidCredentials,
            R::MissingToken,
            R::InvalidToken,
            R::WrongType,
            R::Expired,
            R::SessionExpired,
            R::Revoked,
            R::Reused,
            R::RolledBack,
            R::ClientMismatch,
            R::KeyRevoked,
            R::InvalidOneTimeToken,
            R::InvalidClient,
        ];
        let outages = [O::Store, O::StaleRevocations, O::NotReady, O::SigningKey];
        let mut errors = vec![AuthError::InvalidArgument(vec![
            FieldViolation::new("identifier", "must be 1 to 254 bytes"),
            FieldViolation::new("password", "must not be empty"),
        ])];
        errors.extend(refusals.map(AuthError::Unauthenticated));
        let denials = [
            D::RegistrationDisabled,
            D::NotAdministrator,
            D::NotForAdministration,
            D::NotOwnSessions,
            D::ScopeNotAllowed,
            D::NotAUser,
            D::NotAVerifier,
        ];
        errors.extend(denials.map(AuthError::PermissionDenied));
        errors.push(AuthError::AlreadyExists("username"));
        errors.push(AuthError::NotFound("user"));
        errors.push(AuthError::Conflict("user"));
        let obstacles = [
            Obstacle::LastAdministrator,
            Obstacle::UserDisabled,
            Obstacle::ClientConfigured,
            Obstacle::LogReplaced,
            Obstacle::KeysFixed,
        ];
        errors.extend(obstacles.map(AuthError::FailedPrecondition));
        let retry_after = Duration::from_millis(1500);
        errors.push(AuthError::Overloaded { work: "password hashing", retry_after });
        errors.push(AuthError::Throttled { retry_after: Duration::from_mins(15) });
        errors.push(AuthError::IssuedRecently { retry_after });
        errors.push(AuthError::SlowWatcher { retry_after });
        errors.extend(
            outages.map(|outage| AuthError::Unavailable { outage, fault: Fault::from(SECRET) }),
        );
        errors.push(AuthError::DeadlineExceeded);
        errors.push(AuthError::internal(SECRET));
        errors
    }

    fn every_foreign_status() -> Vec<Status> {
        let mut statuses: Vec<_> =
            (1..=16).map(|code| Status::new(Code::from_i32(code), "")).collect();
        statuses.push(Status::unimplemented("Content is compressed with `gzip`"));
        statuses
    }

    fn row(answer: &Answer) -> String {
        let Answer { code, reason, message, metadata, violations, retry_after } = answer;
        let metadata = metadata.map(|(key, value)| format!(" {key}={value:?}"));
        let violations = Some(violations).filter(|v| !v.is_empty()).map(|v| format!(" {v:?}"));
        let retry = retry_after.map(|delay| format!(" retry after {delay:?}"));
        let extras: String = [metadata, violations, retry].into_iter().flatten().collect();
        format!("{code:?} {reason} {message:?}{extras}")
    }

    #[test]
    fn vr_05_vr_06_the_error_table() {
        let ours = every_error().iter().map(answer).collect::<Vec<_>>();
        let foreign = every_foreign_status().iter().map(foreign).collect::<Vec<_>>();
        for answer in ours.iter().chain(&foreign) {
            let Answer { code, reason, message, violations, retry_after, .. } = answer;
            assert!(reason.len() <= 63, "{reason}");
            assert!(reason.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'), "{reason}");
            assert!(message.bytes().all(|b| b.is_ascii_graphic() || b == b' '), "{message}");
            assert!(!message.is_empty() && !message.contains("hunter2"), "{message}");
            assert_eq!(!violations.is_empty(), *code == Code::InvalidArgument, "{reason}");
            let retry = matches!(code, Code::ResourceExhausted | Code::Unavailable);
            assert_eq!(retry_after.is_some(), retry, "{reason}");
        }
        let rows = |answers: &[Answer]| answers.iter().map(row).collect::<Vec<_>>().join("\n");
        let table = format!("{}\n--\n{}\n", rows(&ours), rows(&foreign));
        insta::assert_snapshot!("error_table", table);
    }

    #[test]
    fn the_details_can_be_read_back() {
        let error = AuthError::Overloaded { work: "hash", retry_after: Duration::from_secs(2) };
        let status = answer(&error).into_status("id-1");
        let details = status.get_error_details();
        let info = details.error_info().expect("ErrorInfo");
        assert_eq!((info.reason.as_str(), info.domain.as_str()), ("OVERLOADED", "tokenward"));
        assert_eq!(info.metadata.get("work").map(String::as_str), Some("hash"));
        assert_eq!(details.request_info().expect("RequestInfo").request_id, "id-1");
        let delay = details.retry_info().expect("RetryInfo").retry_delay;
        assert_eq!(delay, Some(Duration::from_secs(2)));
        assert!(details.bad_request().is_none());
    }

    #[test]
    fn lo_07_messages_stay_one_line_of_ascii() {
        assert_eq!(one_line("a\r\nb\u{1b}[2J\u{202e}ä"), "a??b?[2J??");
        assert_eq!(one_line(&"x".repeat(5000)).len(), MESSAGE_MAX_LEN);
    }
}
