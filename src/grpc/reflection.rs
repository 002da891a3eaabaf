//! Reflection, v1 and v1alpha (older tools know only that one). The types of
//! error details are registered too, so that tools can print them.
//!
//! Its calls are streams in which the caller asks as often as it likes. They
//! are few, and each has its time, or else idle ones would stay for ever and
//! hold up every drain.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    middleware::{self, Next},
    response::Response,
};
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio_util::sync::CancellationToken;
use tonic::{Status, service::Routes};
use tonic_reflection::{
    pb,
    server::{Builder, Error},
};

use crate::{
    domain::error::AuthError,
    peers::{Quota, Share},
};

use super::{pb::FILE_DESCRIPTOR_SET, request::peer};

/// A question is one name.
const MESSAGE_MAX_BYTES: usize = 4096;
/// Streams at the same time.
const STREAMS_MAX: usize = 64;
/// Of these, those of one peer.
const STREAMS_MAX_PER_PEER: usize = 16;

/// Both versions, which list the services of these names beside health and
/// themselves, and whose streams end after `lifetime`, or with `shutdown`.
/// Descriptors are fixed at build time and a test builds them; a server would
/// rather run without reflection than not at all.
pub(super) fn routes(
    names: impl Iterator<Item = &'static str>,
    lifetime: Duration,
    shutdown: CancellationToken,
) -> Router {
    match services(&names.collect::<Vec<_>>()) {
        Ok(services) => {
            let streams = Quota::new(STREAMS_MAX, STREAMS_MAX_PER_PEER);
            let bounds = Arc::new(Bounds { lifetime, shutdown, streams });
            let services = services.into_axum_router().reset_fallback();
            services.layer(middleware::from_fn_with_state(bounds, bound))
        }
        Err(error) => {
            tracing::error!(%error, "reflection is not served");
            Router::new()
        }
    }
}

fn services(names: &[&'static str]) -> Result<Routes, Error> {
    let v1 = builder(names).build_v1()?.max_decoding_message_size(MESSAGE_MAX_BYTES);
    let v1alpha = builder(names).build_v1alpha()?.max_decoding_message_size(MESSAGE_MAX_BYTES);
    Ok(Routes::new(v1).add_service(v1alpha))
}

/// Each version lists both of them, not only itself.
fn builder(names: &[&'static str]) -> Builder<'static> {
    let listed = names.iter().chain(&[
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    ]);
    listed
        .fold(Builder::configure(), |builder, name| builder.with_service_name(*name))
        .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
        .include_reflection_service(false)
        .register_encoded_file_descriptor_set(pb::v1::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(pb::v1alpha::FILE_DESCRIPTOR_SET)
}

/// What streams are given.
struct Bounds {
    lifetime: Duration,
    shutdown: CancellationToken,
    streams: Arc<Quota>,
}

async fn bound(State(bounds): State<Arc<Bounds>>, request: Request, next: Next) -> Response {
    let Some(share) = bounds.streams.take(peer(request.extensions())) else {
        let retry_after = Duration::from_secs(1);
        let full = AuthError::Overloaded { work: "reflection streams", retry_after };
        return Status::from(full).into_http();
    };
    let (lifetime, shutdown) = (bounds.lifetime, bounds.shutdown.clone());
    let end = Box::pin(async move {
        let _ = tokio::time::timeout(lifetime, shutdown.cancelled_owned()).await;
    });
    let questions = |body| Body::new(Questions { body, end, ended: false, _share: share });
    next.run(request.map(questions)).await
}

/// What the caller sends, until its time is over: as if it had said then that
/// there is nothing more to ask.
struct Questions<E> {
    body: Body,
    end: Pin<Box<E>>,
    ended: bool,
    _share: Share,
}

impl<E: Future<Output = ()>> HttpBody for Questions<E> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        // A future that is done must not be asked again.
        if self.ended || self.end.as_mut().poll(context).is_ready() {
            self.ended = true;
            return Poll::Ready(None);
        }
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_descriptors_fit_together() {
        services(&["tokenward.auth.v1.AuthService", "envoy.service.auth.v3.Authorization"])
            .map(|_| ())
            .expect("every descriptor set is complete");
    }
}
