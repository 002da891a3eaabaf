//! What every call passes on its way in and out.

use std::{any::Any, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, Uri, Version, header},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
};
use tonic::{Code, Status};
use tower_http::catch_panic::CatchPanicLayer;

use crate::{
    arrival::{Arrival, Arrivals, REQUEST_ID, media_type},
    domain::error::{AuthError, chain},
};

use super::{deadline, late::Late, status};

/// gRPC methods longer than this are not ours.
const METHOD_MAX_LEN: usize = 128;

/// What calls share at the edge.
pub(super) struct Edge {
    arrivals: Arrivals,
    request_timeout: Duration,
}

impl Edge {
    pub(super) fn new(arrivals: Arrivals, request_timeout: Duration) -> Arc<Self> {
        Arc::new(Self { arrivals, request_timeout })
    }

    /// Puts the edge around services.
    pub(super) fn around(self: Arc<Self>, services: Router) -> Router {
        guarded(services).layer(middleware::from_fn_with_state(self, pass))
    }

    /// Has one call answered: gives it its id and its deadline, and completes
    /// its failure.
    pub(super) async fn answer<F, A>(self: Arc<Self>, mut request: Request, service: F) -> Response
    where
        F: FnOnce(Request) -> A,
        A: Future<Output = Response>,
    {
        let limit = deadline::of(request.headers(), self.request_timeout);
        let arrival = self.arrivals.receive(request.headers(), request.extensions(), limit);
        let call = Call { uri: request.uri().clone(), arrival: arrival.clone() };
        request.extensions_mut().insert(arrival);
        // Past the deadline the handler is dropped; store steps go on to their end.
        let response = match tokio::time::timeout(limit, service(request)).await {
            Ok(response) => response,
            Err(_) => Status::from(AuthError::DeadlineExceeded).into_http(),
        };
        // tonic leaves a status as an extension, with its source; for unknown
        // methods it is in the headers only.
        let status = response.extensions().get::<Status>().cloned();
        let status = status.or_else(|| failure(response.headers()));
        let id = call.arrival.id.clone();
        let mut response = match status {
            Some(status) if status.code() != Code::Ok => self.fail(&status, &call).into_http(),
            _ => response.map(|body| Body::new(Late::new(body, self, call))),
        };
        response.headers_mut().insert(REQUEST_ID, id);
        response
    }

    /// The complete status of a failed call, which is logged here and nowhere
    /// else.
    pub(super) fn fail(&self, status: &Status, call: &Call) -> Status {
        // A stream of ours has said everything already.
        if let Some(reason) = status::said(status) {
            self.log(status.code(), &reason, status.message(), call);
            return status.clone();
        }
        let ours = std::error::Error::source(status).and_then(|s| s.downcast_ref::<AuthError>());
        let (answer, cause) = match ours {
            Some(error) => (status::answer(error), chain(error)),
            None => (status::foreign(status), status::one_line(status.message())),
        };
        self.log(answer.code, answer.reason, &cause, call);
        let mut complete = answer.into_status(call.arrival.id.to_str().unwrap_or_default());
        // tonic says here which encodings it would have accepted.
        *complete.metadata_mut() = status.metadata().clone();
        complete
    }

    /// What we must repair is an error, what load or a slow peer does a
    /// warning, and what callers do wrong is for information.
    fn log(&self, code: Code, reason: &str, cause: &str, call: &Call) {
        let Call { arrival, .. } = call;
        let took = self.arrivals.age(arrival);
        let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let (method, request_id) = (call.method(), arrival.id.to_str().unwrap_or_default());
        let peer = arrival.source.as_ref().map(tracing::field::display);
        macro_rules! log {
            ($level:ident $(, $cause:expr)?) => {
                tracing::$level!(
                    target: "tokenward::grpc",
                    method, ?code, reason, request_id, peer, duration_ms,
                    $(cause = $cause,)?
                    "call failed"
                )
            };
        }
        match code {
            Code::Internal | Code::Unknown | Code::DataLoss | Code::Unavailable => {
                log!(error, cause);
            }
            Code::DeadlineExceeded | Code::ResourceExhausted => log!(warn),
            Code::InvalidArgument => log!(info, cause),
            _ => log!(info),
        }
    }
}

/// What the log tells of a call.
pub(super) struct Call {
    uri: Uri,
    pub(super) arrival: Arrival,
}

impl Call {
    /// `package.Service/Method`; a path that can be no such thing is not
    /// repeated.
    fn method(&self) -> &str {
        let path = self.uri.path().strip_prefix('/').unwrap_or_default();
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'/');
        let plausible = path.len() <= METHOD_MAX_LEN && path.bytes().all(allowed);
        if plausible { path } else { "_OTHER" }
    }
}

/// Services whose panics, and whose absence, are failures as others.
pub(super) fn guarded(services: Router) -> Router {
    let services = services.reset_fallback().fallback(unknown_service);
    services.layer(CatchPanicLayer::custom(panicked))
}

async fn pass(State(edge): State<Arc<Edge>>, request: Request, next: Next) -> Response {
    if let Some(refusal) = not_grpc(&request) {
        return refusal;
    }
    edge.answer(request, |request| next.run(request)).await
}

/// What headers or trailers say of a failure.
pub(super) fn failure(headers: &HeaderMap) -> Option<Status> {
    Status::from_header_map(headers).filter(|status| status.code() != Code::Ok)
}

/// Anything but a gRPC call gets a plain HTTP answer.
fn not_grpc(request: &Request) -> Option<Response> {
    let refuse = |status: StatusCode, text: &'static str| {
        Some((status, [(header::X_CONTENT_TYPE_OPTIONS, "nosniff")], text).into_response())
    };
    if request.method() != Method::POST {
        return refuse(StatusCode::NOT_FOUND, "this port speaks gRPC only\n");
    }
    if !is_grpc(request.headers()) {
        return refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "this port speaks gRPC only\n");
    }
    if request.version() < Version::HTTP_2 {
        return refuse(StatusCode::HTTP_VERSION_NOT_SUPPORTED, "gRPC needs HTTP/2\n");
    }
    None
}

/// `application/grpc`, or with `+proto`; not gRPC-Web, not another encoding.
fn is_grpc(headers: &HeaderMap) -> bool {
    matches!(media_type::of(headers).as_str(), "application/grpc" | "application/grpc+proto")
}

async fn unknown_service() -> Response {
    Status::unimplemented("").into_http()
}

/// The panic's own message stands on standard error, where the hook put it.
fn panicked(_: Box<dyn Any + Send>) -> axum::http::Response<Body> {
    Status::from(AuthError::internal("the handler panicked")).into_http()
}

#[cfg(test)]
mod tests;
