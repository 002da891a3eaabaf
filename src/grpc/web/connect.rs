//! The Connect protocol (connectrpc.com/docs/protocol), for unary calls: the
//! message is the body, a failure is an HTTP status and a JSON object.

use std::{error::Error, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse as _, Response},
};
use bytes::{BufMut as _, Bytes, BytesMut};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use prost_reflect::{DescriptorPool, MethodDescriptor};
use tonic::Status;
use tower::ServiceExt as _;

use crate::{
    domain::error::AuthError,
    grpc::edge::{Edge, failure},
};

use super::{
    failure::{internal, to_response},
    json,
};

/// Before every message of gRPC: one byte that says it is not compressed, and
/// four with its length.
const PREFIX_LEN: usize = 5;

/// How messages are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Canonical JSON.
    Json,
    /// Protobuf, as in gRPC.
    Proto,
}

/// What answers calls.
pub(super) struct Connect {
    pub(super) edge: Arc<Edge>,
    pub(super) services: Router,
    pub(super) max_message_bytes: usize,
    /// The messages of error details.
    pub(super) details: DescriptorPool,
}

impl Connect {
    /// Makes a gRPC call of it, and of the gRPC answer an answer to it. Its
    /// message is read behind the edge, so that it must come in time, and so
    /// that one which cannot be read fails as any other call.
    pub(super) async fn answer(
        &self,
        request: Request,
        method: &MethodDescriptor,
        format: Format,
    ) -> Response {
        let behind = |request| async move {
            match self.to_grpc(request, method, format).await {
                Ok(request) => match self.services.clone().oneshot(request).await {
                    Ok(response) => response,
                    Err(never) => match never {},
                },
                Err(status) => status.into_http(),
            }
        };
        let response = Arc::clone(&self.edge).answer(request, behind).await;
        let answer = message(response).await.and_then(|message| encode(message, method, format));
        answer.unwrap_or_else(|status| to_response(&status, &self.details))
    }

    async fn to_grpc(
        &self,
        request: Request,
        method: &MethodDescriptor,
        format: Format,
    ) -> Result<Request, Status> {
        let (mut parts, body) = request.into_parts();
        check_protocol(&parts.headers)?;
        let body = Limited::new(body, self.max_message_bytes).collect().await;
        let body = body.map_err(|error| unreadable(error.as_ref()))?.to_bytes();
        let message = match format {
            Format::Json => json::decode(&body, &method.input())?.into(),
            Format::Proto => body,
        };
        parts.headers.remove(header::CONTENT_LENGTH);
        let grpc = HeaderValue::from_static("application/grpc");
        parts.headers.insert(header::CONTENT_TYPE, grpc);
        Ok(Request::from_parts(parts, Body::from(framed(&message)?)))
    }
}

/// Compression is not supported, and there is one version of the protocol.
fn check_protocol(headers: &HeaderMap) -> Result<(), Status> {
    let other = |name: &str, only: &str| headers.get_all(name).iter().any(|value| value != only);
    if other("content-encoding", "identity") {
        return Err(Status::unimplemented("compression"));
    }
    if other("connect-protocol-version", "1") {
        return Err(AuthError::invalid("connect-protocol-version", "must be 1").into());
    }
    Ok(())
}

/// Too long, or it broke off.
fn unreadable(error: &(dyn Error + 'static)) -> Status {
    if error.is::<LengthLimitError>() {
        Status::out_of_range("")
    } else {
        Status::invalid_argument("")
    }
}

fn framed(message: &[u8]) -> Result<Bytes, Status> {
    let length = u32::try_from(message.len()).map_err(|_| Status::out_of_range(""))?;
    let mut frame = BytesMut::with_capacity(PREFIX_LEN + message.len());
    frame.put_u8(0);
    frame.put_u32(length);
    frame.put_slice(message);
    Ok(frame.freeze())
}

/// The one message of a gRPC answer, or its failure: in the headers, or after
/// the message in the trailers.
async fn message(response: Response) -> Result<Bytes, Status> {
    if let Some(status) = failure(response.headers()) {
        return Err(status);
    }
    let body = response.into_body().collect().await;
    let body = body.map_err(|_| internal("the answer broke off"))?;
    if let Some(status) = body.trailers().and_then(failure) {
        return Err(status);
    }
    let mut frame = body.to_bytes();
    if frame.len() < PREFIX_LEN {
        return Err(internal("the answer has no message"));
    }
    Ok(frame.split_off(PREFIX_LEN))
}

fn encode(message: Bytes, method: &MethodDescriptor, format: Format) -> Result<Response, Status> {
    let (kind, body) = match format {
        Format::Proto => ("application/proto", message),
        Format::Json => {
            let json = json::encode(&message, &method.output());
            let json = json.ok_or_else(|| internal("the answer is no JSON"))?;
            ("application/json", json.into())
        }
    };
    Ok(([(header::CONTENT_TYPE, kind)], body).into_response())
}
