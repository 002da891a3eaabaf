//! A key that signs tokens, and checks what it signed.

use aws_lc_rs::rsa::KeyPair;

use super::{
    key_check::CheckedKey,
    key_fault::KeyFault,
    provider::{self, RegisteredKey},
    public_key::PublicKey,
};
use crate::domain::{
    error::Fault,
    token::{TOKEN_MAX_LEN, TokenType, signing_input},
};

/// Signed once when a key is loaded.
const PROBE: &str = "tokenward probe";

/// A private key in AWS-LC, with the public key that the JWKS shows for it.
#[derive(Debug)]
pub(super) struct SigningKey {
    public: PublicKey,
    registered: RegisteredKey,
}

impl SigningKey {
    /// Hands a checked key to AWS-LC, which checks it again by its own rules,
    /// and has it sign a probe (KM-24).
    pub(super) fn new(key: &CheckedKey) -> Result<Self, KeyFault> {
        let private = KeyPair::from_der(&key.pkcs1_der).map_err(|_| KeyFault::Inconsistent)?;
        let key = Self::join(private, key.public.clone())?;
        key.sign_text(PROBE).map_err(|_| KeyFault::ProbeFailed)?;
        Ok(key)
    }

    /// Joins two halves that may not belong together.
    fn join(private: KeyPair, public: PublicKey) -> Result<Self, KeyFault> {
        let parsed = provider::parse_public(public.modulus(), public.exponent())
            .ok_or(KeyFault::Inconsistent)?;
        let registered = RegisteredKey::new(private, parsed).map_err(|_| KeyFault::Provider)?;
        Ok(Self { public, registered })
    }

    pub(super) fn public(&self) -> &PublicKey {
        &self.public
    }

    /// A whole token in compact form (RFC 7515 section 3.1), never longer
    /// than [`TOKEN_MAX_LEN`].
    pub(super) fn sign(&self, token_type: TokenType, claims_json: &str) -> Result<String, Fault> {
        let input = signing_input(token_type, self.public.kid(), claims_json);
        let signature = self.sign_text(&input)?;
        let token = format!("{input}.{signature}");
        if token.len() > TOKEN_MAX_LEN {
            let len = token.len();
            return Err(Fault::from(format!(
                "a token of {len} bytes is longer than {TOKEN_MAX_LEN}: give it fewer roles, scopes, \
                 audiences or custom claims"
            )));
        }
        Ok(token)
    }

    /// Is this the signature, in base64url, of the signing input?
    pub(super) fn verifies(&self, signing_input: &str, signature: &str) -> bool {
        self.registered.verify(signing_input, signature)
    }

    /// The signature, once the public key has verified it: one computed with
    /// a fault (a flipped bit is enough) would give the private key away.
    fn sign_text(&self, text: &str) -> Result<String, Fault> {
        let signature = self
            .registered
            .sign(text)
            .map_err(|error| Fault::caused_by("signing failed", error))?;
        if self.verifies(text, &signature) {
            Ok(signature)
        } else {
            Err(Fault::from(format!(
                "key {} signed something that its public key does not verify",
                self.public.kid()
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::{
        encoding::{AsDer as _, PublicKeyX509Der},
        rsa::KeySize,
        signature::KeyPair as _,
    };
    use rsa::{RsaPublicKey, pkcs8::DecodePublicKey as _, traits::PublicKeyParts as _};

    use super::*;
    use crate::domain::token::{AccessTokenType, CompactToken};

    const ACCESS: TokenType = TokenType::Access(AccessTokenType::AtJwt);

    fn pair() -> (KeyPair, PublicKey) {
        let private = KeyPair::generate(KeySize::Rsa2048).expect("a key");
        let spki: PublicKeyX509Der<'_> = private.public_key().as_der().expect("DER");
        let key = RsaPublicKey::from_public_key_der(spki.as_ref()).expect("a public key");
        let public = PublicKey::new(key.n().to_bytes_be(), key.e().to_bytes_be());
        (private, public.expect("a public key"))
    }

    /// KM-24, VS-21: what the public key does not verify never leaves.
    #[test]
    fn km_24_a_swapped_public_half_gives_no_token() {
        let (private, own) = pair();
        let (_, foreign) = pair();
        let honest = SigningKey::join(private.clone(), own).expect("registered");
        assert!(honest.sign(ACCESS, "{}").is_ok());
        let swapped = SigningKey::join(private, foreign).expect("registered");
        let fault = swapped.sign(ACCESS, "{}").expect_err("no token");
        assert!(fault.to_string().contains("does not verify"), "{fault}");
    }

    /// P4: the same input gives the same bytes, so that a lost answer can be
    /// given again.
    #[test]
    fn p4_signing_is_deterministic() {
        let (private, public) = pair();
        let key = SigningKey::join(private, public).expect("registered");
        let token = key.sign(ACCESS, r#"{"sub":"a"}"#).expect("a token");
        assert_eq!(key.sign(ACCESS, r#"{"sub":"a"}"#).expect("a token"), token);
        let parts = CompactToken::parse(&token).expect("our own form");
        assert_eq!(&parts.kid, key.public().kid());
        assert!(key.verifies(parts.signing_input, parts.signature));
    }

    #[test]
    fn a_token_longer_than_we_read_is_not_minted() {
        let (private, public) = pair();
        let key = SigningKey::join(private, public).expect("registered");
        let claims = |len: usize| format!(r#"{{"name":"{}"}}"#, "x".repeat(len));
        assert!(key.sign(ACCESS, &claims(5_000)).is_ok());
        assert!(key.sign(ACCESS, &claims(8_000)).is_err());
    }
}
