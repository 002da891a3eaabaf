//! The sockets of a server, as others on this machine see them.

use std::{
    io::ErrorKind,
    net::{SocketAddr, TcpListener},
};

use crate::config::Settings;

/// The settings that name the listeners, and their addresses.
pub(super) fn configured(settings: &Settings) -> Vec<(&'static str, SocketAddr)> {
    let mut all = vec![("grpc.listen", settings.grpc.listen)];
    if settings.admin.listen != settings.grpc.listen {
        all.push(("admin.listen", settings.admin.listen));
    }
    all.push(("http.listen", settings.http.listen));
    all
}

/// Whether somebody listens there. An address for which the system chooses
/// the port is never in use.
pub(super) fn is_in_use(address: SocketAddr) -> bool {
    address.port() != 0
        && TcpListener::bind(address).is_err_and(|error| error.kind() == ErrorKind::AddrInUse)
}
