//! RS256 for jsonwebtoken, with keys that are parsed once.
//!
//! As it comes, jsonwebtoken parses the private key at every signature, which
//! takes longer than the signature. Its keys are byte strings, so ours carry
//! only a handle: the number of a parsed key in a registry of this process.
//! Nothing but RS256 can be signed or verified through this provider.

use std::{
    collections::HashMap,
    sync::{
        Arc, LazyLock, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwap;
use aws_lc_rs::{
    rand::SystemRandom,
    rsa::{KeyPair, PublicKeyComponents},
    signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256},
};
use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind, EncodingKey,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, aws_lc},
    errors::{Error, ErrorKind, Result},
};
use signature::{Signer, Verifier};

/// Another provider is installed in this process already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("another jsonwebtoken provider was installed before ours")]
pub struct ProviderTaken;

/// Makes this the provider of the process. Any number of calls do the same as
/// one; keys are registered only after it succeeded, so nobody has to call it.
pub fn install() -> std::result::Result<(), ProviderTaken> {
    static PROVIDER: LazyLock<CryptoProvider> = LazyLock::new(|| CryptoProvider {
        signer_factory: signer,
        verifier_factory: verifier,
        key_utils: aws_lc::DEFAULT_PROVIDER.key_utils.clone(),
    });
    static OUTCOME: OnceLock<std::result::Result<(), ProviderTaken>> = OnceLock::new();
    *OUTCOME.get_or_init(|| PROVIDER.install_default().map_err(|_| ProviderTaken))
}

/// A public key that AWS-LC has parsed, from modulus and exponent as a JWKS
/// shows them. `None` when they are not an RSA public key.
pub(super) fn parse_public(n: &[u8], e: &[u8]) -> Option<ParsedPublicKey> {
    PublicKeyComponents { n, e }.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).ok()
}

struct KeyObject {
    private: KeyPair,
    public: ParsedPublicKey,
}

static REGISTRY: LazyLock<ArcSwap<HashMap<u64, Arc<KeyObject>>>> = LazyLock::new(ArcSwap::default);

/// A key pair that jsonwebtoken can use for as long as this value lives.
#[derive(Debug)]
pub(super) struct RegisteredKey {
    handle: u64,
    encoding: EncodingKey,
    decoding: DecodingKey,
}

impl RegisteredKey {
    /// Registers a pair. Whether its halves belong together is not checked.
    pub(super) fn new(
        private: KeyPair,
        public: ParsedPublicKey,
    ) -> std::result::Result<Self, ProviderTaken> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        install()?;
        let handle = NEXT.fetch_add(1, Ordering::Relaxed);
        let object = Arc::new(KeyObject { private, public });
        REGISTRY.rcu(|keys| {
            let mut keys = HashMap::clone(keys);
            keys.insert(handle, Arc::clone(&object));
            keys
        });
        let bytes = handle.to_be_bytes();
        let encoding = EncodingKey::from_rsa_der(&bytes);
        Ok(Self { handle, encoding, decoding: DecodingKey::from_rsa_der(&bytes) })
    }

    /// The signature in base64url.
    pub(super) fn sign(&self, message: &str) -> Result<String> {
        jsonwebtoken::crypto::sign(message.as_bytes(), &self.encoding, Algorithm::RS256)
    }

    /// Is this the signature, in base64url, of the message?
    pub(super) fn verify(&self, message: &str, signature: &str) -> bool {
        let message = message.as_bytes();
        jsonwebtoken::crypto::verify(signature, message, &self.decoding, Algorithm::RS256)
            .unwrap_or(false)
    }
}

/// AWS-LC wipes a private key when the last user lets go of it.
impl Drop for RegisteredKey {
    fn drop(&mut self) {
        REGISTRY.rcu(|keys| {
            let mut keys = HashMap::clone(keys);
            keys.remove(&self.handle);
            keys
        });
    }
}

fn registered(bytes: &[u8]) -> Result<Arc<KeyObject>> {
    let handle = <[u8; 8]>::try_from(bytes).map(u64::from_be_bytes);
    handle
        .ok()
        .and_then(|handle| REGISTRY.load().get(&handle).cloned())
        .ok_or_else(|| Error::from(ErrorKind::InvalidKeyFormat))
}

fn only_rs256(algorithm: Algorithm, family: AlgorithmFamily) -> Result<()> {
    if algorithm == Algorithm::RS256 && family == AlgorithmFamily::Rsa {
        Ok(())
    } else {
        Err(ErrorKind::InvalidAlgorithm.into())
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "jsonwebtoken fixes the signature")]
fn signer(algorithm: &Algorithm, key: &EncodingKey) -> Result<Box<dyn JwtSigner>> {
    only_rs256(*algorithm, key.family())?;
    Ok(Box::new(Rs256Signer(registered(key.as_bytes())?)))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "jsonwebtoken fixes the signature")]
fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    only_rs256(*algorithm, key.family())?;
    match key.kind() {
        DecodingKeyKind::SecretOrDer(handle) => {
            Ok(Box::new(Rs256Verifier::Registered(registered(handle)?)))
        }
        // Someone else's key, read from a JWKS.
        DecodingKeyKind::RsaModulusExponent { n, e } => {
            let public = parse_public(n, e).ok_or(ErrorKind::InvalidKeyFormat)?;
            Ok(Box::new(Rs256Verifier::Parsed(Box::new(public))))
        }
    }
}

struct Rs256Signer(Arc<KeyObject>);

impl Signer<Vec<u8>> for Rs256Signer {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, signature::Error> {
        let key = &self.0.private;
        let mut bytes = vec![0; key.public_modulus_len()];
        // PKCS#1 v1.5 is deterministic; AWS-LC draws the blinding itself.
        key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut bytes)
            .map_err(|_| signature::Error::new())?;
        Ok(bytes)
    }
}

impl JwtSigner for Rs256Signer {
    fn algorithm(&self) -> Algorithm {
        Algorithm::RS256
    }
}

enum Rs256Verifier {
    Registered(Arc<KeyObject>),
    Parsed(Box<ParsedPublicKey>),
}

impl Verifier<Vec<u8>> for Rs256Verifier {
    fn verify(
        &self,
        message: &[u8],
        signature: &Vec<u8>,
    ) -> std::result::Result<(), signature::Error> {
        let key = match self {
            Self::Registered(object) => &object.public,
            Self::Parsed(key) => key,
        };
        key.verify_sig(message, signature).map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for Rs256Verifier {
    fn algorithm(&self) -> Algorithm {
        Algorithm::RS256
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::{
        rsa::KeySize,
        signature::{KeyPair as _, RSA_PKCS1_SHA384},
    };
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use jsonwebtoken::crypto;

    use super::*;

    fn registered_key() -> RegisteredKey {
        let private = KeyPair::generate(KeySize::Rsa2048).expect("a key");
        let bytes = private.public_key().as_ref();
        let public = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, bytes).expect("a key");
        RegisteredKey::new(private, public).expect("installed")
    }

    #[test]
    fn installing_twice_is_installing_once() {
        assert_eq!(install(), Ok(()));
        assert_eq!(install(), Ok(()));
    }

    /// ME-02: with its last user the key leaves the process.
    #[test]
    fn me_02_a_dropped_key_leaves_the_registry() {
        let key = registered_key();
        let (handle, encoding, decoding) = (key.handle, key.encoding.clone(), key.decoding.clone());
        let object = Arc::downgrade(REGISTRY.load().get(&handle).expect("registered"));
        let signature = crypto::sign(b"text", &encoding, Algorithm::RS256).expect("registered");
        drop(key);
        assert!(!REGISTRY.load().contains_key(&handle));
        assert_eq!(object.strong_count(), 0);
        assert!(crypto::sign(b"text", &encoding, Algorithm::RS256).is_err());
        assert!(crypto::verify(&signature, b"text", &decoding, Algorithm::RS256).is_err());
    }

    /// VA-05: whatever else is asked for, there is no other algorithm.
    #[test]
    fn va_05_only_rs256_is_computed() {
        let key = registered_key();
        let secret = EncodingKey::from_secret(b"secret");
        let public_secret = DecodingKey::from_secret(&key.handle.to_be_bytes());
        for algorithm in [
            Algorithm::HS256,
            Algorithm::HS384,
            Algorithm::RS384,
            Algorithm::RS512,
            Algorithm::PS256,
            Algorithm::ES256,
            Algorithm::EdDSA,
        ] {
            assert!(crypto::sign(b"text", &key.encoding, algorithm).is_err(), "{algorithm:?}");
            assert!(crypto::sign(b"text", &secret, algorithm).is_err(), "{algorithm:?}");
            for decoding in [&key.decoding, &public_secret] {
                let verdict = crypto::verify("AAAA", b"text", decoding, algorithm);
                assert!(verdict.is_err(), "{algorithm:?}");
            }
        }
        assert!(crypto::sign(b"text", &secret, Algorithm::RS256).is_err());
        assert!(crypto::verify("AAAA", b"text", &public_secret, Algorithm::RS256).is_err());
    }

    /// VS-01 to VS-08, VS-20: signatures next to the right one.
    #[test]
    fn vs_06_only_the_signature_itself_verifies() {
        let key = registered_key();
        let signature = key.sign("text").expect("a signature");
        assert!(key.verify("text", &signature));
        assert!(!key.verify("texu", &signature));
        let bytes = URL_SAFE_NO_PAD.decode(&signature).expect("base64url");
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let mut flipped = bytes.clone();
        flipped[100] ^= 1;
        let mut other_hash = vec![0; 256];
        let object = Arc::clone(REGISTRY.load().get(&key.handle).expect("registered"));
        let random = SystemRandom::new();
        object.private.sign(&RSA_PKCS1_SHA384, &random, b"text", &mut other_hash).expect("signed");
        for wrong in [
            String::new(),
            encode(&bytes[..255]),
            encode(&[&[0], bytes.as_slice()].concat()),
            encode(&[bytes.as_slice(), &[0]].concat()),
            encode(&flipped),
            encode(&[0; 256]),
            encode(&[255; 256]),
            encode(&other_hash),
            format!("{signature}=="),
            format!(" {signature}"),
            registered_key().sign("text").expect("a signature"),
        ] {
            assert!(!key.verify("text", &wrong), "{wrong}");
        }
    }
}
