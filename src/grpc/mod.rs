//! The gRPC edge: decode, call the service, encode.
//!
//! Every call passes `edge`, which gives it an id and a deadline, finds out
//! where it comes from (`forwarded`), completes whatever fails, from wherever
//! it fails and even in the middle of a stream (`late`), with the details that
//! [`status`] says, and writes the one line that a failed call gets in the log.

mod auth;
pub mod codec;
mod convert;
mod deadline;
mod edge;
mod forwarded;
mod health;
mod late;
pub mod pb;
mod reflection;
mod request;
pub mod status;

use std::{sync::Arc, time::Duration};

use axum::Router;
use ipnet::IpNet;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use crate::service::{Auth, readiness::Readiness};

use edge::Edge;
use forwarded::TrustedProxies;
use pb::auth::auth_service_server::AuthServiceServer;

/// What can be set about the gRPC edge.
#[derive(Clone, Debug)]
pub struct GrpcOptions {
    /// The longest that a call may take; a caller's `grpc-timeout` can only
    /// make it shorter. `Watch` is bounded only until it begins; a stream of
    /// reflection ends after the same time.
    pub request_timeout: Duration,
    /// The largest request message, in bytes. A full `BatchVerify` has 100
    /// tokens of up to 8 KiB.
    pub max_message_bytes: usize,
    /// Peers whose `x-forwarded-for` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether reflection (v1 and v1alpha) is served.
    pub reflection: bool,
    /// Ends open streams, so that they do not hold up a drain.
    pub shutdown: CancellationToken,
}

/// Everything that is served over gRPC: `tokenward.auth.v1.AuthService`,
/// health, and reflection. Health follows `readiness` by itself.
pub fn router(auth: Arc<Auth>, readiness: Arc<Readiness>, options: GrpcOptions) -> Router {
    let edge = Edge::new(Arc::clone(&auth.clock), auth.entropy.as_ref(), options.request_timeout)
        .trusting(TrustedProxies::new(options.trusted_proxies));
    let service = AuthServiceServer::new(auth::AuthEdge::new(auth))
        .max_decoding_message_size(options.max_message_bytes);
    let shutdown = options.shutdown;
    let health = health::server(readiness, shutdown.clone());
    let mut services = Routes::new(service).add_service(health).into_axum_router().reset_fallback();
    if options.reflection {
        services = services.merge(reflection::routes(options.request_timeout, shutdown));
    }
    edge.around(services)
}
