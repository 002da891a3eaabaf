//! Secrets and signatures of clients.
//!
//! Their signatures do not go through jsonwebtoken: our provider computes
//! RS256 and nothing else, and what checks our own tokens must not learn ES256
//! for the sake of others.

use aws_lc_rs::{
    constant_time,
    signature::{ECDSA_P256_SHA256_FIXED, ParsedPublicKey},
};

use super::{digest::sha256, port::ClientProofs, provider::parse_public};
use crate::domain::{
    client::SecretDigest,
    client_keys::{ClientKey, KeyNumbers},
};

/// 65537, big-endian.
const EXPONENT: [u8; 3] = [1, 0, 1];
/// Before the coordinates of a point that is not compressed (SEC 1 section
/// 2.3.3).
const UNCOMPRESSED: u8 = 4;

/// Checks them with AWS-LC.
#[derive(Clone, Copy, Debug, Default)]
pub struct AwsLcProofs;

impl ClientProofs for AwsLcProofs {
    fn digest(&self, secret: &str) -> SecretDigest {
        SecretDigest::new(sha256(secret.as_bytes()))
    }

    fn is_same(&self, one: &SecretDigest, other: &SecretDigest) -> bool {
        constant_time::verify_slices_are_equal(one.bytes(), other.bytes()).is_ok()
    }

    fn is_key(&self, key: &ClientKey) -> bool {
        parse(key).is_some()
    }

    fn is_signature(&self, key: &ClientKey, message: &str, signature: &[u8]) -> bool {
        parse(key).is_some_and(|key| key.verify_sig(message.as_bytes(), signature).is_ok())
    }
}

fn parse(key: &ClientKey) -> Option<ParsedPublicKey> {
    match &key.numbers {
        KeyNumbers::Rsa { n } => parse_public(n, &EXPONENT),
        KeyNumbers::P256 { x, y } => {
            let point = [&[UNCOMPRESSED], x.as_slice(), y].concat();
            ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).ok()
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::{
        rand::SystemRandom,
        rsa::KeySize,
        signature::{
            ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair,
            KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair,
        },
    };

    use super::*;

    fn key(numbers: KeyNumbers) -> ClientKey {
        ClientKey { kid: None, numbers }
    }

    fn point(public: &[u8]) -> ClientKey {
        key(KeyNumbers::P256 { x: public[1..33].to_vec(), y: public[33..].to_vec() })
    }

    #[test]
    fn va_05_es256_is_the_fixed_form_on_p_256() {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random);
        let document = document.expect("a key");
        let pair = |algorithm| EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref()).expect("one");
        let fixed = pair(&ECDSA_P256_SHA256_FIXED_SIGNING);
        let public = point(fixed.public_key().as_ref());
        let signature = fixed.sign(&random, b"text").expect("signed");
        assert!(AwsLcProofs.is_key(&public));
        assert!(AwsLcProofs.is_signature(&public, "text", signature.as_ref()));
        assert!(!AwsLcProofs.is_signature(&public, "texu", signature.as_ref()));
        let der = pair(&ECDSA_P256_SHA256_ASN1_SIGNING).sign(&random, b"text").expect("signed");
        for wrong in [der.as_ref(), &[0; 64], &[], &signature.as_ref()[..63]] {
            assert!(!AwsLcProofs.is_signature(&public, "text", wrong));
        }
        let nowhere = key(KeyNumbers::P256 { x: vec![1; 32], y: vec![1; 32] });
        assert!(!AwsLcProofs.is_key(&nowhere), "beside the curve");
        assert!(!AwsLcProofs.is_signature(&nowhere, "text", signature.as_ref()));
    }

    #[test]
    fn va_05_rs256_is_pkcs_1() {
        let random = SystemRandom::new();
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect("a key");
        let n = pair.public_key().modulus().big_endian_without_leading_zero().to_vec();
        let public = key(KeyNumbers::Rsa { n });
        let sign = |padding| {
            let mut signature = vec![0; 256];
            pair.sign(padding, &random, b"text", &mut signature).expect("signed");
            signature
        };
        assert!(AwsLcProofs.is_key(&public));
        assert!(AwsLcProofs.is_signature(&public, "text", &sign(&RSA_PKCS1_SHA256)));
        assert!(!AwsLcProofs.is_signature(&public, "text", &sign(&RSA_PSS_SHA256)));
        assert!(!AwsLcProofs.is_signature(&public, "texu", &sign(&RSA_PKCS1_SHA256)));
    }

    #[test]
    fn secrets_are_the_same_or_not() {
        let (one, two) = (AwsLcProofs.digest("tws_a"), AwsLcProofs.digest("tws_b"));
        assert!(AwsLcProofs.is_same(&one, &one) && !AwsLcProofs.is_same(&one, &two));
    }
}
