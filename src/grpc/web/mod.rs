//! The calls of `tokenward.auth.v1` for whoever does not speak gRPC: as JSON
//! over POST (the Connect protocol) and as gRPC-Web, on the same paths.
//!
//! Both are spellings of a gRPC call. What they spell is answered by the very
//! service that answers gRPC, through the same `Edge`: limits, deadlines,
//! details of errors and lines of the log are the same.

mod connect;
mod failure;
mod json;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{StatusCode, Version},
    response::{IntoResponse as _, Response},
    routing::post,
};
use ipnet::IpNet;
use prost_reflect::{DescriptorPool, MethodDescriptor};
use tonic::service::Routes;
use tonic_web::GrpcWebLayer;
use tower::{Layer as _, ServiceExt as _};

use crate::{
    arrival::{Arrivals, TrustedProxies, media_type},
    service::Auth,
};

use super::{
    edge::{Edge, guarded},
    pb::FILE_DESCRIPTOR_SET,
};
use connect::{Connect, Format};

const SERVICE: &str = "tokenward.auth.v1.AuthService";
/// What can be sent here, for whoever sends something else (W3C LDP section
/// 7.1; the header is registered for all of HTTP).
const ACCEPT_POST: (&str, &str) = (
    "accept-post",
    "application/json, application/proto, application/grpc-web+proto, \
     application/grpc-web-text+proto",
);

/// What can be set about calls over plain HTTP.
#[derive(Clone, Debug)]
pub struct WebOptions {
    /// The longest that a call may take.
    pub request_timeout: Duration,
    /// The largest request message, in bytes.
    pub max_message_bytes: usize,
    /// Peers whose `x-forwarded-for` is believed.
    pub trusted_proxies: Vec<IpNet>,
}

/// One route for each method that gives one answer. Descriptors are fixed at build time and a test
/// reads them; a server would rather run without these routes than not at all.
pub fn router(auth: &Arc<Auth>, options: WebOptions) -> Router {
    let proxies = TrustedProxies::new(options.trusted_proxies);
    let arrivals = Arrivals::new(Arc::clone(&auth.clock), auth.entropy.as_ref(), proxies);
    let edge = Edge::new(arrivals, options.request_timeout);
    let services =
        Routes::new(super::public(auth, options.max_message_bytes, None)).into_axum_router();
    let details = DescriptorPool::decode(tonic_types::pb::FILE_DESCRIPTOR_SET);
    match (DescriptorPool::decode(FILE_DESCRIPTOR_SET), details) {
        (Ok(ours), Ok(details)) => {
            let connect = Connect {
                edge: Arc::clone(&edge),
                services: guarded(services.clone()),
                max_message_bytes: options.max_message_bytes,
                details,
            };
            routes(&ours, &Arc::new(connect), &edge.around(services))
        }
        (Err(error), _) | (_, Err(error)) => {
            tracing::error!(%error, "JSON and gRPC-Web are not served");
            Router::new()
        }
    }
}

fn routes(ours: &DescriptorPool, connect: &Arc<Connect>, grpc_web: &Router) -> Router {
    let methods = ours.get_service_by_name(SERVICE);
    let methods = methods.iter().flat_map(|service| service.methods().collect::<Vec<_>>());
    let methods = methods.filter(|method| !method.is_server_streaming());
    methods.fold(Router::new(), |router, method| {
        let (connect, grpc_web) = (Arc::clone(connect), grpc_web.clone());
        let path = format!("/{SERVICE}/{}", method.name());
        router
            .route(&path, post(async move |request| call(connect, grpc_web, method, request).await))
    })
}

/// Nothing that a page of another origin may send unasked is understood here:
/// a form, or text.
async fn call(
    connect: Arc<Connect>,
    grpc_web: Router,
    method: MethodDescriptor,
    request: Request,
) -> Response {
    match media_type::of(request.headers()).as_str() {
        media_type::JSON => connect.answer(request, &method, Format::Json).await,
        "application/proto" => connect.answer(request, &method, Format::Proto).await,
        kind if kind.starts_with("application/grpc-web") => {
            answer_grpc_web(grpc_web, request).await
        }
        _ => (StatusCode::UNSUPPORTED_MEDIA_TYPE, [ACCEPT_POST]).into_response(),
    }
}

/// The layer takes the four spellings of gRPC-Web and no others; what it does
/// not take, the edge refuses.
async fn answer_grpc_web(services: Router, mut request: Request) -> Response {
    // Whichever HTTP it came by: the layer makes a gRPC call of it.
    *request.version_mut() = Version::HTTP_2;
    let service = GrpcWebLayer::new().layer(services);
    match service.oneshot(request).await {
        Ok(response) => response.map(Body::new),
        Err(never) => match never {},
    }
}
