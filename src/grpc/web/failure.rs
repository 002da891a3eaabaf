//! Failures as the Connect protocol tells them. What they say was decided
//! where gRPC's is ([`crate::grpc::status`]); here it is only spelled.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use prost::Message as _;
use prost_reflect::DescriptorPool;
use prost_types::Any;
use serde_json::{Value, json};
use tonic::{Code, Status};
use tonic_types::{StatusExt as _, pb};

use crate::{
    domain::error::{AuthError, delay_seconds},
    grpc::status,
};

use super::json;

/// The answer to a failed call. Its details are messages of `pool`.
pub(super) fn to_response(status: &Status, pool: &DescriptorPool) -> Response {
    let (http, code) = spelled(status.code());
    let details = pb::Status::decode(status.details()).unwrap_or_default().details;
    let details: Vec<_> = details.iter().map(|detail| spell(detail, pool)).collect();
    let body = json!({ "code": code, "message": status.message(), "details": details });
    let kind = [(header::CONTENT_TYPE, "application/json")];
    let mut response = (http, kind, body.to_string()).into_response();
    let retry = status.get_details_retry_info().and_then(|info| info.retry_delay);
    if let Some(delay) = retry {
        let seconds = HeaderValue::from(delay_seconds(delay));
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    if http == StatusCode::UNAUTHORIZED {
        // RFC 9110 section 15.5.2 wants a challenge.
        let bearer = HeaderValue::from_static("Bearer");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
    }
    response
}

/// A defect that shows only after the call was answered.
pub(super) fn internal(fault: &'static str) -> Status {
    tracing::error!(target: "tokenward::grpc", fault, "the answer cannot be sent");
    status::answer(&AuthError::internal(fault)).into_status("")
}

/// The type, the bytes, and for people the same as JSON.
fn spell(detail: &Any, pool: &DescriptorPool) -> Value {
    let name = detail.type_url.rsplit('/').next().unwrap_or_default();
    let message = pool.get_message_by_name(name);
    let debug = message.and_then(|message| json::encode(&detail.value, &message));
    let debug = debug.and_then(|text| serde_json::from_slice::<Value>(&text).ok());
    json!({
        "type": name,
        "value": STANDARD_NO_PAD.encode(&detail.value),
        "debug": debug,
    })
}

/// The protocol's table of codes.
fn spelled(code: Code) -> (StatusCode, &'static str) {
    let (http, code) = match code {
        Code::Cancelled => (499, "canceled"),
        Code::Ok | Code::Unknown => (500, "unknown"),
        Code::InvalidArgument => (400, "invalid_argument"),
        Code::DeadlineExceeded => (504, "deadline_exceeded"),
        Code::NotFound => (404, "not_found"),
        Code::AlreadyExists => (409, "already_exists"),
        Code::PermissionDenied => (403, "permission_denied"),
        Code::ResourceExhausted => (429, "resource_exhausted"),
        Code::FailedPrecondition => (400, "failed_precondition"),
        Code::Aborted => (409, "aborted"),
        Code::OutOfRange => (400, "out_of_range"),
        Code::Unimplemented => (501, "unimplemented"),
        Code::Internal => (500, "internal"),
        Code::Unavailable => (503, "unavailable"),
        Code::DataLoss => (500, "data_loss"),
        Code::Unauthenticated => (401, "unauthenticated"),
    };
    (StatusCode::from_u16(http).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), code)
}
