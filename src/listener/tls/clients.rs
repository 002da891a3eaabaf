//! Certificates of clients: who vouches for them, and what names they hold.

use std::{path::Path, sync::Arc};

use rustls::{
    RootCertStore, ServerConnection,
    crypto::aws_lc_rs::default_provider,
    pki_types::CertificateDer,
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};
use webpki::EndEntityCert;

use super::{TlsError, read_all};
use crate::peers::PeerNames;

/// Lets in who shows no certificate, or one that an authority vouches for.
///
/// With revocation lists, each certificate of the chain needs one of its
/// issuer that is not out of date: a list that is missing or old cannot say
/// that a certificate still counts.
pub(super) fn verifier(
    authorities: &Path,
    lists: Option<&Path>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let mut roots = RootCertStore::empty();
    for authority in read_all::<CertificateDer<'_>>(authorities, TlsError::NoAuthority)? {
        roots.add(authority).map_err(|_| TlsError::NoAuthority(authorities.to_owned()))?;
    }
    let crls = match lists {
        Some(path) => read_all(path, TlsError::NoRevocationList)?,
        None => Vec::new(),
    };
    let provider = Arc::new(default_provider());
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .allow_unauthenticated()
        .with_crls(crls)
        .enforce_revocation_expiration()
        .build()
        // There are authorities, so only a list can be at fault.
        .map_err(|_| TlsError::NoRevocationList(lists.unwrap_or(authorities).to_owned()))
}

/// The names in the certificate that the peer has shown, if it has. The
/// handshake is over: it was verified, and the peer has its key.
pub(in crate::listener) fn peer_names(connection: &ServerConnection) -> PeerNames {
    let leaf = connection.peer_certificates().and_then(<[_]>::first);
    let leaf = leaf.and_then(|leaf| EndEntityCert::try_from(leaf).ok());
    leaf.map(|leaf| PeerNames::new(leaf.valid_dns_names(), leaf.valid_uri_names()))
        .unwrap_or_default()
}
