//! Makes tokens out of any parts. Nothing of the product is used, so that it
//! is not asked to judge its own work.

use std::path::Path;

use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    rsa::KeyPair,
    signature::{RSA_PKCS1_SHA256, RsaEncoding},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rsa::{
    BigUint, RsaPrivateKey,
    pkcs8::DecodePrivateKey as _,
    traits::{PrivateKeyParts as _, PublicKeyParts as _},
};
use serde_json::Value;

/// base64url without padding.
pub(super) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The bytes of one segment.
pub(super) fn decode(segment: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(segment).expect("base64url")
}

/// The three segments of a token.
pub(super) fn segments(token: &str) -> [&str; 3] {
    let parts: Vec<_> = token.split('.').collect();
    parts.try_into().expect("three segments")
}

/// A key whose private half the test holds.
pub(super) struct Key {
    pair: KeyPair,
    private: RsaPrivateKey,
}

impl Key {
    /// The key of a PKCS#8 PEM file.
    pub(super) fn load(file: &Path) -> Self {
        let pem = std::fs::read_to_string(file).expect("a key file");
        let private = RsaPrivateKey::from_pkcs8_pem(&pem).expect("a key");
        let der = pem.lines().filter(|line| !line.starts_with("-----")).collect::<String>();
        let der = base64::engine::general_purpose::STANDARD.decode(der).expect("base64");
        Self { pair: KeyPair::from_pkcs8(&der).expect("a key"), private }
    }

    pub(super) fn private(&self) -> &RsaPrivateKey {
        &self.private
    }

    pub(super) fn modulus(&self) -> Vec<u8> {
        self.private.n().to_bytes_be()
    }

    /// The RFC 7638 thumbprint.
    pub(super) fn kid(&self) -> String {
        let (n, e) = (encode(self.modulus()), encode(self.private.e().to_bytes_be()));
        let canonical = format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#);
        encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, canonical.as_bytes()))
    }

    /// A signature by the book.
    pub(super) fn sign(&self, encoding: &'static dyn RsaEncoding, message: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair.sign(encoding, &SystemRandom::new(), message, &mut signature).expect("signed");
        signature
    }

    /// The bare RSA operation on an encoded message (RFC 8017 section 5.2.1),
    /// whatever its padding, by the Chinese remainder theorem.
    pub(super) fn raw(&self, em: &[u8]) -> Vec<u8> {
        let [p, q] = self.private.primes() else { panic!("two primes") };
        let one = BigUint::from(1_u8);
        let m = BigUint::from_bytes_be(em);
        let m_p = m.modpow(&(self.private.d() % (p - &one)), p);
        let m_q = m.modpow(&(self.private.d() % (q - &one)), q);
        let q_inverse = self.private.crt_coefficient().expect("two primes");
        let h = (q_inverse * (p + m_p - &m_q % p)) % p;
        fixed_width(&(m_q + h * q), self.pair.public_modulus_len())
    }
}

/// Big-endian, with leading zeros up to `width`.
pub(super) fn fixed_width(number: &BigUint, width: usize) -> Vec<u8> {
    let bytes = number.to_bytes_be();
    let mut wide = vec![0; width.saturating_sub(bytes.len())];
    wide.extend(bytes);
    wide
}

/// Joins three segments of any bytes.
pub(super) fn compact(
    header: impl AsRef<[u8]>,
    payload: impl AsRef<[u8]>,
    signature: impl AsRef<[u8]>,
) -> String {
    format!("{}.{}.{}", encode(header), encode(payload), encode(signature))
}

/// A token with a keyed hash for a signature, its header naming `alg`.
pub(super) fn hmac_token(
    algorithm: hmac::Algorithm,
    secret: &[u8],
    header: impl AsRef<[u8]>,
    payload: impl AsRef<[u8]>,
) -> String {
    let input = format!("{}.{}", encode(header), encode(payload));
    let tag = hmac::sign(&hmac::Key::new(algorithm, secret), input.as_bytes());
    format!("{input}.{}", encode(tag))
}

/// The members of a JSON object as raw text, so that anything can be put in.
#[derive(Clone)]
pub(super) struct Members(Vec<(String, String)>);

impl Members {
    pub(super) fn of(json: &str) -> Self {
        let Value::Object(members) = serde_json::from_str(json).expect("JSON") else {
            panic!("an object")
        };
        let raw = |(name, value): (String, Value)| (name, value.to_string());
        Self(members.into_iter().map(raw).collect())
    }

    /// With this member set to raw JSON text, in its place if it is there.
    pub(super) fn set(mut self, name: &str, raw: impl Into<String>) -> Self {
        let raw = raw.into();
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some(member) => member.1 = raw,
            None => self.0.push((name.to_owned(), raw)),
        }
        self
    }

    /// With a further member at the end, even if its name is there already.
    /// The name is raw text too: it may hold escapes.
    pub(super) fn add(mut self, name: &str, raw: impl Into<String>) -> Self {
        self.0.push((name.to_owned(), raw.into()));
        self
    }

    pub(super) fn without(mut self, name: &str) -> Self {
        self.0.retain(|(known, _)| known != name);
        self
    }

    /// The value's raw JSON text.
    pub(super) fn raw(&self, name: &str) -> &str {
        &self.0.iter().find(|(known, _)| known == name).expect("a member").1
    }

    pub(super) fn text(&self) -> String {
        let members: Vec<_> =
            self.0.iter().map(|(name, raw)| format!("\"{name}\":{raw}")).collect();
        format!("{{{}}}", members.join(","))
    }
}

/// Forges with one key, after the model of one honest token.
pub(super) struct Forge {
    pub(super) key: Key,
    /// The honest token's header and claims, as members.
    pub(super) header: Members,
    pub(super) claims: Members,
}

impl Forge {
    /// Asserts on the way that what the product mints has the one canonical
    /// form, and that this forge makes the same token byte for byte.
    pub(super) fn new(key: Key, honest: &str, typ: &str) -> Self {
        let [header, payload, _] = segments(honest).map(decode);
        let (header, payload) =
            (String::from_utf8(header).unwrap(), String::from_utf8(payload).unwrap());
        let kid = key.kid();
        assert_eq!(header, format!(r#"{{"alg":"RS256","typ":"{typ}","kid":"{kid}"}}"#));
        let forge = Self { key, header: Members::of(&header), claims: Members::of(&payload) };
        assert_eq!(forge.signed(&header, &payload), honest, "RS256 is deterministic");
        assert_eq!(forge.claims.text(), payload, "claims are written without white space");
        forge
    }

    /// A validly signed token of any header and payload.
    pub(super) fn signed(&self, header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
        self.signed_as(&RSA_PKCS1_SHA256, header, payload)
    }

    /// The same by another algorithm.
    pub(super) fn signed_as(
        &self,
        encoding: &'static dyn RsaEncoding,
        header: impl AsRef<[u8]>,
        payload: impl AsRef<[u8]>,
    ) -> String {
        let input = format!("{}.{}", encode(header), encode(payload));
        let signature = self.key.sign(encoding, input.as_bytes());
        format!("{input}.{}", encode(signature))
    }

    /// The honest header over other claims.
    pub(super) fn with_claims(&self, claims: &Members) -> String {
        self.with_payload(claims.text())
    }

    /// The honest header over any payload.
    pub(super) fn with_payload(&self, payload: impl AsRef<[u8]>) -> String {
        self.signed(self.header.text(), payload)
    }

    /// The honest claims with one set to raw JSON text.
    pub(super) fn claim(&self, name: &str, raw: impl Into<String>) -> String {
        self.with_claims(&self.claims.clone().set(name, raw))
    }

    /// The honest claims under another header.
    pub(super) fn with_header(&self, header: impl AsRef<[u8]>) -> String {
        self.signed(header, self.claims.text())
    }

    /// The honest header with one member set to raw JSON text.
    pub(super) fn header_member(&self, name: &str, raw: impl Into<String>) -> String {
        self.with_header(self.header.clone().set(name, raw).text())
    }

    /// Header and claims of the honest token under another signature.
    pub(super) fn with_signature(&self, signature: impl AsRef<[u8]>) -> String {
        compact(self.header.text(), self.claims.text(), signature)
    }

    /// The honest token with white space after its claims: as much as a token
    /// of 8192 bytes has room for, and one space more.
    pub(super) fn around_the_limit(&self) -> [String; 2] {
        let claims = self.claims.text();
        let padded = |n: usize| self.with_payload(format!("{claims}{}", " ".repeat(n)));
        let around = padded(0).len() - encode(&claims).len();
        let length = |n: usize| around + ((claims.len() + n) * 4).div_ceil(3);
        let most = (0..8_192).rev().find(|n| length(*n) <= 8_192).expect("room");
        [padded(most), padded(most + 1)]
    }

    /// What the honest token's signature is over.
    pub(super) fn signing_input(&self) -> String {
        format!("{}.{}", encode(self.header.text()), encode(self.claims.text()))
    }
}
