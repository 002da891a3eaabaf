//! TLS for accepted connections: certificate and key from PEM files, and the
//! authorities for certificates of clients.

mod clients;
mod leaf;
mod live;

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ServerConfig,
    crypto::aws_lc_rs::default_provider,
    pki_types::{
        PrivateKeyDer,
        pem::{self, PemObject},
    },
    server::{NoServerSessionStorage, WebPkiClientVerifier},
};

use crate::domain::clock::Timestamp;

pub(super) use clients::peer_names;
pub use leaf::Leaf;
pub use live::{LiveTls, Reload};

/// Where everything is read from.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The server's certificate, then the chain.
    pub certificate: PathBuf,
    /// The certificate's private key.
    pub key: PathBuf,
    /// Who vouches for clients; `None`: they are not asked who they are.
    pub client_ca: Option<PathBuf>,
    /// Which of those certificates count no more.
    pub client_crl: Option<PathBuf>,
}

/// Why TLS cannot be served. One line that names the file and what to do.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file cannot be opened.
    #[error("{} cannot be read", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file has no certificate in it, or a broken one.
    #[error("{} must hold the certificate chain in PEM form, own certificate first", .0.display())]
    NoCertificate(PathBuf),
    /// The file has no private key in it, or an encrypted one.
    #[error("{} must hold one private key in PEM form, not encrypted", .0.display())]
    NoKey(PathBuf),
    /// Others may read or change the key.
    #[error("{} is open to others (mode {mode:03o}); try chmod 600", .path.display())]
    KeyExposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The certificate is not good yet, or not any more.
    #[error("{} is good from {from} until {until}", path.display())]
    OutOfTime {
        /// The file.
        path: PathBuf,
        /// From when on it is good.
        from: Timestamp,
        /// Until when it is good.
        until: Timestamp,
    },
    /// The file has no authority in it, or a broken one.
    #[error("{} must hold certificates of authorities in PEM form", .0.display())]
    NoAuthority(PathBuf),
    /// The file has no revocation list in it, or a broken one.
    #[error("{} must hold certificate revocation lists in PEM form", .0.display())]
    NoRevocationList(PathBuf),
    /// The two do not belong together, or are of a kind that TLS cannot use.
    #[error("certificate and private key cannot be used together")]
    Unusable(#[from] rustls::Error),
}

/// Makes AWS-LC the process's provider of TLS cryptography, for clients that
/// do not name one. Calling it again changes nothing.
pub fn install_crypto_provider() {
    // An error means that a provider is there already.
    let _ = default_provider().install_default();
}

/// A configuration with one certificate, TLS 1.2 and 1.3, offering HTTP/2 and
/// HTTP/1.1 by ALPN (RFC 7301).
///
/// Where clients are asked for certificates, no handshake is shortened by an
/// earlier one: the certificate is verified each time.
pub fn load(files: &TlsFiles) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = read_all(&files.certificate, TlsError::NoCertificate)?;
    let key = read_key(&files.key)?;
    let verifier = match &files.client_ca {
        Some(authorities) => clients::verifier(authorities, files.client_crl.as_deref())?,
        None => WebPkiClientVerifier::no_client_auth(),
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    if files.client_ca.is_some() {
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    Ok(Arc::new(config))
}

/// Everything of its kind in the file; none is a mistake.
fn read_all<T: PemObject>(
    path: &Path,
    mistake: fn(PathBuf) -> TlsError,
) -> Result<Vec<T>, TlsError> {
    let all: Result<Vec<T>, pem::Error> = T::pem_reader_iter(open(path)?).collect();
    all.ok().filter(|all| !all.is_empty()).ok_or_else(|| mistake(path.to_owned()))
}

/// The permissions are those of the file that is read, not of whatever has
/// its name a moment later.
fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let file = open(path)?;
    check_permissions(path, &file)?;
    PrivateKeyDer::from_pem_reader(file).map_err(|_| TlsError::NoKey(path.to_owned()))
}

fn open(path: &Path) -> Result<File, TlsError> {
    File::open(path).map_err(|source| TlsError::Unreadable { path: path.to_owned(), source })
}

/// Group may read (Kubernetes mounts secrets that way) but not write; others
/// may do neither.
#[cfg(unix)]
fn check_permissions(path: &Path, file: &File) -> Result<(), TlsError> {
    use std::os::unix::fs::PermissionsExt as _;
    const FORBIDDEN: u32 = 0o026;
    let unreadable = |source| TlsError::Unreadable { path: path.to_owned(), source };
    let mode = file.metadata().map_err(unreadable)?.permissions().mode() & 0o777;
    if mode & FORBIDDEN == 0 {
        Ok(())
    } else {
        Err(TlsError::KeyExposed { path: path.to_owned(), mode })
    }
}

#[cfg(not(unix))]
fn check_permissions(_: &Path, _: &File) -> Result<(), TlsError> {
    Ok(())
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;

    struct Files {
        folder: tempfile::TempDir,
    }

    impl Files {
        fn new() -> Self {
            let files = Self { folder: tempfile::tempdir().expect("a folder") };
            let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a key");
            let other = rcgen::generate_simple_self_signed(["other".to_owned()]).expect("a key");
            files.write("cert.pem", &own.cert.pem(), 0o644);
            files.write("key.pem", &own.signing_key.serialize_pem(), 0o600);
            files.write("other.pem", &other.signing_key.serialize_pem(), 0o600);
            files.write("empty.pem", "", 0o600);
            files
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn write(&self, name: &str, text: &str, mode: u32) {
            fs::write(self.path(name), text).expect("written");
            let permissions = fs::Permissions::from_mode(mode);
            fs::set_permissions(self.path(name), permissions).expect("set");
        }

        fn load(&self, certificates: &str, key: &str) -> Result<Arc<ServerConfig>, String> {
            self.load_with(certificates, key, None, None)
        }

        fn load_with(
            &self,
            certificate: &str,
            key: &str,
            ca: Option<&str>,
            crl: Option<&str>,
        ) -> Result<Arc<ServerConfig>, String> {
            let files = TlsFiles {
                certificate: self.path(certificate),
                key: self.path(key),
                client_ca: ca.map(|name| self.path(name)),
                client_crl: crl.map(|name| self.path(name)),
            };
            let folder = format!("{}/", self.folder.path().display());
            load(&files).map_err(|error| error.to_string().replace(&folder, ""))
        }
    }

    #[test]
    fn a_pair_is_loaded_and_offers_both_protocols() {
        let config = Files::new().load("cert.pem", "key.pem").expect("a good pair");
        assert_eq!(config.alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
    }

    #[test]
    fn each_mistake_has_its_own_line() {
        let files = Files::new();
        let error = |certificates, key| files.load(certificates, key).expect_err("a mistake");
        assert_eq!(error("absent.pem", "key.pem"), "absent.pem cannot be read");
        assert_eq!(error("cert.pem", "absent.pem"), "absent.pem cannot be read");
        let chain = "must hold the certificate chain in PEM form, own certificate first";
        assert_eq!(error("empty.pem", "key.pem"), format!("empty.pem {chain}"));
        assert_eq!(error("key.pem", "key.pem"), format!("key.pem {chain}"));
        let key = "must hold one private key in PEM form, not encrypted";
        assert_eq!(error("cert.pem", "empty.pem"), format!("empty.pem {key}"));
        assert_eq!(
            error("cert.pem", "other.pem"),
            "certificate and private key cannot be used together"
        );
    }

    /// An empty list of the revoked would revoke nothing.
    #[test]
    fn mistakes_in_what_is_asked_of_clients_have_their_lines_too() {
        let files = Files::new();
        files.write(
            "broken.pem",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
            0o600,
        );
        files.write("list.pem", "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----", 0o600);
        let error =
            |ca, crl| files.load_with("cert.pem", "key.pem", Some(ca), crl).expect_err("a mistake");
        let authorities = "must hold certificates of authorities in PEM form";
        let lists = "must hold certificate revocation lists in PEM form";
        assert_eq!(error("absent.pem", None), "absent.pem cannot be read");
        for ca in ["empty.pem", "key.pem", "broken.pem"] {
            assert_eq!(error(ca, None), format!("{ca} {authorities}"));
        }
        for crl in ["empty.pem", "cert.pem", "list.pem"] {
            assert_eq!(error("cert.pem", Some(crl)), format!("{crl} {lists}"));
        }
        assert!(files.load_with("cert.pem", "key.pem", Some("cert.pem"), None).is_ok());
    }

    #[test]
    fn km_01_a_key_that_others_can_reach_is_refused() {
        let files = Files::new();
        let key = fs::read_to_string(files.path("key.pem")).expect("the key");
        for (mode, accepted) in
            [(0o600, true), (0o400, true), (0o440, true), (0o640, true), (0o660, false)]
                .into_iter()
                .chain([(0o644, false), (0o604, false), (0o602, false), (0o666, false)])
        {
            files.write("key.pem", &key, mode);
            assert_eq!(files.load("cert.pem", "key.pem").is_ok(), accepted, "{mode:o}");
        }
        files.write("key.pem", &key, 0o644);
        assert_eq!(
            files.load("cert.pem", "key.pem").expect_err("exposed"),
            "key.pem is open to others (mode 644); try chmod 600"
        );
    }
}
