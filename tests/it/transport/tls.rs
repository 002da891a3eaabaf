//! TLS on accepted connections.

use std::sync::Arc;

use axum::{Router, routing::get};
use tokenward::listener::{ConnectionLimits, tls::LiveTls};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::Instant,
};
use tokio_rustls::client::TlsStream;

use super::{SHORT, Server, limits, read_to_end};
use crate::support::tls::SelfSigned;

struct Setting {
    server: Server,
    own: SelfSigned,
}

impl Setting {
    async fn new(limits: ConnectionLimits) -> Self {
        let own = SelfSigned::new();
        let config = Arc::new(LiveTls::load(own.files()).unwrap());
        let app = Router::new().route("/", get(async || "fine"));
        Self { server: Server::start_with(app, limits, Some(config)).await, own }
    }

    async fn connect(&self, protocols: &[&str]) -> TlsStream<TcpStream> {
        self.own.connect(self.server.connect().await, protocols).await
    }

    async fn works(&self) {
        let mut stream = self.connect(&["http/1.1"]).await;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
        assert!(read_to_end(&mut stream).await.ends_with("fine"));
    }
}

#[tokio::test]
async fn both_protocols_are_spoken_and_offered() {
    let setting = Setting::new(limits()).await;
    let negotiated = async |protocols: &[&str]| {
        let stream = setting.connect(protocols).await;
        stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec)
    };
    assert_eq!(negotiated(&["http/1.1", "h2"]).await, Some(b"h2".to_vec()));
    assert_eq!(negotiated(&["http/1.1"]).await, Some(b"http/1.1".to_vec()));
    assert_eq!(negotiated(&[]).await, None, "GT-28: no ALPN is no error");
    setting.works().await;
    let stream = setting.connect(&["h2"]).await;
    let (send, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = http::Request::get("https://localhost/").body(()).unwrap();
    let mut send = send.ready().await.unwrap();
    let (response, _) = send.send_request(request, true).unwrap();
    let mut body = response.await.unwrap().into_body();
    assert_eq!(body.data().await.unwrap().unwrap(), "fine");
    drop((send, body));
    connection.await.unwrap().unwrap();
}

#[tokio::test]
async fn gt_28_a_handshake_has_its_time() {
    let limits = ConnectionLimits { tls_handshake_timeout: SHORT, ..limits() };
    let setting = Setting::new(limits).await;
    for said in [&[][..], &[0x16, 0x03, 0x01, 0x01, 0x00, 0x01]] {
        let mut stream = setting.server.connect().await;
        let began = Instant::now();
        stream.write_all(said).await.unwrap();
        read_to_end(&mut stream).await;
        assert!(began.elapsed() >= SHORT, "{said:?}");
    }
    setting.works().await;
}

#[tokio::test]
async fn gt_15_plain_bytes_on_a_tls_port_are_refused() {
    let setting = Setting::new(limits()).await;
    let mut stream = setting.server.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(!String::from_utf8_lossy(&answer).contains("fine"));
    setting.works().await;
}

#[tokio::test]
async fn gt_19_a_handshake_does_not_hold_up_a_drain() {
    let setting = Setting::new(limits()).await;
    let _silent = setting.server.connect().await;
    setting.works().await;
    let began = Instant::now();
    setting.server.shutdown.cancel();
    setting.server.ended().await;
    assert!(began.elapsed() < limits().drain_deadline);
}
