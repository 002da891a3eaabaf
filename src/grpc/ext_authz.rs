//! `envoy.service.auth.v3.Authorization`: the same judgement as forward-auth,
//! as Envoy asks for it. Requirements are in the route's `context_extensions`.
//!
//! A request that may not pass, or that we cannot judge, is an answer and not
//! a failed call: so the client gets the status and the challenge, whatever
//! Envoy is configured to do about failures.

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use prost_types::{Struct, Value, value::Kind};
use tonic::{Code, Request, Response, Status};

use crate::{
    domain::claims::AccessClaims,
    gateway::{Allowed, COOKIE, Gateway, Held, Refused, Requirements},
};

use super::{
    pb::envoy::{
        config::core::v3::{HeaderValue as Field, HeaderValueOption, header_value_option},
        service::auth::v3::{
            CheckRequest, CheckResponse, DeniedHttpResponse, OkHttpResponse,
            attribute_context::HttpRequest,
            authorization_server::{Authorization, AuthorizationServer},
            check_response::HttpResponse,
        },
        r#type::v3::HttpStatus,
    },
    request::caller,
};
use header_value_option::HeaderAppendAction;

/// Its name.
pub(super) const SERVICE: &str = "envoy.service.auth.v3.Authorization";
/// The largest question, in bytes: twice the headers that Envoy takes by
/// default. Decoded, a crowd of small fields is a few megabytes.
const MESSAGE_MAX_BYTES: usize = 128 * 1024;

/// The service, asking this gateway's judgement.
pub(super) fn server(gateway: Gateway) -> AuthorizationServer<ExtAuthz> {
    AuthorizationServer::new(ExtAuthz(gateway)).max_decoding_message_size(MESSAGE_MAX_BYTES)
}

/// The service as Envoy sees it.
pub(super) struct ExtAuthz(Gateway);

#[tonic::async_trait]
impl Authorization for ExtAuthz {
    async fn check(
        &self,
        request: Request<CheckRequest>,
    ) -> Result<Response<CheckResponse>, Status> {
        let caller = caller(&request);
        let attributes = request.into_inner().attributes.unwrap_or_default();
        let requirements = Requirements::parse(attributes.context_extensions);
        let http = attributes.request.and_then(|request| request.http).unwrap_or_default();
        let headers = headers(&http);
        let held = Held { method: &http.method, headers: &headers, caller: &caller };
        Ok(Response::new(match self.0.judge(held, requirements).await {
            Ok(allowed) => pass(allowed),
            Err(refused) => deny(&refused),
        }))
    }
}

/// The headers, whichever way Envoy sends them. Pseudo-headers are none.
fn headers(http: &HttpRequest) -> HeaderMap {
    let raw = http.header_map.iter().flat_map(|map| &map.headers);
    let raw = raw.map(|field| {
        let value = &field.raw_value;
        (&field.key, if value.is_empty() { field.value.as_bytes() } else { value })
    });
    let joined = http.headers.iter().map(|(name, value)| (name, value.as_bytes()));
    let mut headers = HeaderMap::new();
    let is_raw = http.header_map.is_some();
    for (name, value) in raw.chain(joined.filter(|_| !is_raw)) {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    headers
}

fn pass(allowed: Allowed) -> CheckResponse {
    let Allowed { claims, mut identity, cookie, consumed, set_cookie } = allowed;
    identity.push((header::COOKIE, cookie));
    let (said, unsaid): (Vec<_>, Vec<_>) =
        identity.into_iter().partition(|(_, value)| !value.is_empty());
    let unsaid = unsaid.into_iter().map(|(name, _)| name);
    let removed = unsaid.chain(consumed).chain([COOKIE]);
    let ok = OkHttpResponse {
        headers: said.iter().map(|(name, value)| in_place(name, value)).collect(),
        headers_to_remove: removed.map(|name| name.to_string()).collect(),
        response_headers_to_add: set_cookie
            .iter()
            .map(|value| {
                option(&header::SET_COOKIE, value, HeaderAppendAction::AppendIfExistsOrAdd)
            })
            .collect(),
    };
    CheckResponse {
        status: Some(status(Code::Ok, "")),
        http_response: Some(HttpResponse::OkResponse(ok)),
        dynamic_metadata: Some(metadata(&claims)),
    }
}

fn deny(refused: &Refused) -> CheckResponse {
    let content_type = HeaderValue::from_static(Refused::CONTENT_TYPE);
    let no_store = HeaderValue::from_static("no-store");
    let of_body = [(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, no_store)];
    let headers = refused.headers.iter().chain(&of_body);
    let denied = DeniedHttpResponse {
        status: Some(HttpStatus { code: refused.status.as_u16().into() }),
        headers: headers.map(|(name, value)| in_place(name, value)).collect(),
        body: refused.body(),
    };
    let code = match refused.status {
        StatusCode::UNAUTHORIZED => Code::Unauthenticated,
        StatusCode::FORBIDDEN => Code::PermissionDenied,
        StatusCode::BAD_REQUEST => Code::InvalidArgument,
        StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
        _ => Code::Internal,
    };
    CheckResponse {
        status: Some(status(code, refused.reason)),
        http_response: Some(HttpResponse::DeniedResponse(denied)),
        dynamic_metadata: None,
    }
}

fn status(code: Code, message: &str) -> tonic_types::Status {
    tonic_types::Status { code: code.into(), message: message.to_owned(), details: Vec::new() }
}

fn in_place(name: &HeaderName, value: &HeaderValue) -> HeaderValueOption {
    option(name, value, HeaderAppendAction::OverwriteIfExistsOrAdd)
}

/// Text goes as text: older ones know nothing else.
fn option(
    name: &HeaderName,
    value: &HeaderValue,
    append_action: HeaderAppendAction,
) -> HeaderValueOption {
    let (text, raw_value) = match value.to_str() {
        Ok(text) => (text.to_owned(), Vec::new()),
        Err(_) => (String::new(), value.as_bytes().to_vec()),
    };
    let header = Some(Field { key: name.to_string(), value: text, raw_value });
    HeaderValueOption { header, append_action: append_action.into() }
}

/// What later filters can decide by.
fn metadata(claims: &AccessClaims) -> Struct {
    let text = |text: String| Kind::StringValue(text);
    let session = claims.user().map(|user| ("sid", text(user.session_id.to_string())));
    #[expect(clippy::cast_precision_loss, reason = "exact up to the year 285 million")]
    let expires_at = claims.expires_at.seconds() as f64;
    let fields = [
        ("iss", text(claims.issuer.clone())),
        ("sub", text(claims.subject())),
        ("client_id", text(claims.client_id.to_string())),
        ("scope", text(claims.scopes.to_string())),
        ("exp", Kind::NumberValue(expires_at)),
        ("jti", text(claims.token_id.to_string())),
    ];
    let fields = fields.into_iter().chain(session);
    let value = |kind| Value { kind: Some(kind) };
    Struct { fields: fields.map(|(name, kind)| (name.to_owned(), value(kind))).collect() }
}
