//! The sockets of a server, as others on this machine see them.

use std::{
    io::{self, ErrorKind},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
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
        && bindable(address).is_err_and(|error| error.kind() == ErrorKind::AddrInUse)
}

/// Whether a server could listen there now.
pub(super) fn bindable(address: SocketAddr) -> io::Result<()> {
    TcpListener::bind(address).map(|_| ())
}

/// The address to ask a listener at: an unspecified one is asked on loopback.
pub(super) fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}
