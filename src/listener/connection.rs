//! The life of one connection.

use std::{convert::Infallible, future::Future, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{Request, Response},
};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::{Service, ServiceExt as _};

use super::{
    limits::ConnectionLimits,
    opening::Opening,
    tls::{LiveTls, peer_names},
    unread::{Answer, Unread},
};
use crate::peers::PeerNames;

/// hyper panics when told to buffer less for an HTTP/1 head.
const HTTP1_BUFFER_MIN: usize = 8192;
/// Bytes of one call that may wait here unread (RFC 9113 section 6.9). h2 ends
/// a connection on which too many small frames wait, as it must (rapid frames
/// are an attack), and judges by half of the connection's window: a stream of
/// small messages that comes faster than it is read shall be held up by its
/// own window before that.
const STREAM_WINDOW: u32 = 128 * 1024;
/// Of all calls on a connection together.
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// What all connections of a listener share.
#[derive(Clone)]
pub(super) struct Connections {
    pub(super) tls: Option<Arc<LiveTls>>,
    pub(super) app: Router,
    pub(super) limits: Arc<ConnectionLimits>,
    /// Calls in flight may finish.
    pub(super) shutdown: CancellationToken,
    /// They may not.
    pub(super) cut: CancellationToken,
    pub(super) accepted: u32,
}

impl Connections {
    /// The whole life of a connection that was accepted, as a future.
    pub(super) fn open(
        &mut self,
        stream: TcpStream,
        peer: SocketAddr,
    ) -> impl Future<Output = ()> + Send + 'static {
        self.accepted = self.accepted.wrapping_add(1);
        self.clone().run(stream, peer)
    }

    async fn run(self, stream: TcpStream, peer: SocketAddr) {
        // Nagle's algorithm would hold small answers back for 40 ms. A socket
        // that takes no options is dead, and will say so when it is read.
        let _ = stream.set_nodelay(true);
        let Some(tls) = &self.tls else {
            return self.speak(stream, peer, PeerNames::default()).await;
        };
        let acceptor = TlsAcceptor::from(tls.current());
        let handshake = timeout(self.limits.tls_handshake_timeout, acceptor.accept(stream));
        match self.shutdown.run_until_cancelled(handshake).await {
            Some(Ok(Ok(stream))) => {
                let names = peer_names(stream.get_ref().1);
                self.speak(stream, peer, names).await;
            }
            Some(Ok(Err(error))) => tracing::debug!(%peer, %error, "TLS handshake failed"),
            Some(Err(_)) => tracing::debug!(%peer, "TLS handshake timed out"),
            None => {}
        }
    }

    /// Speaks HTTP until the peer leaves, or it is time to part.
    async fn speak<I>(self, io: I, peer: SocketAddr, names: PeerNames)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let unread = Unread::default();
        let (io, spoken) = Opening::watch(io, unread.clone());
        let service = self.service(peer, names, unread.clone());
        let builder = self.builder();
        let connection =
            builder.serve_connection(TokioIo::new(io), TowerToHyperService::new(service));
        let mut connection = std::pin::pin!(connection);
        let silence = async {
            sleep(self.limits.header_read_timeout).await;
            if spoken.get() {
                std::future::pending::<()>().await;
            }
        };
        let mut overdue = std::pin::pin!(unread.overdue(self.limits.unread_timeout));
        let grace = tokio::select! {
            result = connection.as_mut() => return log_end(peer, result),
            () = silence => return tracing::debug!(%peer, "connection closed: nothing was said"),
            () = overdue.as_mut() => return tracing::debug!(%peer, "connection cut: unread"),
            () = self.cut.cancelled() => return,
            () = self.shutdown.cancelled() => self.limits.drain_deadline,
            () = sleep(self.age()) => self.limits.age_grace,
        };
        connection.as_mut().graceful_shutdown();
        tokio::select! {
            result = connection.as_mut() => log_end(peer, result),
            () = overdue => tracing::debug!(%peer, "connection cut: unread"),
            () = sleep(grace) => tracing::debug!(%peer, "connection cut after its grace"),
            () = self.cut.cancelled() => {}
        }
    }

    /// The app, as this connection calls it.
    fn service(
        &self,
        peer: SocketAddr,
        names: PeerNames,
        unread: Unread,
    ) -> impl Service<
        Request<Incoming>,
        Response = Response<Answer>,
        Error = Infallible,
        Future: Send,
    > + Clone
    + Send
    + 'static {
        self.app
            .clone()
            .map_request(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(peer);
                request.extensions_mut().insert(names.clone());
                request.map(Body::new)
            })
            .map_response(move |response: Response<Body>| {
                let unread = unread.clone();
                response.map(|body| Answer::new(body, unread))
            })
    }

    fn builder(&self) -> Builder<TokioExecutor> {
        let limits = &self.limits;
        let header_bytes = usize::try_from(limits.max_header_bytes).unwrap_or(usize::MAX);
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header_read_timeout)
            .max_buf_size(header_bytes.max(HTTP1_BUFFER_MIN));
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits.max_concurrent_streams)
            .max_pending_accept_reset_streams(limits.max_pending_accept_reset_streams)
            .max_local_error_reset_streams(limits.max_local_error_reset_streams)
            .max_header_list_size(limits.max_header_bytes)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .keep_alive_interval(limits.keep_alive_interval)
            .keep_alive_timeout(limits.keep_alive_timeout);
        builder
    }

    fn age(&self) -> Duration {
        spread(self.limits.max_age, self.accepted)
    }
}

/// Takes up to a tenth off. Multiples of the golden ratio fall evenly over the
/// unit interval: better spread than random numbers, and none are needed.
fn spread(age: Duration, number: u32) -> Duration {
    const GOLDEN_RATIO: u32 = 0x9e37_79b9; // of 2^32
    let fraction = f64::from(number.wrapping_mul(GOLDEN_RATIO)) / f64::from(u32::MAX);
    age.saturating_sub((age / 10).mul_f64(fraction))
}

fn log_end(peer: SocketAddr, result: Result<(), Box<dyn std::error::Error + Send + Sync>>) {
    if let Err(error) = result {
        // The peer's doing, and as often as it likes: not for the usual log.
        tracing::debug!(%peer, error = crate::domain::error::chain(error.as_ref()), "connection");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gt_18_ages_are_spread_over_a_tenth() {
        let age = Duration::from_secs(100);
        let ages: Vec<_> = (1..=100).map(|number| spread(age, number)).collect();
        assert!(ages.iter().all(|a| (Duration::from_secs(90)..=age).contains(a)), "{ages:?}");
        for second in 90..100 {
            let within = |a: &&Duration| a.as_secs() == second;
            assert!((8..=12).contains(&ages.iter().filter(within).count()), "{second}: {ages:?}");
        }
    }
}
