//! What one listener grants its peers.

use std::time::Duration;

/// Limits of a listener and of each of its connections. Their values are
/// settings, and so are their defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Connections open at the same time. More wait in the kernel's queue.
    pub max_connections: usize,
    /// Of these, those of one peer: an IPv4 address or an IPv6 /64. More are
    /// closed at once, since waiting they would hold up everybody.
    pub max_connections_per_peer: usize,
    /// Time from the TCP connection to the end of the TLS handshake.
    pub tls_handshake_timeout: Duration,
    /// Time in which a new connection must say which protocol it speaks; in
    /// HTTP/1.1 also the time for each request's head, so that it bounds how
    /// long a kept-alive connection stays idle.
    pub header_read_timeout: Duration,
    /// Bytes of one request's headers. HTTP/1.1 cannot go below 8192.
    pub max_header_bytes: u32,
    /// HTTP/2: calls open at the same time on one connection.
    pub max_concurrent_streams: u32,
    /// HTTP/2: streams that the peer reset before we looked at them; one more
    /// ends the connection (CVE-2023-44487, rapid reset).
    pub max_pending_accept_reset_streams: usize,
    /// HTTP/2: streams that we had to reset because of the peer's mistakes;
    /// one more ends the connection (CVE-2025-8671, made to reset).
    pub max_local_error_reset_streams: usize,
    /// HTTP/2: a silent peer is asked this often whether it is still there.
    pub keep_alive_interval: Duration,
    /// HTTP/2: how long it may take to answer that.
    pub keep_alive_timeout: Duration,
    /// How long the peer may leave what it is sent unread; a connection where
    /// anything has waited for that long is cut before it is twice that.
    pub unread_timeout: Duration,
    /// Age at which a connection is told to go away, so that clients spread
    /// over replicas again. Up to a tenth is taken off, differently for each
    /// connection, so that they do not all reconnect together.
    pub max_age: Duration,
    /// How long calls in flight may go on after that.
    pub age_grace: Duration,
    /// How long calls in flight may go on after shutdown.
    pub drain_deadline: Duration,
}
