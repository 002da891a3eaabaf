//! `tokenward.admin.v1`: each method finds out who asks, converts, calls,
//! converts. Whoever has no [`Administrator`] cannot call the service.

mod audit;
mod clients;
mod filter;
mod import;
mod keys;
mod names;
mod one_time;
mod page;
mod sessions;
mod users;

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;
use tonic::{Request, service::Routes};

use crate::{
    domain::error::AuthError,
    peers::PeerNames,
    service::{Administrator, Auth},
};

use super::{
    pb::admin::{
        audit_service_server::AuditServiceServer, client_service_server::ClientServiceServer,
        key_service_server::KeyServiceServer,
        one_time_token_service_server::OneTimeTokenServiceServer,
        session_service_server::SessionServiceServer, user_service_server::UserServiceServer,
    },
    request::{bearer, caller},
};

/// What is served, by the full names of the services.
pub(super) const SERVICES: [&str; 6] = [
    "tokenward.admin.v1.AuditService",
    "tokenward.admin.v1.ClientService",
    "tokenward.admin.v1.KeyService",
    "tokenward.admin.v1.OneTimeTokenService",
    "tokenward.admin.v1.SessionService",
    "tokenward.admin.v1.UserService",
];

/// What can be set about administration.
#[derive(Clone, Debug)]
pub(super) struct Bounds {
    /// The largest request message, in bytes.
    pub(super) max_message_bytes: usize,
    /// How long the caller of a stream may keep silent.
    pub(super) silence: Duration,
    /// How long a stream of audit events lasts.
    pub(super) watch_lifetime: Duration,
    /// Ends open streams.
    pub(super) shutdown: CancellationToken,
}

/// All services of administration.
pub(super) fn routes(auth: &Arc<Auth>, bounds: &Bounds) -> Routes {
    let edge = || AdminEdge { auth: Arc::clone(auth), bounds: bounds.clone() };
    let most = bounds.max_message_bytes;
    Routes::new(UserServiceServer::new(edge()).max_decoding_message_size(most))
        .add_service(SessionServiceServer::new(edge()).max_decoding_message_size(most))
        .add_service(ClientServiceServer::new(edge()).max_decoding_message_size(most))
        .add_service(KeyServiceServer::new(edge()).max_decoding_message_size(most))
        .add_service(OneTimeTokenServiceServer::new(edge()).max_decoding_message_size(most))
        .add_service(
            AuditServiceServer::new(audit::AuditEdge::new(edge())).max_decoding_message_size(most),
        )
}

/// The services as gRPC sees them.
#[derive(Clone)]
struct AdminEdge {
    auth: Arc<Auth>,
    bounds: Bounds,
}

impl AdminEdge {
    /// Whoever calls, if they may administer now.
    async fn administrator<T>(&self, request: &Request<T>) -> Result<Administrator, AuthError> {
        let names = request.extensions().get::<PeerNames>().cloned().unwrap_or_default();
        let bearer = bearer(request.metadata())?;
        self.auth.administrator(bearer, &names, caller(request)).await
    }
}
