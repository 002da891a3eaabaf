//! A certificate, and a client that trusts it alone.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    crypto::aws_lc_rs::sign::any_supported_type,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
    sign::{CertifiedKey, SingleCertAndKey},
};
use tempfile::TempDir;
use tokenward::listener::tls::{TlsFiles, install_crypto_provider};
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

    /// What the server is given, clients not being asked who they are.
    pub(crate) fn files(&self) -> TlsFiles {
        let (certificate, key) = (self.certificate(), self.key());
        TlsFiles { certificate, key, client_ca: None, client_crl: None }
    }

    /// Shakes hands, offering these protocols.
    pub(crate) async fn connect(
        &self,
        stream: TcpStream,
        protocols: &[&str],
    ) -> TlsStream<TcpStream> {
        let mut config = self.client(None, rustls::ALL_VERSIONS);
        config.alpn_protocols = protocols.iter().map(|p| p.as_bytes().to_vec()).collect();
        shake_hands(&Arc::new(config), stream).await.expect("shaken hands")
    }

    /// A client that trusts the certificate, with one of its own or without.
    pub(crate) fn client(
        &self,
        own: Option<&Identity>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        let certificate = CertificateDer::from_pem_file(self.certificate()).expect("PEM");
        roots.add(certificate).expect("a certificate");
        let builder =
            ClientConfig::builder_with_protocol_versions(versions).with_root_certificates(roots);
        match own {
            None => builder.with_no_client_auth(),
            Some(Identity { chain, key }) => {
                // Whether the two belong together is for the server to find out.
                let key = any_supported_type(key).expect("a key");
                let pair = CertifiedKey::new(chain.clone(), key);
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(pair)))
            }
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::join(self.folder.path(), name)
    }
}

/// A client's certificate, what its authority adds, and its key.
pub(crate) struct Identity {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
}

impl Identity {
    /// The certificates, and the key, in PEM.
    pub(crate) fn pem(&self) -> (String, String) {
        let chain = self.chain.iter().map(|certificate| pem("CERTIFICATE", certificate)).collect();
        (chain, pem("PRIVATE KEY", self.key.secret_der()))
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

/// With TLS 1.3 the server may refuse the client after this.
pub(crate) async fn shake_hands(
    config: &Arc<ClientConfig>,
    stream: TcpStream,
) -> io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from("localhost").expect("a name");
    TlsConnector::from(Arc::clone(config)).connect(name, stream).await
}
