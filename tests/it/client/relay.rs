//! A network between a verifier and its server that can be cut, mended, and
//! laid to another server.

use std::net::SocketAddr;

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// Passes connections on.
pub(super) struct Relay {
    pub(super) address: SocketAddr,
    to: watch::Sender<Option<SocketAddr>>,
}

impl Relay {
    pub(super) async fn new(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (to, goal) = watch::channel(Some(to));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(pass_on(stream, goal.clone()));
            }
        });
        Self { address, to }
    }

    /// Breaks every connection, and lets none through.
    pub(super) fn cut(&self) {
        self.to.send_replace(None);
    }

    /// Breaks every connection; new ones lead there.
    pub(super) fn lay(&self, to: SocketAddr) {
        self.to.send_replace(Some(to));
    }
}

async fn pass_on(mut stream: TcpStream, mut goal: watch::Receiver<Option<SocketAddr>>) {
    let Some(to) = *goal.borrow_and_update() else { return };
    let passed = async {
        let mut server = TcpStream::connect(to).await?;
        copy_bidirectional(&mut stream, &mut server).await
    };
    tokio::select! {
        _ = passed => {}
        _ = goal.changed() => {}
    }
}
