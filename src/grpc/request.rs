//! What the metadata of a call says.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::http::Extensions;
use tonic::{Request, metadata::MetadataMap};

use crate::{arrival, domain::error::AuthError, service::Caller};

/// Who is at the other end.
pub(super) fn caller<T>(request: &Request<T>) -> Caller {
    // tonic's extensions are those of the request that it came in.
    arrival::caller(request.metadata().as_ref(), request.extensions())
}

/// The caller's access token.
pub(super) fn bearer(metadata: &MetadataMap) -> Result<Option<&str>, AuthError> {
    arrival::bearer(metadata.as_ref())
}

/// The peer of a request, whoever it speaks for, for counting what it takes. All of
/// which the transport did not say count as one.
pub(super) fn peer(extensions: &Extensions) -> IpAddr {
    extensions.get().map_or(Ipv4Addr::UNSPECIFIED.into(), SocketAddr::ip)
}
