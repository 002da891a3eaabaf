//! The public half of a key, in every form in which it leaves the house.

use aws_lc_rs::{
    digest,
    encoding::{AsDer as _, PublicKeyX509Der},
    rsa::PublicKeyComponents,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{key_fault::KeyFault, pem};
use crate::domain::id::KeyId;

/// An RSA public key and its key id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    kid: KeyId,
    n: Vec<u8>,
    e: Vec<u8>,
    spki: Vec<u8>,
}

impl PublicKey {
    /// From modulus and exponent, big-endian without leading zeros.
    pub(super) fn new(n: Vec<u8>, e: Vec<u8>) -> Result<Self, KeyFault> {
        let components = PublicKeyComponents { n: &n, e: &e };
        let der: PublicKeyX509Der<'_> = components.as_der().map_err(|_| KeyFault::Inconsistent)?;
        let kid = KeyId::parse(&thumbprint(&n, &e)).map_err(|_| KeyFault::Inconsistent)?;
        Ok(Self { kid, spki: der.as_ref().to_vec(), n, e })
    }

    /// The RFC 7638 thumbprint: the same for the same key, whatever file or
    /// machine it is in.
    pub fn kid(&self) -> &KeyId {
        &self.kid
    }

    /// The length of the modulus in bits.
    pub fn bits(&self) -> usize {
        let leading = self.n.first().map_or(0, |byte| byte.leading_zeros());
        (self.n.len() * 8).saturating_sub(leading as usize)
    }

    /// The modulus, big-endian without leading zeros.
    pub fn modulus(&self) -> &[u8] {
        &self.n
    }

    /// The public exponent, big-endian without leading zeros.
    pub fn exponent(&self) -> &[u8] {
        &self.e
    }

    /// The JSON Web Key (RFC 7517 section 4, RFC 7518 section 6.3.1).
    pub fn jwk(&self) -> String {
        let (kid, n, e) = (&self.kid, encode(&self.n), encode(&self.e));
        format!(r#"{{"kty":"RSA","kid":"{kid}","use":"sig","alg":"RS256","n":"{n}","e":"{e}"}}"#)
    }

    /// `SubjectPublicKeyInfo` in PEM (RFC 7468 section 13), for gateways that
    /// take a key file instead of a JWKS.
    pub fn spki_pem(&self) -> String {
        pem::encode("PUBLIC KEY", &self.spki).to_string()
    }
}

/// RFC 7638 section 3: SHA-256 over the required members in their one order.
fn thumbprint(n: &[u8], e: &[u8]) -> String {
    let (n, e) = (encode(n), encode(e));
    let canonical = format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#);
    encode(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref())
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The modulus of RFC 7638 section 3.1.
    const N: &str = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";

    fn example() -> PublicKey {
        let n = URL_SAFE_NO_PAD.decode(N).expect("base64url");
        PublicKey::new(n, vec![1, 0, 1]).expect("a key")
    }

    /// KM-14: the example of RFC 7638 section 3.1.
    #[test]
    fn km_14_kid_is_the_rfc_7638_thumbprint() {
        assert_eq!(example().kid().as_str(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
        assert_eq!(example().bits(), 2048);
    }

    /// KM-27: a JWK has these members and no other.
    #[test]
    fn km_27_jwk_has_exactly_the_public_members() {
        let kid = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";
        assert_eq!(
            example().jwk(),
            format!(
                r#"{{"kty":"RSA","kid":"{kid}","use":"sig","alg":"RS256","n":"{N}","e":"AQAB"}}"#
            )
        );
    }

    #[test]
    fn impossible_components_are_no_key() {
        assert_eq!(PublicKey::new(vec![], vec![1, 0, 1]), Err(KeyFault::Inconsistent));
        assert_eq!(PublicKey::new(vec![0, 1], vec![1, 0, 1]), Err(KeyFault::Inconsistent));
    }
}
