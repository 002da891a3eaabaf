//! All keys of this process: which one signs, which are trusted, what the
//! world is shown.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;

use super::{
    jwks::JwksTimeline,
    key_directory::{KeyringError, load_directories},
    key_info::{KeyInfo, KeyState},
    port::{CryptoError, JwksDocument, KeyPurpose, TokenKeys},
    public_key::PublicKey,
    signing_key::SigningKey,
    workers::Workers,
};
use crate::domain::{
    clock::Timestamp,
    id::KeyId,
    keys::{Due, RotationRules, Schedule, Scheduled},
    token::{CompactToken, TokenType},
};

/// How long the tokens of each purpose can live: the largest lifetimes ever
/// configured. A retired key is trusted that much longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenLives {
    /// Of access tokens.
    pub access: Duration,
    /// Of refresh tokens, which is that of sessions.
    pub refresh: Duration,
}

impl TokenLives {
    fn of(self, purpose: KeyPurpose) -> Duration {
        match purpose {
            KeyPurpose::Access => self.access,
            KeyPurpose::Refresh => self.refresh,
        }
    }
}

/// The keys of both purposes, as the directories had them when they were
/// loaded, and which of them were revoked. Never changes:
/// [`super::live_keys::LiveKeys`] puts another in its place.
#[derive(Debug)]
pub struct Keyring {
    access: Schedule<Arc<SigningKey>>,
    refresh: Schedule<Arc<SigningKey>>,
    lives: TokenLives,
    revoked: Arc<HashSet<KeyId>>,
    known: HashMap<KeyId, Known>,
    jwks: JwksTimeline,
    workers: Arc<Workers>,
}

/// What has to be known of a key to judge a token.
#[derive(Clone, Debug)]
struct Known {
    purpose: KeyPurpose,
    key: Arc<SigningKey>,
    trusted_until: Option<Timestamp>,
}

impl Keyring {
    /// Reads both directories. One bad file is enough to refuse all: a key
    /// that is silently left out would be missed only when it should sign.
    /// Blocks for about a millisecond a key.
    pub fn load(
        access_dir: &Path,
        refresh_dir: &Path,
        lives: TokenLives,
        workers: Arc<Workers>,
    ) -> Result<Self, KeyringError> {
        let (access, refresh) = load_directories(access_dir, refresh_dir)?;
        let (access, refresh) = (Schedule::new(access), Schedule::new(refresh));
        Ok(Self::new(access, refresh, lives, Arc::default(), workers))
    }

    /// No keys: signs nothing and trusts nothing. For programs that manage
    /// users and sessions beside a server.
    pub fn empty(lives: TokenLives, workers: Arc<Workers>) -> Self {
        Self::new(Schedule::new([]), Schedule::new([]), lives, Arc::default(), workers)
    }

    /// The same keys, of which these are revoked: they are not shown and do not
    /// sign. Their tokens are still known as ours, so that it can be said why
    /// they are refused.
    #[must_use]
    pub fn with_revoked(&self, revoked: Arc<HashSet<KeyId>>) -> Self {
        let (access, refresh) = (self.access.clone(), self.refresh.clone());
        Self::new(access, refresh, self.lives, revoked, Arc::clone(&self.workers))
    }

    /// Those that are revoked, of these keys or of others.
    pub(super) fn revoked(&self) -> &Arc<HashSet<KeyId>> {
        &self.revoked
    }

    /// The key that signs at `now`.
    pub(super) fn signing_key(&self, purpose: KeyPurpose, now: Timestamp) -> Option<&KeyId> {
        self.signer(purpose, now).ok().map(|key| key.public().kid())
    }

    /// From when that key is scheduled to sign.
    pub(super) fn signer_instant(&self, purpose: KeyPurpose, now: Timestamp) -> Option<Timestamp> {
        let signer = self.schedule(purpose).signer_at(now, |key| self.is_revoked(key))?;
        signer.signs_from
    }

    /// From when a key is scheduled to sign.
    pub(super) fn signs_from(&self, kid: &KeyId) -> Option<Timestamp> {
        let mut entries = self.access.iter().chain(self.refresh.iter());
        entries.find(|entry| entry.key.public().kid() == kid)?.signs_from
    }

    /// The key of a purpose that stands by.
    pub(super) fn standby(&self, purpose: KeyPurpose, now: Timestamp) -> Option<KeyInfo> {
        let standby = self.schedule(purpose).standby_at(now, |key| self.is_revoked(key))?;
        Some(self.info(purpose, standby, now))
    }

    /// The newest instant of a purpose.
    pub(super) fn newest_instant(&self, purpose: KeyPurpose) -> Option<Timestamp> {
        self.schedule(purpose).iter().last().and_then(|entry| entry.signs_from)
    }

    /// Should the next key of a purpose be made?
    pub(super) fn due(&self, purpose: KeyPurpose, now: Timestamp, rules: RotationRules) -> Due {
        self.schedule(purpose).due(now, rules, |key| self.is_revoked(key))
    }

    /// The length in bits of the newest key of a purpose.
    pub(super) fn newest_bits(&self, purpose: KeyPurpose) -> Option<usize> {
        self.schedule(purpose).iter().last().map(|entry| entry.key.public().bits())
    }

    /// The keys that are missed in `other`: trusted now, and not revoked.
    pub(super) fn missed_in(&self, other: &Self, now: Timestamp) -> Vec<KeyInfo> {
        let is_there = |key: &KeyInfo| {
            other.known.get(&key.kid).is_some_and(|known| known.purpose == key.purpose)
        };
        let mut keys = self.keys(now);
        keys.retain(|key| {
            !matches!(key.state, KeyState::Expired | KeyState::Revoked) && !is_there(key)
        });
        keys
    }

    /// The public half of an access key, to be exported. Refresh keys stay
    /// in the house.
    pub fn public_key(&self, kid: &KeyId) -> Option<&PublicKey> {
        let known = self.known.get(kid)?;
        (known.purpose == KeyPurpose::Access).then(|| known.key.public())
    }

    fn new(
        access: Schedule<Arc<SigningKey>>,
        refresh: Schedule<Arc<SigningKey>>,
        lives: TokenLives,
        revoked: Arc<HashSet<KeyId>>,
        workers: Arc<Workers>,
    ) -> Self {
        let mut known = HashMap::new();
        for (purpose, schedule) in [(KeyPurpose::Access, &access), (KeyPurpose::Refresh, &refresh)]
        {
            for entry in schedule.iter() {
                let trusted_until = schedule.trusted_until(entry, lives.of(purpose));
                let key = Arc::clone(&entry.key);
                let kid = key.public().kid().clone();
                known.insert(kid, Known { purpose, key, trusted_until });
            }
        }
        let jwks = jwks_of(&access, lives.access, &revoked);
        Self { access, refresh, lives, revoked, known, jwks, workers }
    }

    fn schedule(&self, purpose: KeyPurpose) -> &Schedule<Arc<SigningKey>> {
        match purpose {
            KeyPurpose::Access => &self.access,
            KeyPurpose::Refresh => &self.refresh,
        }
    }

    fn signer(&self, purpose: KeyPurpose, at: Timestamp) -> Result<&Arc<SigningKey>, CryptoError> {
        let entry = self.schedule(purpose).signer_at(at, |key| self.is_revoked(key));
        entry.map(|entry| &entry.key).ok_or(CryptoError::NoSigningKey(at))
    }

    fn info(
        &self,
        purpose: KeyPurpose,
        entry: &Scheduled<Arc<SigningKey>>,
        now: Timestamp,
    ) -> KeyInfo {
        KeyInfo {
            purpose,
            file: entry.name.clone(),
            kid: entry.key.public().kid().clone(),
            bits: entry.key.public().bits(),
            state: self.state(purpose, &entry.key, now),
            signs_from: entry.signs_from,
            trusted_until: self.schedule(purpose).trusted_until(entry, self.lives.of(purpose)),
        }
    }

    fn is_revoked(&self, key: &SigningKey) -> bool {
        self.revoked.contains(key.public().kid())
    }

    fn state(&self, purpose: KeyPurpose, key: &Arc<SigningKey>, now: Timestamp) -> KeyState {
        if self.is_revoked(key) {
            return KeyState::Revoked;
        }
        let schedule = self.schedule(purpose);
        let is_this = |other: &Arc<SigningKey>| Arc::ptr_eq(other, key);
        if self.signer(purpose, now).is_ok_and(is_this) {
            return KeyState::Signing;
        }
        if !schedule.trusted_at(now, self.lives.of(purpose)).any(|entry| is_this(&entry.key)) {
            return KeyState::Expired;
        }
        let entry = schedule.iter().find(|entry| is_this(&entry.key));
        let retired_at = entry.and_then(|entry| schedule.retired_at(entry));
        match retired_at {
            Some(end) if end <= now => KeyState::Retired,
            _ => KeyState::Standby,
        }
    }
}

#[async_trait]
impl TokenKeys for Keyring {
    async fn sign(
        &self,
        token_type: TokenType,
        claims_json: String,
        at: Timestamp,
    ) -> Result<String, CryptoError> {
        let key = Arc::clone(self.signer(purpose_of(token_type), at)?);
        let token = self.workers.sign(move || key.sign(token_type, &claims_json)).await?;
        token.map_err(CryptoError::Failed)
    }

    fn check(&self, token: &CompactToken<'_>, now: Timestamp) -> Option<KeyPurpose> {
        let known = self.known.get(&token.kid)?;
        let trusted = known.trusted_until.is_none_or(|end| now < end);
        (trusted && known.key.verifies(token.signing_input, token.signature))
            .then_some(known.purpose)
    }

    fn jwks(&self, now: Timestamp) -> Arc<JwksDocument> {
        self.jwks.at(now)
    }

    fn keys(&self, now: Timestamp) -> Vec<KeyInfo> {
        [KeyPurpose::Access, KeyPurpose::Refresh]
            .into_iter()
            .flat_map(|purpose| {
                self.schedule(purpose).iter().map(move |entry| self.info(purpose, entry, now))
            })
            .collect()
    }

    fn can_sign(&self, now: Timestamp) -> bool {
        let ready = |purpose| self.signer(purpose, now).is_ok();
        ready(KeyPurpose::Access) && ready(KeyPurpose::Refresh)
    }
}

fn purpose_of(token_type: TokenType) -> KeyPurpose {
    match token_type {
        TokenType::Access(_) => KeyPurpose::Access,
        TokenType::Refresh | TokenType::Cookie => KeyPurpose::Refresh,
    }
}

/// The key that signs stands first, and then the newest: who takes the first
/// one and ignores `kid` is right unless a token is older than the last change.
fn jwks_of(
    access: &Schedule<Arc<SigningKey>>,
    life: Duration,
    revoked: &HashSet<KeyId>,
) -> JwksTimeline {
    let is_revoked = |key: &Arc<SigningKey>| revoked.contains(key.public().kid());
    let changes = access.iter().flat_map(|entry| {
        [entry.signs_from, access.trusted_until(entry, life)].into_iter().flatten()
    });
    JwksTimeline::new(changes.collect(), |now| {
        let signer = access.signer_at(now, is_revoked).map(|entry| &entry.name);
        let mut shown: Vec<_> =
            access.trusted_at(now, life).filter(|entry| !is_revoked(&entry.key)).collect();
        shown.reverse();
        shown.sort_by_key(|entry| signer != Some(&entry.name));
        shown.into_iter().map(|entry| entry.key.public()).collect()
    })
}
