//! A world behind sockets: the real composition of `app`, on any free ports.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tempfile::TempDir;
use tokenward::{
    app::Server, grpc::pb::auth::auth_service_client::AuthServiceClient, service::Auth,
    store::port::Store,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

use super::{
    beside,
    determinism::ManualClock,
    world::{World, question},
};

/// Without this table the revocation log cannot be read.
const HIDE_LOG: &str = "ALTER TABLE revocation_head RENAME TO hidden";
const SHOW_LOG: &str = "ALTER TABLE hidden RENAME TO revocation_head";
/// Longer than anything here takes, on the slowest machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A running server.
pub(crate) struct Served {
    pub(crate) grpc: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) http: SocketAddr,
    pub(crate) auth: Arc<Auth>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<ManualClock>,
    database_url: String,
    stop: CancellationToken,
    running: JoinHandle<()>,
    #[expect(dead_code, reason = "holds the folder until the server ends")]
    dir: TempDir,
}

impl World {
    /// Puts the world behind sockets, and waits until it is ready.
    pub(crate) async fn serve(self) -> Served {
        let served = self.start().await;
        served.until_ready().await;
        served
    }

    /// Puts a world that has not read its revocation log behind sockets, and
    /// keeps the log out of its reach until [`Served::show_log`].
    pub(crate) async fn serve_without_log(self) -> Served {
        beside::run(self.settings.database_url().expose(), HIDE_LOG).await;
        self.start().await
    }

    async fn start(self) -> Served {
        let Self { core, clock, settings, dir } = self;
        let store = Arc::clone(&core.store);
        let database_url = settings.database_url().expose().to_owned();
        let bound = Server::bind(settings, core).await.expect("bound");
        let (grpc, http) = (bound.grpc_address().unwrap(), bound.http_address().unwrap());
        let admin = bound.admin_address().unwrap();
        let auth = bound.auth();
        let stop = CancellationToken::new();
        let running = tokio::spawn(bound.run(stop.clone()));
        Served { grpc, admin, http, auth, store, clock, database_url, stop, running, dir }
    }
}

impl Served {
    /// A connection of its own.
    pub(crate) async fn channel(&self) -> Channel {
        let endpoint = Channel::from_shared(format!("http://{}", self.grpc)).expect("a URL");
        endpoint.connect().await.expect("the server accepts")
    }

    /// A client on a connection of its own.
    pub(crate) async fn client(&self) -> AuthServiceClient<Channel> {
        AuthServiceClient::new(self.channel().await)
    }

    /// Runs SQL beside the server.
    pub(crate) async fn raw(&self, sql: &str) {
        beside::run(&self.database_url, sql).await;
    }

    /// Ends what [`World::serve_without_log`] began.
    pub(crate) async fn show_log(&self) {
        beside::run(&self.database_url, SHOW_LOG).await;
        self.until_ready().await;
    }

    /// Begins to stop: the server drains, for as long as its settings say.
    pub(crate) fn drain(&self) {
        self.stop.cancel();
    }

    /// Stops, and waits for the end.
    pub(crate) async fn stop(self) {
        self.drain();
        tokio::time::timeout(PATIENCE, self.running).await.expect("it ends").expect("no panic");
    }

    /// Moves the clock, and waits until the server has looked at its log since.
    pub(crate) async fn advance(&self, span: Duration) {
        self.clock.advance(span);
        self.until_ready().await;
    }

    async fn until_ready(&self) {
        let ready = async {
            while self.auth.verify(&question("x")).await.is_err() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, ready).await.expect("the server becomes ready");
    }
}
