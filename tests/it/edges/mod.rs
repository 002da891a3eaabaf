//! What everything on the gRPC port must bear, health and reflection too.

mod health;
mod messages;
mod reflection;

use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// Code, reason and named fields of a failed call, which must say what every
/// failed call says.
fn told(status: &Status) -> (Code, String, Vec<String>) {
    let details = status.get_error_details();
    let info = details.error_info().unwrap_or_else(|| panic!("no ErrorInfo: {status:?}"));
    assert_eq!(info.domain, "tokenward");
    let id = status.metadata().get("x-request-id").expect("x-request-id");
    assert_eq!(id, details.request_info().expect("RequestInfo").request_id.as_str());
    let violations = details.bad_request().map(|bad| bad.field_violations.clone());
    let fields = violations.unwrap_or_default().into_iter().map(|violation| violation.field);
    (status.code(), info.reason.clone(), fields.collect())
}

fn is(code: Code, reason: &str) -> (Code, String, Vec<String>) {
    let fields = if code == Code::InvalidArgument { vec![String::new()] } else { Vec::new() };
    (code, reason.to_owned(), fields)
}
