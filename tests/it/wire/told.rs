//! What a failed call tells, and that it tells it in full.

use tonic::{Code, Status};
use tonic_types::{ErrorDetail, ErrorDetails, StatusExt as _};

/// The code and the reason of a call that must fail.
pub(super) fn reason<T>(result: Result<T, Status>) -> (Code, String) {
    let (code, reason, _) = told(&result.map(|_| ()).expect_err("a failure"));
    (code, reason)
}

/// Field by field, what an `INVALID_ARGUMENT` complains of.
pub(super) fn fields<T>(result: Result<T, Status>) -> Vec<String> {
    let (_, _, details) = told(&result.map(|_| ()).expect_err("a failure"));
    let violations = details.bad_request().expect("BadRequest").field_violations.iter();
    violations.map(|violation| violation.field.clone()).collect()
}

pub(super) fn is(code: Code, reason: &str) -> (Code, String) {
    (code, reason.to_owned())
}

/// Checks everything that a failed call must carry: exactly one `ErrorInfo`
/// and one `RequestInfo`, `BadRequest` and `RetryInfo` where they belong and
/// nowhere else, nothing besides, and a message of one line of ASCII. Gives
/// the code, the reason and all details.
pub(super) fn told(status: &Status) -> (Code, String, ErrorDetails) {
    let kinds = status.check_error_details_vec().expect("details that can be read");
    let count = |kind: fn(&ErrorDetail) -> bool| kinds.iter().filter(|detail| kind(detail)).count();
    let code = status.code();
    let again = matches!(code, Code::Unavailable | Code::ResourceExhausted);
    let counted = [
        count(|detail| matches!(detail, ErrorDetail::ErrorInfo(_))),
        count(|detail| matches!(detail, ErrorDetail::RequestInfo(_))),
        count(|detail| matches!(detail, ErrorDetail::BadRequest(_))),
        count(|detail| matches!(detail, ErrorDetail::RetryInfo(_))),
        kinds.len(),
    ];
    let (bad, retry) = (usize::from(code == Code::InvalidArgument), usize::from(again));
    assert_eq!(counted, [1, 1, bad, retry, 2 + bad + retry], "{status:?}");

    let details = status.get_error_details();
    let info = details.error_info().expect("counted").clone();
    assert_eq!(info.domain, "tokenward");
    assert!(info.reason.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'), "{}", info.reason);
    let id = status.metadata().get("x-request-id").expect("x-request-id");
    assert_eq!(id, details.request_info().expect("counted").request_id.as_str());
    assert!(details.bad_request().is_none_or(|bad| !bad.field_violations.is_empty()));
    let delay = details.retry_info().map(|retry| retry.retry_delay.expect("when to try again"));
    assert!(delay.is_none_or(|delay| !delay.is_zero()));
    let message = status.message();
    assert!(!message.is_empty() && message.bytes().all(|b| b.is_ascii_graphic() || b == b' '));
    (code, info.reason, details)
}
