//! What commands need to talk to a server.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use url::Url;

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

/// GETs a document over HTTP/1.1 without TLS, from this machine.
pub(super) async fn get(authority: &str, path: &str) -> anyhow::Result<(u16, Bytes)> {
    ask(TcpStream::connect(authority).await?, authority, path).await
}

/// GETs a document over HTTP/1.1, with TLS if the URL says https. Certificates
/// are trusted that browsers trust, and those of this authority.
pub(super) async fn get_url(url: &Url, ca_pem: Option<&[u8]>) -> anyhow::Result<(u16, Bytes)> {
    let host = url.host_str().context("the URL has no host")?;
    let port = url.port_or_known_default().context("the URL has no port")?;
    let authority = url.authority();
    let stream = TcpStream::connect((host.trim_matches(['[', ']']), port)).await?;
    if url.scheme() != "https" {
        return ask(stream, authority, url.path()).await;
    }
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for authority in ca_pem.into_iter().flat_map(CertificateDer::pem_slice_iter) {
        roots.add(authority?)?;
    }
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())?;
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    ask(stream, authority, url.path()).await
}

async fn ask(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    authority: &str,
    path: &str,
) -> anyhow::Result<(u16, Bytes)> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let request = Request::get(path).header(header::HOST, authority).body(Empty::<Bytes>::new())?;
    let response = sender.send_request(request).await?;
    let status = response.status().as_u16();
    let body = Limited::new(response.into_body(), BODY_MAX).collect().await;
    connection.abort();
    Ok((status, body.map_err(|error| anyhow::anyhow!(error))?.to_bytes()))
}
