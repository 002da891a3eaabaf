//! What commands need to talk to a server.

use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

/// The most that an answer may have, in bytes.
const BODY_MAX: usize = 1 << 20;

/// A gRPC connection, with TLS if the address says https.
pub(super) async fn connect(
    url: &str,
    ca_pem: Option<&str>,
    timeout: Duration,
) -> anyhow::Result<Channel> {
    let mut endpoint =
        Endpoint::from_shared(url.to_owned())?.connect_timeout(timeout).timeout(timeout);
    if url.starts_with("https://") {
        let pem = ca_pem.context("https needs the certificate authority: give --tls-ca")?;
        let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem));
        endpoint = endpoint.tls_config(tls)?;
    }
    Ok(endpoint.connect().await?)
}

/// GETs a document over HTTP/1.1 without TLS; for the tour only.
pub(super) async fn get(authority: &str, path: &str) -> anyhow::Result<(u16, Bytes)> {
    let stream = TcpStream::connect(authority).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let request = Request::get(path).header(header::HOST, authority).body(Empty::<Bytes>::new())?;
    let response = sender.send_request(request).await?;
    let status = response.status().as_u16();
    let body = Limited::new(response.into_body(), BODY_MAX).collect().await;
    connection.abort();
    Ok((status, body.map_err(|error| anyhow::anyhow!(error))?.to_bytes()))
}
