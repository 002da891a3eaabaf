//! A server's own certificate, as its operator should know it.

use std::path::Path;

use rustls::pki_types::{CertificateDer, ServerName};
use webpki::EndEntityCert;
use x509_cert::{Certificate, der::Decode as _, time::Time};

use super::{TlsError, read_all};
use crate::domain::clock::Timestamp;

/// The first certificate of a file.
#[derive(Clone, Debug)]
pub struct Leaf {
    der: CertificateDer<'static>,
    not_before: Timestamp,
    not_after: Timestamp,
}

impl Leaf {
    /// Reads it, and nothing that comes behind it.
    pub fn read(path: &Path) -> Result<Self, TlsError> {
        let unreadable = || TlsError::NoCertificate(path.to_owned());
        let chain: Vec<CertificateDer<'static>> = read_all(path, TlsError::NoCertificate)?;
        let der = chain.into_iter().next().ok_or_else(unreadable)?;
        let validity = Certificate::from_der(&der).map_err(|_| unreadable())?;
        let validity = validity.tbs_certificate.validity;
        let (not_before, not_after) = (at(validity.not_before), at(validity.not_after));
        Ok(Self { der, not_before, not_after })
    }

    /// From when on it is good.
    pub fn not_before(&self) -> Timestamp {
        self.not_before
    }

    /// Until when it is good.
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// Is it for this host, a name or an address?
    pub fn covers(&self, host: &str) -> bool {
        let leaf = EndEntityCert::try_from(&self.der);
        let (Ok(leaf), Ok(name)) = (leaf, ServerName::try_from(host)) else { return false };
        leaf.verify_is_valid_for_subject_name(&name).is_ok()
    }
}

fn at(time: Time) -> Timestamp {
    let seconds = time.to_unix_duration().as_secs();
    Timestamp::from_seconds(i64::try_from(seconds).unwrap_or(i64::MAX))
}
