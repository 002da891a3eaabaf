//! An authority for certificates of clients.

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams,
    SanType, SerialNumber, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::tls::Identity;

/// Issues certificates, and revokes them by their serial numbers.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    /// One that vouches for itself.
    pub(crate) fn new(name: &str) -> Self {
        let issuer = CertifiedIssuer::self_signed(authority(name), key()).expect("a certificate");
        Self { issuer }
    }

    /// One that this one vouches for.
    pub(crate) fn intermediate(&self, name: &str) -> Self {
        let issuer = CertifiedIssuer::signed_by(authority(name), key(), &self.issuer);
        Self { issuer: issuer.expect("a certificate") }
    }

    /// Its own certificate.
    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate for a client.
    pub(crate) fn issue(&self, params: &CertificateParams) -> Identity {
        let key = key();
        let leaf = params.signed_by(&key, &self.issuer).expect("a certificate");
        identity(vec![leaf.der().clone(), self.issuer.der().clone()], &key)
    }

    /// A list of the revoked, that is to be replaced in this year.
    pub(crate) fn revocation_list(&self, serials: &[u64], until: i32) -> String {
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2021, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2021, 1, 1),
            next_update: date_time_ymd(until, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).expect("a list").pem().expect("PEM")
    }
}

/// What a client's certificate says, unless a test changes it: two names.
pub(crate) fn client(serial: u64) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.serial_number = Some(SerialNumber::from(serial));
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let name = |text: &str| text.try_into().expect("ASCII");
    params.subject_alt_names =
        vec![SanType::DnsName(name("admin.example")), SanType::URI(name("spiffe://example/admin"))];
    params
}

/// The same certificate with nobody who vouches for it.
pub(crate) fn self_signed(params: &CertificateParams) -> Identity {
    let key = key();
    let leaf = params.self_signed(&key).expect("a certificate");
    identity(vec![leaf.der().clone()], &key)
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn identity(chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> Identity {
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    Identity { chain, key }
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key")
}
