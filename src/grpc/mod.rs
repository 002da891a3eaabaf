//! The gRPC edge: decode, call the service, encode.
//!
//! Every call passes `edge`, which gives it an id and a deadline, finds out
//! where it comes from ([`crate::arrival`]), completes whatever fails, from wherever
//! it fails and even in the middle of a stream (`late`), with the details that
//! [`status`] says, and writes the one line that a failed call gets in the log.

mod admin;
mod auth;
pub mod codec;
mod convert;
mod deadline;
mod edge;
mod ext_authz;
mod health;
mod late;
pub mod pb;
mod reflection;
mod request;
pub mod status;
mod watch;
pub mod web;

use std::{sync::Arc, time::Duration};

use axum::Router;
use ipnet::IpNet;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use crate::{
    arrival::{Arrivals, TrustedProxies},
    gateway::{Gateway, GatewayRules},
    service::{Auth, readiness::Readiness},
};

use edge::Edge;
use pb::auth::auth_service_server::AuthServiceServer;
use watch::Watches;

pub use watch::WatchOptions;

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
    /// How requests are judged for Envoy.
    pub gateway: GatewayRules,
    /// How long a stream of audit events lasts.
    pub watch_lifetime: Duration,
    /// The bounds of `WatchRevocations`.
    pub watch: WatchOptions,
    /// Whether reflection (v1 and v1alpha) is served.
    pub reflection: bool,
    /// Ends open streams, so that they do not hold up a drain.
    pub shutdown: CancellationToken,
}

/// What a listener serves, beside health and reflection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surface {
    /// `tokenward.auth.v1`, and what Envoy asks.
    Public,
    /// `tokenward.admin.v1`.
    Admin,
    /// Both.
    Both,
}

impl Surface {
    fn has_public(self) -> bool {
        self != Self::Admin
    }

    fn has_admin(self) -> bool {
        self != Self::Public
    }

    /// The full names of its own services.
    fn services(self) -> impl Iterator<Item = &'static str> {
        let public = ["tokenward.auth.v1.AuthService", ext_authz::SERVICE];
        let public = public.into_iter().filter(move |_| self.has_public());
        public.chain(admin::SERVICES.into_iter().filter(move |_| self.has_admin()))
    }
}

/// Everything that one listener serves over gRPC: its surface, health, and
/// reflection. Health follows `readiness` by itself.
pub fn router(
    surface: Surface,
    auth: &Arc<Auth>,
    readiness: Arc<Readiness>,
    options: &GrpcOptions,
) -> Router {
    let proxies = TrustedProxies::new(options.trusted_proxies.clone());
    let arrivals = Arrivals::new(Arc::clone(&auth.clock), auth.entropy.as_ref(), proxies);
    let edge = Edge::new(arrivals, options.request_timeout);
    let shutdown = &options.shutdown;
    let mut services = Routes::new(health::server(readiness, shutdown.clone()));
    if surface.has_public() {
        let watches = Watches::new(&options.watch, shutdown.clone());
        services = services.add_service(public(auth, options.max_message_bytes, Some(watches)));
        let gateway = Gateway::new(Arc::clone(auth), options.gateway.clone());
        services = services.add_service(ext_authz::server(gateway));
    }
    let mut services = services.into_axum_router().reset_fallback();
    if surface.has_admin() {
        let bounds = admin::Bounds {
            max_message_bytes: options.max_message_bytes,
            silence: options.request_timeout,
            watch_lifetime: options.watch_lifetime,
            shutdown: shutdown.clone(),
        };
        services = services.merge(admin::routes(auth, &bounds).into_axum_router().reset_fallback());
    }
    if options.reflection {
        let names = surface.services();
        services =
            services.merge(reflection::routes(names, options.request_timeout, shutdown.clone()));
    }
    edge.around(services)
}

/// `tokenward.auth.v1`, however its calls come in.
fn public(
    auth: &Arc<Auth>,
    max_message_bytes: usize,
    watches: Option<Watches>,
) -> AuthServiceServer<auth::AuthEdge> {
    let service = AuthServiceServer::new(auth::AuthEdge::new(Arc::clone(auth), watches));
    service.max_decoding_message_size(max_message_bytes)
}
