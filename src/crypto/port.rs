//! What the service layer needs of cryptography, as traits.

use std::{net::IpAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;

pub use super::key_info::{KeyInfo, KeyState};
pub use crate::domain::keys::KeyPurpose;
use crate::domain::{
    client::SecretDigest,
    client_keys::ClientKey,
    clock::Timestamp,
    error::{AuthError, Fault, Obstacle, Outage, chain},
    id::KeyId,
    password::{InvalidPasswordHash, Password, PasswordHash},
    throttle::Fingerprint,
    token::{CompactToken, TokenType},
};

pub use super::workers::Place;

/// The JWK Set document (RFC 7517 section 5), ready to be served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwksDocument {
    /// The JSON text.
    pub json: Bytes,
    /// A strong entity tag (RFC 9110 section 8.8.3), in its quotes.
    pub etag: String,
}

/// Signs tokens and checks signatures.
#[async_trait]
pub trait TokenKeys: Send + Sync + 'static {
    /// Signs claims with the key that the schedule names for `at`; the token
    /// type decides the key set. The same arguments give the same bytes. The
    /// token was verified with the public key before it is returned.
    async fn sign(
        &self,
        token_type: TokenType,
        claims_json: String,
        at: Timestamp,
    ) -> Result<String, CryptoError>;

    /// Checks the signature with the key that the token names, if that key is
    /// trusted at `now`. `None`: no such key, or a bad signature. Memory only.
    fn check(&self, token: &CompactToken<'_>, now: Timestamp) -> Option<KeyPurpose>;

    /// The public access keys that are trusted at `now`.
    fn jwks(&self, now: Timestamp) -> Arc<JwksDocument>;

    /// Every key, access keys first, each set in the order in which its keys
    /// sign.
    fn keys(&self, now: Timestamp) -> Vec<KeyInfo>;

    /// Is there a key of each purpose that signs at `now`?
    fn can_sign(&self, now: Timestamp) -> bool;

    /// Why the keys in use are not those that lie where keys lie, if so.
    fn fault(&self) -> Option<String> {
        None
    }

    /// Sees to it that another key signs should `kid` be revoked, and makes one
    /// if none stands by.
    async fn provide_successor(&self, _kid: &KeyId, _now: Timestamp) -> Result<(), CryptoError> {
        Err(CryptoError::Fixed(Fault::from("these keys are managed elsewhere")))
    }

    /// Lets the keys that stand by sign from `from` on, if they would later,
    /// and gives them with that instant; makes them where there are none.
    /// `dry_run`: only says so.
    async fn bring_forward(
        &self,
        _from: Timestamp,
        _now: Timestamp,
        _dry_run: bool,
    ) -> Result<Vec<KeyInfo>, CryptoError> {
        Err(CryptoError::Fixed(Fault::from("these keys are managed elsewhere")))
    }
}

/// What checking a password against a stored hash showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordCheck {
    /// Is it the password?
    pub matches: bool,
    /// Was the hash made by another algorithm or with other parameters than
    /// the configured ones, so that it should be made again?
    pub outdated: bool,
}

/// Whom a hash is made for. The default is somebody without a name who waits
/// for as long as it takes: the operator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JobFor {
    /// Those of one source wait for each other; sources are served in turn.
    pub source: Option<IpAddr>,
    /// How long the caller still waits for the result.
    pub time_left: Option<Duration>,
}

/// Hashes and checks passwords on threads of their own.
#[async_trait]
pub trait Passwords: Send + Sync + 'static {
    /// A place for a hash, if it would be begun in time as things are now. To
    /// be had before work that would be in vain otherwise.
    fn place(&self, whom: JobFor) -> Result<Place, CryptoError>;

    /// Hashes a new password with a fresh salt.
    async fn hash(&self, password: Password, place: Place) -> Result<PasswordHash, CryptoError>;

    /// Checks a password. Without a stored hash it does the same work on a
    /// dummy one, with the configured parameters, and never matches.
    async fn check(
        &self,
        password: Password,
        stored: Option<PasswordHash>,
        place: Place,
    ) -> Result<PasswordCheck, CryptoError>;

    /// Would whoever guesses try this one early? For new passwords only.
    fn is_early_guess(&self, password: &Password) -> bool;

    /// Could passwords be checked against this hash, which somebody else
    /// made? Judges form and cost, and computes nothing.
    fn accepts(&self, hash: &PasswordHash) -> Result<(), InvalidPasswordHash>;

    /// A digest (SHA-256) under which what was typed at a login can be
    /// counted, and a one-time token be found again, without being kept. The
    /// same on every replica.
    fn fingerprint(&self, text: &str) -> Fingerprint;
}

/// Checks what clients prove who they are with. In memory, and so fast that
/// nobody has to wait for threads.
pub trait ClientProofs: Send + Sync + 'static {
    /// What is kept of a secret.
    fn digest(&self, secret: &str) -> SecretDigest;

    /// Are they the same? Takes the same time whatever they are.
    fn is_same(&self, one: &SecretDigest, other: &SecretDigest) -> bool;

    /// Are the numbers of this key those of a key?
    fn is_key(&self, key: &ClientKey) -> bool;

    /// Is it the key's signature, by its one algorithm, of the message?
    fn is_signature(&self, key: &ClientKey, message: &str, signature: &[u8]) -> bool;
}

/// A cryptographic operation that gave no result.
#[derive(Debug, thiserror::Error)]
pub enum CryptoError {
    /// The queue of the worker threads has no place, or the wait in it would
    /// be too long; nothing was done.
    #[error("the queue for {work} is full")]
    Busy {
        /// Which queue.
        work: &'static str,
        /// When there should be room again.
        retry_after: Duration,
    },
    /// The caller's deadline passed while the job waited; nothing was done.
    #[error("the deadline passed in a queue")]
    DeadlineExceeded,
    /// The schedule has no key for that time.
    #[error("no key signs at {0}")]
    NoSigningKey(Timestamp),
    /// The keys cannot be changed as things stand.
    #[error("the keys cannot be changed")]
    Fixed(#[source] Fault),
    /// A defect, or a key that does not do what it should.
    #[error("cryptography failed")]
    Failed(#[source] Fault),
}

impl From<CryptoError> for AuthError {
    fn from(error: CryptoError) -> Self {
        match error {
            CryptoError::Busy { work, retry_after } => Self::Overloaded { work, retry_after },
            CryptoError::DeadlineExceeded => Self::DeadlineExceeded,
            CryptoError::NoSigningKey(_) => Self::Unavailable {
                outage: Outage::SigningKey,
                fault: Fault::from(error.to_string()),
            },
            CryptoError::Fixed(fault) => {
                tracing::error!(error = chain(&fault), "the keys cannot be changed");
                Self::FailedPrecondition(Obstacle::KeysFixed)
            }
            CryptoError::Failed(fault) => Self::Internal(fault),
        }
    }
}
