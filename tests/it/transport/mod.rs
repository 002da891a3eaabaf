//! The listener against impolite peers, and its orderly end. Bytes are
//! written by hand where a well-behaved client would not send them.

mod abuse;
mod client_certificates;
mod ending;
mod frames;
mod smuggling;
mod tls;
mod unread;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use confique::Config as _;
use tokenward::{
    app,
    config::Settings,
    listener::{self, ConnectionLimits, tls::LiveTls},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// Longer than anything here takes, on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// The timeouts that tests wait for.
const SHORT: Duration = Duration::from_millis(200);

/// The limits of a server that nobody has configured.
fn limits() -> ConnectionLimits {
    let settings = Settings::builder().load().expect("defaults");
    app::connection_limits(&settings, settings.grpc.request_timeout)
}

struct Server {
    address: SocketAddr,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Server {
    async fn start(app: Router, limits: ConnectionLimits) -> Self {
        Self::start_with(app, limits, None).await
    }

    async fn start_with(app: Router, limits: ConnectionLimits, tls: Option<Arc<LiveTls>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(listener::serve(listener, tls, app, limits, shutdown.clone()));
        Self { address, shutdown, task }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Waits until the listener has ended by itself.
    async fn ended(self) {
        timeout(PATIENCE, self.task).await.expect("ends").expect("without a panic");
    }
}

/// The whole answer to one HTTP/1.1 request, up to the end of the connection.
async fn http1(server: &Server, path: &str) -> String {
    let mut stream = server.connect().await;
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    read_to_end(&mut stream).await
}

/// Reads until the peer closes, however it does that.
async fn read_to_end(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("the peer closes");
    String::from_utf8_lossy(&bytes).into_owned()
}
