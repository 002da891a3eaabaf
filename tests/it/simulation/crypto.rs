//! Cryptography that costs nothing: digests in the place of signatures and
//! password hashes, in the same forms. What an attacker could do against it is
//! no matter here.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use tokenward::{
    crypto::{
        cost::HashingParams,
        digest::sha256,
        password::Argon2Passwords,
        port::{
            CryptoError, JobFor, JwksDocument, KeyInfo, KeyPurpose, PasswordCheck, Passwords,
            Place, TokenKeys,
        },
        workers::{WorkerSettings, Workers},
    },
    domain::{
        clock::Timestamp,
        id::KeyId,
        password::{InvalidPasswordHash, Password, PasswordHash},
        throttle::Fingerprint,
        token::{CompactToken, TokenType, signing_input},
    },
};

use super::pace::Pace;
use crate::support::determinism::{ManualClock, SeededEntropy};

/// Signs with digests.
pub(super) struct DigestKeys {
    pace: Arc<Pace>,
    /// Plants a bug: no two signatures are the same.
    is_random: bool,
}

impl DigestKeys {
    pub(super) fn new(pace: Arc<Pace>, is_random: bool) -> Self {
        Self { pace, is_random }
    }

    fn kid(purpose: KeyPurpose) -> &'static str {
        match purpose {
            KeyPurpose::Access => "access",
            KeyPurpose::Refresh => "refresh",
        }
    }
}

fn digest(input: &str) -> [u8; 32] {
    sha256(input.as_bytes())
}

#[async_trait]
impl TokenKeys for DigestKeys {
    async fn sign(
        &self,
        token_type: TokenType,
        claims_json: String,
        _: Timestamp,
    ) -> Result<String, CryptoError> {
        self.pace.work().await;
        let purpose = match token_type {
            TokenType::Access(_) => KeyPurpose::Access,
            TokenType::Refresh | TokenType::Cookie => KeyPurpose::Refresh,
        };
        let kid = KeyId::parse(Self::kid(purpose)).expect("a key id");
        let input = signing_input(token_type, &kid, &claims_json);
        let mut signature = digest(&input).to_vec();
        if self.is_random {
            signature.extend(self.pace.roll().to_be_bytes());
        }
        Ok(format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    fn check(&self, token: &CompactToken<'_>, _: Timestamp) -> Option<KeyPurpose> {
        let signature = URL_SAFE_NO_PAD.decode(token.signature).ok()?;
        let purposes = [KeyPurpose::Access, KeyPurpose::Refresh];
        let purpose = purposes.into_iter().find(|p| Self::kid(*p) == token.kid.as_str())?;
        signature.starts_with(&digest(token.signing_input)).then_some(purpose)
    }

    fn jwks(&self, _: Timestamp) -> Arc<JwksDocument> {
        Arc::new(JwksDocument { json: Bytes::new(), etag: String::new() })
    }

    fn keys(&self, _: Timestamp) -> Vec<KeyInfo> {
        Vec::new()
    }

    fn can_sign(&self, _: Timestamp) -> bool {
        true
    }
}

/// Hashes with digests, and lets everybody in.
pub(super) struct DigestPasswords {
    pace: Arc<Pace>,
}

impl DigestPasswords {
    pub(super) fn new(pace: Arc<Pace>) -> Self {
        Self { pace }
    }
}

/// What is kept of a password.
pub(super) fn password_hash(password: &[u8]) -> PasswordHash {
    PasswordHash::new(Fingerprint::new(sha256(password)).to_string())
}

/// Gives places in a queue to which no work ever comes.
fn places() -> &'static Argon2Passwords {
    static PLACES: OnceLock<Argon2Passwords> = OnceLock::new();
    PLACES.get_or_init(|| {
        let settings = WorkerSettings { hashing_queue: 1 << 20, ..WorkerSettings::default() };
        let workers = Workers::start(settings, Arc::new(ManualClock::new())).expect("threads");
        let params = HashingParams::new(7_168, 1, 1).expect("within the bounds");
        let entropy = Arc::new(SeededEntropy::new(1));
        Argon2Passwords::new(params, entropy, Arc::new(workers)).expect("a dummy hash")
    })
}

#[async_trait]
impl Passwords for DigestPasswords {
    fn place(&self, _: JobFor) -> Result<Place, CryptoError> {
        places().place(JobFor::default())
    }

    async fn hash(&self, password: Password, _: Place) -> Result<PasswordHash, CryptoError> {
        self.pace.work().await;
        Ok(password_hash(password.expose()))
    }

    async fn check(
        &self,
        password: Password,
        stored: Option<PasswordHash>,
        _: Place,
    ) -> Result<PasswordCheck, CryptoError> {
        self.pace.work().await;
        let hash = password_hash(password.expose());
        let matches = stored.is_some_and(|stored| stored.expose() == hash.expose());
        Ok(PasswordCheck { matches, outdated: false })
    }

    fn is_early_guess(&self, _: &Password) -> bool {
        false
    }

    fn accepts(&self, _: &PasswordHash) -> Result<(), InvalidPasswordHash> {
        Ok(())
    }

    fn fingerprint(&self, text: &str) -> Fingerprint {
        Fingerprint::new(sha256(text.as_bytes()))
    }
}
