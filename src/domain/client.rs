//! Clients that administrators make: they prove who they are by a secret or a
//! key of their own, and are given tokens in their own name.

use std::{fmt, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret as _, SecretString};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{
    client_keys::ClientKeys,
    clock::Timestamp,
    entropy::{Entropy, EntropyError},
    id::ClientId,
    policy::ClientPolicy,
};

/// Before every secret, so that people and scanners of sources recognise one.
const SECRET_PREFIX: &str = "tws_";
/// Random bytes of a secret: with 256 bits, nobody guesses it and its digest
/// needs no salt and no slow hash.
const SECRET_LEN: usize = 32;
/// The longest text that is looked at as a secret, in bytes.
pub const SECRET_MAX_LEN: usize = 128;
/// The longest that the secret of before a rotation may be kept.
pub const SECRET_GRACE_MAX: Duration = Duration::from_hours(7 * 24);

/// A client as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// The `client_id` claim.
    pub id: ClientId,
    /// The `cver` claim: tokens of older versions are dead. Only grows, and
    /// goes on where it was if the client is deleted and made again.
    pub version: i64,
    /// Random, and another one after each change.
    pub etag: Uuid,
    /// What an administrator has set.
    pub profile: ClientProfile,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Since when it is given nothing; `None` while enabled.
    pub disabled_at: Option<Timestamp>,
    /// Its secrets, oldest first: at most two.
    pub secrets: Vec<StoredSecret>,
}

/// What an administrator sets for a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientProfile {
    /// What people call it; may be empty.
    pub display_name: String,
    /// What it may have.
    pub policy: ClientPolicy,
    /// May users log in on it?
    pub allow_login: bool,
    /// The keys by which it may prove who it is; may be empty.
    pub keys: ClientKeys,
}

/// A secret, as much as is kept of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSecret {
    /// Its name, for people.
    pub id: Uuid,
    /// Its digest.
    pub digest: SecretDigest,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is worth nothing; `None` for the current one.
    pub expires_at: Option<Timestamp>,
}

impl StoredSecret {
    /// Is it worth something?
    pub fn lives(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

/// A secret in clear, which is shown once and never kept.
#[derive(Clone, Debug)]
pub struct ClientSecret(SecretString);

impl ClientSecret {
    /// A new one.
    pub fn generate(entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        let mut bytes = Zeroizing::new([0; SECRET_LEN]);
        entropy.fill(bytes.as_mut())?;
        let text = URL_SAFE_NO_PAD.encode(bytes.as_ref());
        Ok(Self(SecretString::from(SECRET_PREFIX.to_owned() + &Zeroizing::new(text))))
    }

    /// The text.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// SHA-256 of a secret. Never printed, though it is good for nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SecretDigest([u8; 32]);

impl SecretDigest {
    /// From the bytes of a digest.
    pub const fn new(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// The bytes.
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// As it is kept: base64url.
    pub fn to_text(self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// The inverse of [`Self::to_text`].
    pub fn parse(text: &str) -> Result<Self, InvalidDigest> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidDigest)?;
        bytes.try_into().map(Self).map_err(|_| InvalidDigest)
    }
}

impl fmt::Debug for SecretDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretDigest([redacted])")
    }
}

/// Text that is not a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a digest")]
pub struct InvalidDigest;

#[cfg(test)]
mod tests {
    use super::*;

    struct Counted;

    impl Entropy for Counted {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
            (0..).zip(bytes).for_each(|(n, byte)| *byte = n);
            Ok(())
        }
    }

    #[test]
    fn a_secret_is_256_bits_and_prints_as_none() {
        let secret = ClientSecret::generate(&Counted).expect("randomness");
        assert_eq!(secret.expose(), "tws_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8");
        assert!(secret.expose().len() <= SECRET_MAX_LEN);
        assert!(!format!("{secret:?}").contains("AAEC"));
    }

    #[test]
    fn a_digest_is_kept_as_it_is_read_and_prints_as_none() {
        let digest = SecretDigest::new([7; 32]);
        assert_eq!(SecretDigest::parse(&digest.to_text()), Ok(digest));
        assert!(SecretDigest::parse("AAAA").is_err());
        assert!(!format!("{digest:?}").contains('7'));
    }

    #[test]
    fn a_secret_ends_at_its_end() {
        let at = Timestamp::from_seconds;
        let secret = |expires_at| StoredSecret {
            id: Uuid::nil(),
            digest: SecretDigest::new([0; 32]),
            created_at: at(1),
            expires_at,
        };
        assert!(secret(None).lives(at(i64::MAX / 1_000_000)));
        assert!(secret(Some(at(10))).lives(at(9)));
        assert!(!secret(Some(at(10))).lives(at(10)));
    }
}
