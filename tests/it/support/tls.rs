//! A certificate, and a client that trusts it alone.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use tempfile::TempDir;
use tokenward::listener::tls::install_crypto_provider;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

/// A self-signed certificate for localhost and 127.0.0.1, and its key.
pub(crate) struct SelfSigned {
    folder: TempDir,
}

impl SelfSigned {
    pub(crate) fn new() -> Self {
        install_crypto_provider();
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let own = rcgen::generate_simple_self_signed(names).expect("a certificate");
        let this = Self { folder: tempfile::tempdir().expect("a folder") };
        fs::write(this.certificate(), own.cert.pem()).expect("a file");
        fs::write(this.key(), own.signing_key.serialize_pem()).expect("a file");
        let owner_only = fs::Permissions::from_mode(0o600);
        fs::set_permissions(this.key(), owner_only).expect("our file");
        this
    }

    /// The PEM file of the certificate.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.path("cert.pem")
    }

    /// The PEM file of the key.
    pub(crate) fn key(&self) -> PathBuf {
        self.path("key.pem")
    }

    /// Shakes hands, offering these protocols.
    pub(crate) async fn connect(
        &self,
        stream: TcpStream,
        protocols: &[&str],
    ) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        let certificate = CertificateDer::from_pem_file(self.certificate()).expect("PEM");
        roots.add(certificate).expect("a certificate");
        let mut config =
            ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|p| p.as_bytes().to_vec()).collect();
        let name = ServerName::try_from("localhost").expect("a name");
        TlsConnector::from(Arc::new(config)).connect(name, stream).await.expect("shaken hands")
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::join(self.folder.path(), name)
    }
}
