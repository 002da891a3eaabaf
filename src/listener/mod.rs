//! One accept loop for every listener: caps, timeouts, TLS and an orderly end.
//!
//! It stands where `tonic::transport::Server` and `axum::serve` would, because
//! neither bounds connections, times handshakes and headers, spreads the ends
//! of old connections, or drains with a deadline.

mod connection;
mod limits;
mod opening;
pub mod tls;
mod unread;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use limits::ConnectionLimits;

#[cfg(doc)]
use crate::peers::PeerNames;
use crate::peers::Quota;

use connection::Connections;
use tls::LiveTls;

/// How long to wait after the system could not hand out a socket (EMFILE and
/// its like); the connection stays in the kernel's queue meanwhile.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Serves `app` over HTTP/1.1 and HTTP/2 until `shutdown`, then drains.
///
/// Every request carries its peer's [`SocketAddr`] and [`PeerNames`] as
/// extensions. While
/// [`ConnectionLimits::max_connections`] are open nothing is accepted: what
/// comes more waits in the kernel's queue, at no cost to us, and a short burst
/// is served late instead of being turned away. One peer can have
/// [`ConnectionLimits::max_connections_per_peer`] of them; what it opens
/// beyond is closed at once.
///
/// On `shutdown` the listening socket is closed at once, every connection is
/// told to go away, calls in flight may finish, and what is left at the drain
/// deadline is cut. Returns when no connection is left.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<LiveTls>>,
    app: Router,
    limits: ConnectionLimits,
    shutdown: CancellationToken,
) {
    let (tasks, cut) = (TaskTracker::new(), CancellationToken::new());
    let room = Arc::new(Semaphore::new(limits.max_connections.min(Semaphore::MAX_PERMITS)));
    let peers = Quota::new(limits.max_connections, limits.max_connections_per_peer);
    let drain_deadline = limits.drain_deadline;
    let mut connections = Connections {
        tls,
        app: app.with_state(()),
        limits: Arc::new(limits),
        shutdown: shutdown.clone(),
        cut: cut.clone(),
        accepted: 0,
    };
    while let Some((permit, stream, peer)) =
        shutdown.run_until_cancelled(accept(&listener, &room)).await
    {
        let Some(share) = peers.take(peer.ip()) else {
            tracing::debug!(%peer, "connection closed: its peer has too many");
            continue;
        };
        let connection = connections.open(stream, peer);
        tasks.spawn(async move {
            connection.await;
            drop((permit, share));
        });
    }
    drop(listener);
    tasks.close();
    if tokio::time::timeout(drain_deadline, tasks.wait()).await.is_err() {
        tracing::warn!(connections = tasks.len(), "connections cut at the drain deadline");
        cut.cancel();
        tasks.wait().await;
    }
}

/// Waits for room, then for a connection. Whatever goes wrong with one
/// connection, or for want of file descriptors, the loop goes on.
async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> (OwnedSemaphorePermit, TcpStream, SocketAddr) {
    let Ok(permit) = Arc::clone(room).acquire_owned().await else {
        // Nobody closes the semaphore.
        return std::future::pending().await;
    };
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (permit, stream, peer),
            Err(error) if died_in_queue(&error) => {}
            Err(error) => {
                tracing::error!(%error, "no connection can be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// The peer was gone before we came: nothing to do with us.
fn died_in_queue(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
