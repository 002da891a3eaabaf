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

fn signer(algorithm: &Algorithm, key: &EncodingKey) -> Result<Box<dyn JwtSigner>> {
    only_rs256(*algorithm, key.family())?;
    Ok(Box::new(Rs256Signer(registered(key.as_bytes())?)))
}

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
